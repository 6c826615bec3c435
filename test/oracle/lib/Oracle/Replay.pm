package Oracle::Replay;

# Plays a history of Oracle::History as Oracle::Play does, with the clock noted
# between its steps, and asks what was known at those instants.

use strict;
use warnings;
use parent 'Oracle::Play';
use Oracle::Features;
use Oracle::Scenario;

sub play {
	my ($self, $scenario) = @_;
	my $dbh = $self->{dbh};
	$self->{instants} = [];
	$self->{scenario} = $scenario;
	$dbh->do(q{SELECT set_config('oracle.crossed', '', false)});
	my $difference = $self->SUPER::play($scenario);
	my ($crossed) = $dbh->selectrow_array('SELECT oracle.crossed()');
	return defined $crossed ? { what => 'clock', detail => "the clock came to $crossed between both answers" } : $difference;
}

sub clock {
	my ($self) = @_;
	return ($self->{dbh}->selectrow_array('SELECT clock_timestamp()'))[0];
}

# One step; what comes after it is known later.
sub step {
	my ($self, $scenario, $step) = @_;
	my $dbh = $self->{dbh};
	$dbh->do(q{SELECT oracle.set_clock(clock_timestamp(), NULL)});
	if ($step->{alone}) {
		$self->perform($scenario, $step);
	}
	else {
		$dbh->begin_work;
		$self->note_sql('BEGIN;') if $step->{rollback};
		$self->perform($scenario, $step);
		$self->note_sql('ROLLBACK;') if $step->{rollback};
		if ($step->{rollback}) { $dbh->rollback }
		else                   { $dbh->commit }
	}
	$self->command('CALL meter.run_reprocess_jobs()') if $step->{kind} =~ /^(update|publish|archive)$/ && Oracle::Features::is_on('Reprocess');
	push @{ $self->{instants} }, $self->clock;
	return !$self->{difference};
}

sub perform {
	my ($self, $scenario, $step) = @_;
	my $play = Oracle::Features::method("play_$step->{kind}") // $self->can("play_$step->{kind}");
	return $play->($self, $scenario, $step);
}

# Until a moment has just passed.
sub play_wait {
	my ($self, $scenario, $step) = @_;
	$self->{dbh}->do('SELECT pg_sleep(greatest(0, $1 - extract(epoch FROM clock_timestamp())))', undef, $step->{until} / 1_000_000 + 0.004);
	return;
}

# ---------------------------------------------------------------- both sides

sub sql {
	my ($self, $format, @arguments) = @_;
	return sprintf $format, map { $self->{dbh}->quote($_) } @arguments;
}

# One side's answer; an error undoes what it did and is kept in errors.
sub attempt {
	my ($self, $side, $call) = @_;
	my $dbh = $self->{dbh};
	my $inside = !$dbh->{AutoCommit};
	$dbh->pg_savepoint('attempt') if $inside;
	my $answer = eval { [ $dbh->selectrow_array("SELECT $side.$call") ] };
	$self->{errors}{$side} = $answer ? undef : $@;
	$dbh->pg_rollback_to('attempt') if $inside && !$answer;
	return $answer && $answer->[0];
}

sub engine {
	my ($self, $format, @arguments) = @_;
	my $call = $self->sql($format, @arguments);
	$self->note_sql("SELECT meter.$call;");
	$self->{call} = $call;
	return $self->attempt('meter', $call);
}

# After engine(): both take it, or both refuse.
sub oracle {
	my ($self, $format, @arguments) = @_;
	$self->attempt('oracle', $self->sql($format, @arguments));
	my ($engine, $oracle) = @{ $self->{errors} }{qw(meter oracle)};
	$self->differ($self->{call} =~ s/\(.*//sr, "$self->{call}\nengine: " . ($engine // 'done') . "\noracle: " . ($oracle // 'done'))
	  if defined $engine != defined $oracle || ($oracle // '') =~ /\b(?:syntax|does not exist|ambiguous|null value|violates)\b/;
	return;
}

sub both {
	my ($self, $format, @arguments) = @_;
	$self->engine($format, @arguments);
	return $self->oracle($format, @arguments);
}

# A statement of the engine's that must succeed, with transactions of its own.
sub command {
	my ($self, $format, @arguments) = @_;
	my $sql = $self->sql($format, @arguments);
	$self->note_sql("$sql;");
	$self->{errors}{meter} = undef;
	$self->{call} = $sql;
	eval { $self->{dbh}->do($sql); 1 } or $self->differ('error', "$sql\n$@");
	return;
}

sub differ {
	my ($self, $what, $detail) = @_;
	$self->{difference} //= { what => $what, detail => $detail };
	return;
}

# A meter's key, if it has been made.
sub key {
	my ($self, $scenario, $m) = @_;
	return defined $self->{ids}[$m] ? $scenario->{meters}[$m]{key} =~ s/"//gr : undef;
}

# ------------------------------------------------------------------ questions

sub compare_rejected {
	my ($self) = @_;
	$self->compare('rejected',
		q{SELECT DISTINCT payload ->> 'id', status FROM meter.rejected_events WHERE organization_id = $1},
		q{SELECT DISTINCT event_id, CASE reason WHEN 'conflict' THEN reason ELSE 'rejected' END FROM oracle.rejected WHERE organization_id = $1
		  UNION SELECT s.id, 'quarantined' FROM oracle.quarantined q JOIN oracle.sent s USING (organization_id, seq)
		  WHERE q.organization_id = $1 AND q.known_to = 'infinity'}, $self->{organization});
	for my $compare (Oracle::Features::all('compare')) {
		$compare->($self, $self->{scenario}) unless $self->{difference};
	}
	return;
}

# In a transaction, between steps too.
sub compare {
	my ($self, @arguments) = @_;
	my $alone = $self->{dbh}{AutoCommit};
	$self->{dbh}->begin_work if $alone;
	$self->SUPER::compare(@arguments);
	$self->{dbh}->commit if $alone;
	return;
}

# Arguments of a question, at an instant where it has one.
sub arguments {
	my ($self, $scenario, $call, @names) = @_;
	my $instants = $self->{instants};
	my $arguments = $self->SUPER::arguments($scenario, $call, @names);
	$arguments .= ', as_of => ' . $self->{dbh}->quote($instants->[ $call->{instant} % @$instants ]) if defined $call->{instant};
	return $arguments;
}

# A row may stand for several versions, so over all of them.
sub compare_sum {
	my ($self, $scenario, $call, $arguments, $pages) = @_;
	return $self->compare("number of explain_usage $pages",
		"SELECT currency, count(*) FROM oracle.$pages GROUP BY 1",
		"SELECT currency, sum(event_count)::bigint FROM meter.usage($arguments) WHERE event_count > 0 GROUP BY 1");
}

# A meter's function may change to one whose results have no end.
sub value_of {
	my ($self, $scenario) = @_;
	$self->{exact}{ $scenario->{seed} } //= Oracle::Scenario::encode([ @{ $scenario->{meters} }, map { $_->{patch} // () } @{ $scenario->{steps} } ]) !~ /"weighted_sum"/;
	return $self->{exact}{ $scenario->{seed} } ? 'value' : 'oracle.comparable(value)';
}

# All there is of a meter, at every instant.
sub compare_past {
	my ($self, $scenario, $call) = @_;
	my %range = (%$call, from => Oracle::Scenario::time_text($scenario->{now} - 200 * 86_400_000_000),
		to => Oracle::Scenario::time_text($scenario->{now} + 200 * 86_400_000_000));
	my $value = $self->value_of($scenario) =~ s/value\b(?!\()/u.value/r;
	my $arguments = $self->arguments($scenario, \%range);
	my $instants = $self->sql('unnest(%s::timestamptz[]) i', $self->{instants});
	my ($engine, $oracle) = map {
		qq{SELECT i, u.window_start, u.window_end, u.currency, u.version, $value AS value, u.event_count
			FROM $instants, $_.usage($arguments, as_of => i) u}
	} qw(meter oracle);
	return $self->compare("usage as of each instant of $arguments", $engine, $oracle);
}

1;
