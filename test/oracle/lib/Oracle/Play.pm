package Oracle::Play;

# Plays a scenario on the extension and on the oracle, in one database, and
# compares what both say: the status of every event, the rejected events, and
# every answer of usage.

use strict;
use warnings;
use DBI;
use Oracle::Scenario;

my @USAGE = qw(subject window_size group_by filter time_zone);

sub new {
	my ($class, $dbh) = @_;
	return bless { dbh => $dbh }, $class;
}

# Play $scenario in a new organization.  Returns nothing, or what differed:
# { what, detail, call }.  With trace the statements are kept in it.
sub play {
	my ($self, $scenario) = @_;
	my $dbh = $self->{dbh};
	$self->{trace} = [];
	$self->{difference} = undef;
	$self->{ids} = [];
	my $ok = eval {
		$dbh->begin_work;
		($self->{organization}) = $dbh->selectrow_array(q{SELECT meter.create_organization('oracle')});
		$dbh->commit;
		$self->step($scenario, $_) || last for @{ $scenario->{steps} };
		unless ($self->{difference}) {
			$dbh->begin_work;
			$self->compare_rejected;
			$self->{difference} || $self->compare_usage($scenario, $_) for @{ $scenario->{calls} };
			$dbh->commit;
		}
		1;
	};
	$self->{difference} //= { what => 'error', detail => $@ } unless $ok;
	$dbh->rollback unless $dbh->{AutoCommit};
	return $self->{difference};
}

# Statements played, as a script.
sub script {
	my ($self) = @_;
	return join "\n", @{ $self->{trace} };
}

sub note_sql {
	my ($self, $sql) = @_;
	push @{ $self->{trace} }, $sql =~ s/'\Q$self->{organization}\E'/:'org'/gr;
	return;
}

# One step, in a transaction of its own.
sub step {
	my ($self, $scenario, $step) = @_;
	my $dbh = $self->{dbh};
	$dbh->begin_work;
	$self->note_sql('BEGIN;') if $step->{rollback};
	my $play = "play_$step->{kind}";
	$self->$play($scenario, $step);
	$self->note_sql('ROLLBACK;') if $step->{rollback};
	if ($step->{rollback}) { $dbh->rollback }
	else                   { $dbh->commit }
	return !$self->{difference};
}

sub play_meter {
	my ($self, $scenario, $step) = @_;
	my $dbh = $self->{dbh};
	my $json = Oracle::Scenario::encode($scenario->{meters}[ $step->{meter} ]);
	my $call = 'meter.create_meter(' . join(', ', map { $dbh->quote($_) } $self->{organization}, $json) . ')';
	$self->note_sql("SELECT $call;");
	my ($id) = $dbh->selectrow_array("SELECT $call ->> 'id'");
	$dbh->do(q{INSERT INTO oracle.meter (organization_id, key, id, definition) SELECT $1, d ->> 'key', $2, d FROM (SELECT $3::jsonb) x(d)},
		undef, $self->{organization}, $id, $json);
	$self->{ids}[ $step->{meter} ] = $id;
	return;
}

# Both sides' statuses of a document of events.
sub play_ingest {
	my ($self, $scenario, $step) = @_;
	my $dbh = $self->{dbh};
	my @json = map { $_->{json} } @{ $step->{events} };
	my $document = @json == 1 && !$step->{array} ? $json[0] : '[' . join(",\n", @json) . ']';
	my $arguments = join ', ', map { $dbh->quote($_) } $self->{organization}, $document;
	$self->note_sql("SELECT * FROM meter.ingest($arguments);");
	my $engine = $dbh->selectall_arrayref("SELECT ordinal, id, status, code, message FROM meter.ingest($arguments)");
	my $oracle = $dbh->selectall_arrayref("SELECT ordinal, id, status, code FROM oracle.ingest($arguments)");
	my @wrong;
	push @wrong, 'engine gives ' . @$engine . ' rows, oracle ' . @$oracle if @$engine != @$oracle;
	for my $i (0 .. $#$oracle) {
		my ($e, $o) = ($engine->[$i] // [], $oracle->[$i]);

		# the text of a code is the engine's own, but for PARTIAL
		my $code = $o->[2] eq 'accepted' ? $o->[3] : $e->[3];
		next if tuple(@$e[ 0 .. 3 ]) eq tuple(@$o[ 0 .. 2 ], $code) && ($o->[2] ne 'rejected' || (defined $e->[3] && defined $e->[4]));
		push @wrong, 'engine: ' . tuple(@$e), 'oracle: ' . tuple(@$o) . "   for $json[$i]";
	}
	$self->{difference} = { what => 'ingest', detail => few(@wrong) } if @wrong;
	return;
}

# COPY into the inbox, as documents.
sub play_inbox_json {
	my ($self, $scenario, $step) = @_;
	$self->copy([qw(organization_id event)], map { [ $self->{organization}, $_->{json} ] } @{ $step->{events} });
	return $self->tell_oracle($step);
}

# COPY into the inbox, as columns.
sub play_inbox_columns {
	my ($self, $scenario, $step) = @_;
	$self->copy(
		[qw(organization_id id source type subject meter time data)],
		map {
			[ $self->{organization}, @$_{qw(id source type subject meter)}, Oracle::Scenario::time_text($_->{time}, $_->{offset}), $_->{data_json} ]
		} @{ $step->{events} });
	return $self->tell_oracle($step);
}

sub copy {
	my ($self, $columns, @rows) = @_;
	my $dbh = $self->{dbh};
	my $names = join ', ', @$columns;
	my @lines;
	for my $row (@rows) {
		my @fields = @$row;
		s/\\/\\\\/g, s/\n/\\n/g, s/\t/\\t/g for grep { defined } @fields;
		push @lines, join("\t", map { $_ // '\\N' } @fields) . "\n";
		$self->note_sql("INSERT INTO meter.event_inbox ($names) VALUES (" . join(', ', map { $dbh->quote($_) } @$row) . ');');
	}
	$dbh->do("COPY meter.event_inbox ($names) FROM STDIN");
	$dbh->pg_putcopydata($_) for @lines;
	$dbh->pg_putcopyend;
	return;
}

sub tell_oracle {
	my ($self, $step) = @_;
	$self->{dbh}->selectall_arrayref('SELECT * FROM oracle.ingest($1, $2)', undef,
		$self->{organization}, '[' . join(',', map { $_->{json} } @{ $step->{events} }) . ']');
	return;
}

# Reports one at a time.  A refused one is an error, which takes everything back.
sub play_report {
	my ($self, $scenario, $step) = @_;
	my $dbh = $self->{dbh};
	for my $report (@{ $step->{events} }) {
		my $arguments = join ', ', map { $dbh->quote($_) } $self->{organization}, Oracle::Scenario::report_json($report), $report->{id};
		$self->note_sql("SELECT meter.report_usage($arguments);");
		$dbh->pg_savepoint('report');
		my ($oracle) = $dbh->selectrow_array("SELECT oracle.report_usage($arguments)");
		my $engine = eval { ($dbh->selectrow_array("SELECT meter.report_usage($arguments) ->> 'status'"))[0] };
		my $error = $@;
		if (!defined $engine) {
			my $state = $dbh->state;
			$engine = $state eq '22023' ? 'rejected' : $state eq '23505' ? 'conflict' : $error;
		}
		$dbh->pg_rollback_to('report') if $error || $engine !~ /^(queued|duplicate)$/;
		next if $engine eq $oracle;
		$self->{difference} = { what => 'report', detail => "engine: $engine\noracle: $oracle\n$error" };
		return;
	}
	return;
}

# Every event kept as rejected, however many meters rejected it.
sub compare_rejected {
	my ($self) = @_;
	return $self->compare('rejected', q{SELECT DISTINCT payload ->> 'id' FROM meter.rejected_events WHERE organization_id = $1},
		q{SELECT DISTINCT event_id FROM oracle.rejected WHERE organization_id = $1}, $self->{organization});
}

sub compare_usage {
	my ($self, $scenario, $call) = @_;
	my $dbh = $self->{dbh};
	my $key = $scenario->{meters}[ $call->{meter} ]{key} =~ s/"//gr;
	my $meter = $call->{by_id} ? $self->{ids}[ $call->{meter} ] : $key;
	my @arguments = map { $dbh->quote($_) } $self->{organization}, $meter, $call->{from}, $call->{to};
	for my $name (grep { defined $call->{$_} } @USAGE) {
		my $v = $call->{$name};
		push @arguments, "$name => " . $dbh->quote(ref $v ? '{' . join(',', @$v) . '}' : $v);
	}
	my $sql = '.usage(' . join(', ', @arguments) . ')';
	$self->note_sql("SELECT * FROM meter$sql ORDER BY 1, 3, 4, 5;") if $call->{trace};
	my $columns = q{window_start, window_end, subject, coalesce(dimensions, '{}') AS dimensions, currency, version, value, event_count};
	$self->compare("meter$sql", "SELECT $columns FROM meter$sql", "SELECT $columns FROM oracle$sql");
	$self->{difference}{call} = $call if $self->{difference};
	return;
}

# Compare two queries as sets, both ways.
sub compare {
	my ($self, $what, $engine, $oracle, @bind) = @_;
	my $dbh = $self->{dbh};
	my $rows = eval {
		$dbh->pg_savepoint('compare');
		$dbh->selectall_arrayref(qq{
			WITH e AS MATERIALIZED ($engine), o AS MATERIALIZED ($oracle)
			SELECT 'engine:', * FROM (TABLE e EXCEPT ALL TABLE o) x
			UNION ALL SELECT 'oracle:', * FROM (TABLE o EXCEPT ALL TABLE e) y ORDER BY 2, 1}, undef, @bind);
	};
	if (!$rows) {
		my $error = $@;
		$dbh->pg_rollback_to('compare');
		$self->{difference} = { what => 'error', detail => "$what\n$error" };
	}
	elsif (@$rows) {
		$self->{difference} = { what => $what =~ s/\(.*//sr, detail => "$what\n" . few(map { tuple(@$_) } @$rows) };
	}
	return;
}

# The first lines of a long list.
sub few {
	my @lines = @_;
	splice @lines, 10, @lines - 10, '... ' . (@lines - 10) . ' more' if @lines > 11;
	return join "\n", @lines;
}

sub tuple {
	return join ' | ', map { $_ // 'NULL' } @_;
}

1;
