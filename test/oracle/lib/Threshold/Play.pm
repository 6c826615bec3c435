package Threshold::Play;

# Plays a history on the extension, in an organization of its own, and holds what
# it says and writes against the model: statuses of events, and the sequence of
# breaches.

use strict;
use warnings;
use JSON::PP ();
use Threshold::History;
use Threshold::Model;
use Threshold::Value;

sub new {
	my ($class, $dbh) = @_;
	my $self = bless { dbh => $dbh, windows => {} }, $class;
	$self->{bounds} = sub {
		my ($window, $t) = @_;
		my $json = encode($window);
		return @{ $self->{windows}{$json}{$t} //= $dbh->selectrow_arrayref(
				'SELECT extract(epoch FROM window_start)::bigint, extract(epoch FROM window_end)::bigint FROM meter.window_bounds($1, to_timestamp($2))', undef, $json, $t) };
	};
	return $self;
}

# JSON of a definition: whole numbers as such, and times of anchors as text.
sub encode {
	my ($value) = @_;
	my %copy = %$value;
	$copy{anchor} = Threshold::History::time_text($copy{anchor}) if defined $copy{anchor};
	return JSON::PP->new->canonical->allow_nonref->encode(\%copy);
}

# What the model says of steps.
sub model {
	my ($self, $history, $steps) = @_;
	my ($now) = $self->{dbh}->selectrow_array('SELECT floor(extract(epoch FROM clock_timestamp()))::bigint');
	my $model = Threshold::Model->new(meters => $history->{meters}, bounds => $self->{bounds}, now => $now);
	$model->step($_) for @$steps;
	return $model;
}

# Play steps; returns nothing, or { what, detail }.  The model has played the
# same events in the same order, in other batches perhaps.
sub play {
	my ($self, $history, $steps, $model) = @_;
	my $dbh = $self->{dbh};
	$self->{history} = $history;
	$self->{trace} = [];
	$self->{statuses} = [];
	my $ok = eval {
		($self->{organization}) = $dbh->selectrow_array(q{SELECT meter.create_organization('thresholds')});
		$self->call('create_meter', JSON::PP->new->canonical->encode(Threshold::History::definition($history->{meters}{$_}))) for sort keys %{ $history->{meters} };
		for my $step (grep { !$_->{skip} } @$steps) {
			$dbh->begin_work if $dbh->{AutoCommit};
			$self->trace('BEGIN', 'SAVEPOINT s'), $dbh->pg_savepoint('s') if $step->{rollback};
			my $method = "play_$step->{kind}";
			$self->$method($step);
			$self->trace('ROLLBACK TO s'), $dbh->pg_rollback_to('s') if $step->{rollback};
			next if $step->{together};
			$dbh->commit;
			$self->trace('COMMIT') if $step->{rollback};
		}
		$dbh->commit unless $dbh->{AutoCommit};
		1;
	};
	my $error = $@;
	eval { $dbh->rollback unless $dbh->{AutoCommit}; 1 } or die "the server is gone; seed $history->{seed}\n";
	return { what => 'error', detail => $error } if !$ok;
	my ($now) = $dbh->selectrow_array('SELECT extract(epoch FROM clock_timestamp())');
	return { what => 'clock', detail => 'a window ended meanwhile' } if defined $model->{deadline} && $now >= $model->{deadline};
	return $self->compare_statuses($model) // $self->compare_breaches($model) // $self->compare_rows($history, $model) // $self->compare_usage($history, $model);
}

sub trace {
	my ($self, @statements) = @_;
	push @{ $self->{trace} }, map { s/'\Q$self->{organization}\E'/:'org'/gr . ';' } @statements;
	return;
}

sub script { return join "\n", @{ $_[0]{trace} } }

sub call {
	my ($self, $function, @arguments) = @_;
	my $sql = "SELECT meter.$function(" . join(', ', map { $self->{dbh}->quote($_) } $self->{organization}, @arguments) . ')';
	$self->trace($sql);
	return $self->{dbh}->selectrow_array($sql);
}

# ---------------------------------------------------------------------- steps

sub play_customer { my ($self, $step) = @_; return $self->call('create_customer', encode($step->{def})) }
sub play_product  { my ($self, $step) = @_; return $self->call('create_product', encode({ code => $step->{code}, name => $step->{code} })) }
sub play_pause    { my ($self, $step) = @_; return $self->call('pause_threshold', $step->{name}) }
sub play_resume   { my ($self, $step) = @_; return $self->call('resume_threshold', $step->{name}) }
sub play_delete   { my ($self, $step) = @_; return $self->call('delete_threshold', $step->{name}) }

sub play_subscription {
	my ($self, $step) = @_;
	my %def = %{ $step->{def} };
	$_ = $_ && Threshold::History::time_text($_) for @def{qw(started_at ended_at)};
	return $self->call('create_subscription', JSON::PP->new->canonical->encode(\%def));
}

sub play_threshold {
	my ($self, $step) = @_;
	my $t = $step->{def};
	my @numbers = map { Threshold::Value::text($_) } @{ $t->{threshold_value} };
	my %plain = map { $_ => $t->{$_} } grep { defined $t->{$_} } qw(name meter scope window comparator action_kind action_target action_event_type);
	$plain{$_} = $t->{$_} ? \1 : \0 for qw(per_dimensions evaluate_on_create);
	my $json = encode(\%plain);
	my $more = join ',', '"threshold_value":' . (@numbers == 1 ? $numbers[0] : '[' . join(',', @numbers) . ']'),
	  map { qq("$_":) . Threshold::Value::text($t->{$_}) } grep { defined $t->{$_} } qw(recurring_step clear_value);
	return $self->call('create_threshold', $json =~ s/\}$/,$more}/r);
}

# It is counted anew by a procedure that commits, so in no transaction.
sub play_version {
	my ($self, $step) = @_;
	my $function = $self->{history}{meters}{ $step->{meter} }{function};
	my $patch = { %{ Threshold::History::version($function, @$step{qw(filtered field)}) }, effective_at => Threshold::History::time_text($step->{since}), reprocess => \1 };
	$self->call('update_meter', $step->{meter}, JSON::PP->new->canonical->encode($patch));
	$self->{dbh}->commit;
	$self->trace('CALL meter.run_reprocess_jobs()');
	$self->{dbh}->do('CALL meter.run_reprocess_jobs()');
	$self->{dbh}->begin_work;
	return;
}

sub play_void {
	my ($self, $step) = @_;
	return $self->call('void_event', 't', $step->{event}{id}, 'by mistake', $step->{event}{source});
}

sub play_amend {
	my ($self, $step) = @_;
	return $self->call('amend_event', 't', $step->{event}{id}, 'was wrong', Threshold::History::data_json($step->{data}), $step->{event}{source});
}

sub play_send {
	my ($self, $step) = @_;
	my $method = "send_$step->{how}";
	push @{ $self->{statuses} }, $self->$method(@{ $step->{events} });
	return;
}

sub send_ingest {
	my ($self, @events) = @_;
	my $document = @events == 1 ? $events[0]{json} : "[\n" . join(",\n", map { $_->{json} } @events) . ']';
	my $arguments = join ', ', map { $self->{dbh}->quote($_) } $self->{organization}, $document;
	$self->trace("SELECT * FROM meter.ingest($arguments)");
	return @{ $self->{dbh}->selectall_arrayref("SELECT status, code FROM meter.ingest($arguments) ORDER BY ordinal") };
}

# By the inbox nobody says what became of an event.
sub send_inbox_json {
	my ($self, @events) = @_;
	return $self->copy([qw(organization_id event)], map { [ $self->{organization}, $_->{json} ] } @events);
}

sub send_inbox_columns {
	my ($self, @events) = @_;
	return $self->copy([qw(organization_id id source type subject time data)],
		map { [ $self->{organization}, @$_{qw(id source)}, 't', $_->{subject}, Threshold::History::time_text($_->{time}), $_->{data_json} ] } @events);
}

sub send_inbox_insert {
	my ($self, @events) = @_;
	my $rows = join ', ', map { '(' . join(', ', map { $self->{dbh}->quote($_) } $self->{organization}, $_->{json}) . ')' } @events;
	my $sql = "INSERT INTO meter.event_inbox (organization_id, event) VALUES $rows";
	$self->trace($sql);
	$self->{dbh}->do($sql);
	return map { undef } @events;
}

sub copy {
	my ($self, $columns, @rows) = @_;
	my $names = join ', ', @$columns;
	$self->{dbh}->do("COPY meter.event_inbox ($names) FROM STDIN");
	$self->{dbh}->pg_putcopydata(join("\t", map { s/\\/\\\\/gr } @$_) . "\n") for @rows;
	$self->{dbh}->pg_putcopyend;
	$self->trace("INSERT INTO meter.event_inbox ($names) VALUES " . join ', ', map { '(' . join(', ', map { $self->{dbh}->quote($_) } @$_) . ')' } @rows);
	return map { undef } @rows;
}

# Reports one at a time; a refused one is an error, which takes everything back.
sub send_report {
	my ($self, @events) = @_;
	my $dbh = $self->{dbh};
	my @statuses;
	for my $event (@events) {
		my $report = sprintf '{"meterName":"%s","customerId":"%s","timestamp":"%s","value":%s,"metadata":%s}', $event->{meter}, $event->{subject},
		  Threshold::History::time_text($event->{time}), Threshold::Value::text($event->{data}{n}), Threshold::History::data_json($event->{data}, 'n');
		$dbh->pg_savepoint('report');
		if (eval { $self->call('report_usage', $report, $event->{id}); 1 }) {
			push @statuses, ['report'];
			next;
		}
		my ($error, $state) = ($@, $dbh->state);
		$dbh->pg_rollback_to('report');
		die $error if $state !~ /^(22023|23505|53400)$/;
		push @statuses, [ $state eq '22023' ? 'rejected' : $state eq '23505' ? 'conflict' : 'rejected', $state eq '53400' ? 'QUOTA_EXCEEDED' : undef ];
		die $error if $state eq '53400' && $error !~ /QUOTA_EXCEEDED/;
	}
	return @statuses;
}

# ----------------------------------------------------------------- comparison

sub compare_statuses {
	my ($self, $model) = @_;
	my @expected = map { @$_ } @{ $model->{statuses} };
	my @actual = @{ $self->{statuses} };
	my @wrong;
	for my $i (0 .. $#expected) {
		my ($e, $a) = ($expected[$i], $actual[$i]);
		next if !$a;
		if ($a->[0] eq 'report') { $a = [$e->[0]] if $e->[0] =~ /^(accepted|duplicate)$/; $e = [$e->[0]] }
		my $same = $e->[0] eq $a->[0] && (defined $e->[1] || $e->[0] eq 'accepted' ? ($e->[1] // '') eq ($a->[1] // '') : ($a->[1] // '') ne 'QUOTA_EXCEEDED' || $e->[0] eq 'rejected');
		push @wrong, 'event ' . ($i + 1) . ": expected @{[ map { $_ // '-' } @$e ]}, got @{[ map { $_ // '-' } @$a ]}" if !$same;
	}
	return @wrong ? { what => 'statuses', detail => join "\n", few(@wrong) } : undef;
}

# Breaches that were written, in their order.
sub breaches {
	my ($self) = @_;
	return @{ $self->{dbh}->selectall_arrayref(q{
		SELECT o.event_type AS type, p.*, extract(epoch FROM window_start)::bigint AS window_start, extract(epoch FROM window_end)::bigint AS window_end,
			o.payload -> 'threshold_value' AS threshold_value, nullif(o.payload -> 'observed_value', 'null') AS observed_value,
			nullif(nullif(o.payload -> 'dimensions', 'null'), '{}')::text AS dimensions, 
			(SELECT t.code FROM meter.products AS t WHERE t.organization_id = $1 AND t.id::text = o.payload ->> 'product_id') AS product
		FROM meter.domain_event_outbox AS o,
			jsonb_to_record(o.payload::jsonb - '{window_start,window_end,threshold_value,observed_value,dimensions}'::text[])
				AS p (threshold_name text, subject text, currency text, product_id uuid, subscription_id text, meter_key text, comparator text, action_kind text,
					action_target text, action_event_type text, organization_id uuid),
			jsonb_to_record(o.payload::jsonb) AS w (window_start timestamptz, window_end timestamptz)
		WHERE o.organization_id = $1 AND o.aggregate_type = 'threshold' AND o.payload ->> 'threshold_value' IS NOT NULL ORDER BY o.id}, { Slice => {} }, $self->{organization}) };
}

# Both as lines of text, but for the observed value; those of one event and one
# threshold may have their accounts in any order.
sub compare_breaches {
	my ($self, $model) = @_;
	my @expected = @{ $model->{breaches} };
	my @actual = $self->breaches;
	my @e = map { line($_->{threshold}, $_->{type}, @$_{qw(window_start window_end subject currency dimensions subscription product)}) . ' ' . number($_->{threshold_value}) } @expected;
	my @a = map { line($_->{threshold_name}, $_->{type}, @$_{qw(window_start window_end subject currency dimensions subscription_id product)}) . ' ' . ($_->{threshold_value} + 0) } @actual;
	my @wrong;
	push @wrong, @expected . ' breaches expected, ' . @actual . ' written' if @expected != @actual;
	for (my $from = 0; $from < @expected && $from < @actual; ) {
		my $to = $from;
		$to++ while $to < $#expected && $expected[ $to + 1 ]{group} eq $expected[$from]{group};
		$to = $#actual if $to > $#actual;
		my @order_e = sort { account($e[$a]) cmp account($e[$b]) || $a <=> $b } $from .. $to;
		my @order_a = sort { account($a[$a]) cmp account($a[$b]) || $a <=> $b } $from .. $to;
		for my $n (0 .. $#order_e) {
			my ($i, $j) = ($order_e[$n], $order_a[$n]);
			push @wrong, "breach $i, expected: $e[$i] at " . number($expected[$i]{observed_value}), "     written: $a[$j] at " . ($actual[$j]{observed_value} // '-')
			  if $e[$i] ne $a[$j] || !Threshold::Value::same($expected[$i]{observed_value}, $actual[$j]{observed_value});
		}
		$from = $to + 1;
	}
	push @wrong, map { "missing:  $e[$_] at " . number($expected[$_]{observed_value}) } @actual .. $#expected;
	push @wrong, map { "too many: $a[$_] at " . ($actual[$_]{observed_value} // '-') } @expected .. $#actual;
	return @wrong ? { what => 'breaches', detail => join "\n", few(@wrong) } : undef;
}

# What thresholds know of each account against what the model computes for it.  A
# row whose window has become another one is computed anew when it is next met.
sub compare_rows {
	my ($self, $history, $model) = @_;
	my %expected;
	for my $t (@{ $model->{state}{thresholds} }) {
		for my $fact (grep { $_->{meter} eq $t->{meter} } @{ $model->{state}{facts} }) {
			$expected{ row($t->{name}, @$_{qw(subject currency dimensions)}, $_->{subscription} && $_->{subscription}{id}, @$_{qw(window_start window_end)}) } //= $model->value($t, $_)
			  for $model->accounts($t, $fact);
		}
	}
	my $rows = $self->{dbh}->selectall_arrayref(q{
		SELECT t.name, u.subject, u.currency, u.dimensions::jsonb, u.subscription_id, extract(epoch FROM u.window_start)::bigint, extract(epoch FROM u.window_end)::bigint, u.value
		FROM meter.threshold_usage AS u JOIN meter.threshold AS t USING (organization_id, watch_no) WHERE u.organization_id = $1 AND isfinite(u.window_start)}, undef, $self->{organization});
	my @wrong;
	for my $row (@$rows) {
		my $value = pop @$row;
		my $key = row(@$row);
		push @wrong, "$key: value " . ($value // 'none') . ', expected ' . number($expected{$key}) if exists $expected{$key} && !Threshold::Value::same($expected{$key}, $value);
	}
	return @wrong ? { what => 'rows', detail => join "\n", few(sort @wrong) } : undef;
}

# Usage over all: what was refused is in none of it.
sub compare_usage {
	my ($self, $history, $model) = @_;
	my @wrong;
	for my $key (sort keys %{ $history->{meters} }) {
		my (%n, %sum, %expected);
		for my $fact (grep { $_->{meter} eq $key } @{ $model->{state}{facts} }) {
			$n{ $fact->{currency} // '-' }++;
			$sum{ $fact->{currency} // '-' } += $fact->{value};
		}
		my $function = $history->{meters}{$key}{function};
		my $rows = $self->{dbh}->selectall_arrayref(q{SELECT coalesce(currency, '-'), sum(event_count), trim_scale(sum(value)) FROM meter.usage($1, $2, '2025-01-01', '2030-01-01')
			GROUP BY currency HAVING sum(event_count) > 0}, undef, $self->{organization}, $key);
		$expected{$_} = "$n{$_} events" . ($function =~ /^(sum|custom)$/ ? ', ' . Threshold::Value::text($sum{$_}) : '') for keys %n;
		my %written = map { $_->[0] => "$_->[1] events" . ($function =~ /^(sum|custom)$/ ? ", $_->[2]" : '') } @$rows;
		push @wrong, map { "$key $_: usage says " . ($written{$_} // 'nothing') . ', expected ' . ($expected{$_} // 'nothing') } grep { ($written{$_} // '') ne ($expected{$_} // '') }
		  sort keys %{ { %written, %expected } };
	}
	return @wrong ? { what => 'usage', detail => join "\n", few(@wrong) } : undef;
}

sub row { return join ' ', map { $_ // '-' } @_ }
sub line { return join ' ', map { $_ // '-' } @_ }
sub account { return $_[0] =~ s/ \S+$//r }
sub number { my ($n) = @_; return defined $n ? $n->[0] / $n->[1] : '-' }

sub few {
	my @lines = @_;
	splice @lines, 12, @lines - 12, '... ' . (@lines - 12) . ' more' if @lines > 13;
	return @lines;
}

1;
