package Oracle::Batches;

# The same history in other batches, in another order and by other ways in:
# where order does not matter the answers must be the same.

use strict;
use warnings;
use parent 'Oracle::Play';
use Storable qw(dclone);
use Oracle::Random;
use Oracle::Scenario;

# A copy of a scenario in which order does not matter: meters and customers
# first, no key and no time twice, nothing undone, no report.  Nothing where too
# little is left.
sub without_order {
	my ($scenario) = @_;
	my $copy = dclone($scenario);
	delete $_->{dedup_key_path} for @{ $copy->{meters} };
	my (%key, %time, @events);
	for my $event (map { @{ $_->{events} } } grep { $_->{kind} =~ /ingest|inbox/ && !$_->{rollback} } @{ $copy->{steps} }) {
		next unless defined $event->{id} && defined $event->{time};
		next if $key{ join '/', $event->{type}, $event->{source} // '', $event->{id} }++ || $time{ $event->{time} }++;
		push @events, $event;
	}
	return if @events < 5;
	my @first = grep { $_->{kind} =~ /^(meter|call)$/ } @{ $copy->{steps} };
	$copy->{steps} = [ @first, { kind => 'ingest', events => \@events } ];
	$copy->{calls} = [ grep { !$_->{kind} } @{ $copy->{calls} } ];
	delete $_->{by_id} for @{ $copy->{calls} };
	return $copy;
}

# That scenario with its events shuffled into batches of any size.
sub shuffled {
	my ($scenario) = @_;
	my $copy = dclone($scenario);
	my $rng = Oracle::Random->new($scenario->{seed});
	my @events = $rng->shuffle(@{ pop(@{ $copy->{steps} })->{events} });
	while (@events) {
		my $n = $rng->pick(1, 2, 5, $rng->between(1, scalar @events));
		push @{ $copy->{steps} }, { kind => $rng->pick(qw(ingest inbox_json inbox_columns)), events => [ splice @events, 0, $n ] };
	}
	return $copy;
}

# Play such a scenario both ways; as Oracle::Play has it.
sub play {
	my ($self, $scenario) = @_;
	$self->{trace} = [];
	my @one = eval { $self->answers($scenario) };
	my @other = $@ ? () : eval { $self->answers(shuffled($scenario)) };
	if ($@) {
		my $error = $@;
		$self->{dbh}->rollback unless $self->{dbh}{AutoCommit};
		return { what => 'error', detail => $error };
	}
	for my $i (0 .. $#one) {
		next if $one[$i] eq $other[$i];
		my $call = $scenario->{calls}[$i];
		my $arguments = $self->arguments($scenario, $call, Oracle::Play::usage_arguments());
		return { what => 'usage', call => $call, detail => "usage($arguments)\nat once:\n$one[$i]\nin batches:\n$other[$i]" };
	}
	return;
}

# All answers of the extension to a scenario in a new organization.
sub answers {
	my ($self, $scenario) = @_;
	my $dbh = $self->{dbh};
	$dbh->begin_work;
	($self->{organization}) = $dbh->selectrow_array(q{SELECT meter.create_organization('batches')});
	$dbh->commit;
	for my $step (@{ $scenario->{steps} }) {
		$dbh->begin_work;
		my $send = "send_$step->{kind}";
		$self->$send($scenario, $step);
		$dbh->commit;
	}
	return map { $self->answer($scenario, $_) } @{ $scenario->{calls} };
}

sub answer {
	my ($self, $scenario, $call) = @_;
	my $arguments = $self->arguments($scenario, $call, Oracle::Play::usage_arguments());
	my $rows = $self->{dbh}->selectall_arrayref("SELECT u::text FROM meter.usage($arguments) u ORDER BY 1");
	return join "\n", map { $_->[0] } @$rows;
}

sub send_meter {
	my ($self, $scenario, $step) = @_;
	my $json = Oracle::Scenario::encode(Oracle::Play::public($scenario->{meters}[ $step->{meter} ]));
	return $self->send_sql('create_meter', $json);
}

sub send_call {
	my ($self, $scenario, $step) = @_;
	return $self->send_sql($step->{function}, @{ $step->{arguments} });
}

sub send_ingest {
	my ($self, $scenario, $step) = @_;
	return $self->send_sql('ingest', '[' . join(',', map { $_->{json} } @{ $step->{events} }) . ']');
}

sub send_sql {
	my ($self, $function, @arguments) = @_;
	my $sql = "SELECT meter.$function(" . join(', ', map { $self->{dbh}->quote($_) } $self->{organization}, @arguments) . ');';
	$self->note_sql($sql);
	eval { $self->{dbh}->pg_savepoint('send'); $self->{dbh}->do($sql); 1 } or $self->{dbh}->pg_rollback_to('send');
	return;
}

sub send_inbox_json {
	my ($self, $scenario, $step) = @_;
	return $self->copy_json($step);
}

sub send_inbox_columns {
	my ($self, $scenario, $step) = @_;
	return $self->copy_columns($step);
}

1;
