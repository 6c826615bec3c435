package Oracle::Play;

# Plays a scenario on the extension and on the oracle, in one database, and
# compares what both say: the status of every event, the rejected events, and
# every answer of usage.

use strict;
use warnings;
use DBI;
use Oracle::Scenario;

my @USAGE = qw(subject window_size group_by filter time_zone profile);

sub usage_arguments { return @USAGE }

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
			for my $call (@{ $scenario->{calls} }) {
				my $compare = 'compare_' . ($call->{kind} // 'usage');
				$self->$compare($scenario, $call);
				$self->{difference}{call} = $call, last if $self->{difference};
			}
			$dbh->commit;
		}
		1;
	};
	$self->{difference} //= { what => 'error', detail => $@ } unless $ok;
	eval { $dbh->rollback unless $dbh->{AutoCommit}; 1 } or die "the server is gone; seed $scenario->{seed}\n";
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
	my $full = Oracle::Scenario::encode($scenario->{meters}[ $step->{meter} ]);
	my $json = Oracle::Scenario::encode(public($scenario->{meters}[ $step->{meter} ]));
	my $call = 'meter.create_meter(' . join(', ', map { $dbh->quote($_) } $self->{organization}, $json) . ')';
	$self->note_sql("SELECT $call;");
	my ($id) = $dbh->selectrow_array("SELECT $call ->> 'id'");
	$dbh->do('SELECT oracle.create_meter($1, $2, $3)', undef, $self->{organization}, $id, $full);
	$self->{ids}[ $step->{meter} ] = $id;
	return;
}

# A definition without what only the oracle is told.
sub public {
	my ($v) = @_;
	return { map { $_ => public($v->{$_}) } grep { $_ ne 'sql' } keys %$v } if ref $v eq 'HASH';
	return [ map { public($_) } @$v ] if ref $v eq 'ARRAY';
	return $v;
}

# A function that both sides have, with the same arguments: both take them, or
# both refuse.
sub play_call {
	my ($self, $scenario, $step) = @_;
	my $dbh = $self->{dbh};
	my $call = "$step->{function}(" . join(', ', map { $dbh->quote($_) } $self->{organization}, @{ $step->{arguments} }) . ')';
	$self->note_sql("SELECT meter.$call;");
	my %error;
	$dbh->pg_savepoint('call');
	for my $side (qw(meter oracle)) {
		eval { $dbh->do("SELECT $side.$call"); 1 } and next;
		$error{$side} = $@;
		$dbh->pg_rollback_to('call');
	}
	$dbh->pg_rollback_to('call') if %error;
	$self->{difference} = { what => $step->{function}, detail => join "\n", %error } if keys %error == 1;
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

		# the text of a code is the engine's own, but for PARTIAL and those of lateness
		my $code = $o->[2] =~ /^(accepted|late_revised|late_next_window)$/ ? $o->[3] : $o->[3] // $e->[3];
		next if tuple(@$e[ 0 .. 3 ]) eq tuple(@$o[ 0 .. 2 ], $code) && ($o->[2] ne 'rejected' || (defined $e->[3] && defined $e->[4]));
		push @wrong, 'engine: ' . tuple(@$e), 'oracle: ' . tuple(@$o) . "   for $json[$i]";
	}
	$self->{difference} = { what => 'ingest', detail => few(@wrong) } if @wrong;
	return;
}

sub play_inbox_json {
	my ($self, $scenario, $step) = @_;
	$self->copy_json($step);
	return $self->tell_oracle($step);
}

sub play_inbox_columns {
	my ($self, $scenario, $step) = @_;
	$self->copy_columns($step);
	return $self->tell_oracle($step);
}

# COPY into the inbox, as documents.
sub copy_json {
	my ($self, $step) = @_;
	return $self->copy([qw(organization_id event)], map { [ $self->{organization}, $_->{json} ] } @{ $step->{events} });
}

# COPY into the inbox, as columns.
sub copy_columns {
	my ($self, $step) = @_;
	return $self->copy(
		[qw(organization_id id source type subject meter time data)],
		map {
			[ $self->{organization}, @$_{qw(id source type subject meter)}, Oracle::Scenario::time_text($_->{time}, $_->{offset}), $_->{data_json} ]
		} @{ $step->{events} });
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
		$self->{difference} = { what => $engine =~ /^\w+$/ ? "report $engine" : 'error', detail => "engine: $engine\noracle: $oracle\n$error" };
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

# Arguments of a question: those that are always there, then those with names.
sub arguments {
	my ($self, $scenario, $call, @names) = @_;
	my $dbh = $self->{dbh};
	my $key = $scenario->{meters}[ $call->{meter} ]{key} =~ s/"//gr;
	my $meter = $call->{by_id} ? $self->{ids}[ $call->{meter} ] : $key;
	my @arguments = map { $dbh->quote($_) } $self->{organization}, $meter, $call->{from}, $call->{to};
	for my $name (grep { defined $call->{$_} } @names) {
		my $v = $call->{$name};
		push @arguments, "$name => " . $dbh->quote(ref $v ? '{' . join(',', @$v) . '}' : $v);
	}
	return join ', ', @arguments;
}

sub compare_usage {
	my ($self, $scenario, $call) = @_;
	my $sql = '.usage(' . $self->arguments($scenario, $call, @USAGE) . ')';
	$self->note_sql("SELECT * FROM meter$sql ORDER BY 1, 3, 4, 5;") if $call->{trace};
	my $value = $self->value_of($scenario, $call);
	my $columns = qq{window_start, window_end, subject, coalesce(dimensions, '{}') AS dimensions, currency, version, $value AS value, event_count};
	$self->compare("meter$sql", "SELECT $columns FROM meter$sql", "SELECT $columns FROM oracle$sql");
	return;
}

# A mean of levels is a quotient, which has no end; everything else is exact.
sub value_of {
	my ($self, $scenario, $call) = @_;
	my $def = $scenario->{meters}[ $call->{meter} ];
	my ($profile) = defined $call->{profile} ? grep { $_->{code} eq qq("$call->{profile}") } @{ $def->{profiles} } : ();
	my $function = $profile ? $profile->{aggregation_method} : $def->{function};
	return $function eq '"weighted_sum"' ? 'oracle.comparable(value)' : 'value';
}

# The pages of explain_usage against all of the oracle's rows, and their sum
# against the number.
sub compare_explain {
	my ($self, $scenario, $call) = @_;
	my $arguments = $self->arguments($scenario, $call, qw(subject filter profile));
	my $pages = 'pages(' . $self->arguments($scenario, $call, qw(subject filter profile page_size)) . ')';
	$self->note_sql("SELECT * FROM meter.explain_usage($arguments);") if $call->{trace};
	$self->compare("explain_usage $pages", "SELECT * FROM oracle.$pages", "SELECT * FROM oracle.explain($arguments)");
	$self->compare_sum($scenario, $call, $arguments, $pages) unless $self->{difference};
	return;
}

sub compare_sum {
	my ($self, $scenario, $call, $arguments, $pages) = @_;
	my $function = $scenario->{meters}[ $call->{meter} ]{function} =~ s/"//gr;
	my $sum = !defined $call->{profile} && $function =~ /^(sum|count|custom)$/ ? 'sum(value)' : 'NULL::numeric';
	my $value = $sum =~ /NULL/ ? $sum : 'value';
	$self->compare("sum of explain_usage $pages",
		"SELECT currency, version, $sum, count(*) FROM oracle.$pages GROUP BY 1, 2",
		"SELECT currency, version, $value, event_count FROM meter.usage($arguments) WHERE event_count > 0");
	return;
}

# What meter.windows gives, cut at the ends of the range.
sub compare_windows {
	my ($self, $scenario, $call) = @_;
	my $arguments = join ', ', map { $self->{dbh}->quote($call->{$_}) } qw(window from to);
	my $oracle = join ', ', map { $self->{dbh}->quote($call->{$_}) } qw(from to window);
	my @bounds = map { $self->{dbh}->quote($call->{$_}) } qw(from to);
	$self->note_sql("SELECT * FROM meter.windows($arguments);") if $call->{trace};
	$self->compare("windows($arguments)",
		"SELECT greatest(window_start, $bounds[0]), least(window_end, $bounds[1]) FROM meter.windows($arguments)",
		"SELECT * FROM oracle.windows($oracle)");
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
