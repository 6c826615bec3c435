package Quota::Session;

# A session that uses what it can get, in transactions of one call each.

use strict;
use warnings;
use Time::HiRes qw(sleep);
use Quota::World;

sub new {
	my ($class, %args) = @_;
	return bless { next => 0, refused => 0, mine => [], %args }, $class;
}

sub subject { return $_[0]{rng}->pick(@Quota::World::SUBJECTS) }

# Events of a round have keys of their own, but for those that several sessions
# send; what is in those follows from the key.
sub event {
	my ($self, $type, $round) = @_;
	my $rng = $self->{rng};
	my ($from, $to) = $self->{world}->window($round);
	my $shared = $rng->chance(15) ? $rng->below(20) : undef;
	my $id = defined $shared ? "$round-shared-$shared" : "$round-$self->{number}-" . $self->{next}++;
	my $n = defined $shared ? 1 + $shared * 7 % 20 : $rng->between(1, 20);
	my $subject = defined $shared ? $Quota::World::SUBJECTS[ $shared % 4 ] : $self->subject;
	my $k = defined $shared ? $shared : $rng->below(40);
	my $time = Quota::World::text($from + (defined $shared ? $shared : $rng->below(3600)));
	my $d = $n % 2 ? 'odd' : 'even';
	return { id => $id, n => $n, subject => $subject, time => $time,
		json => qq({"id":"$id","source":"s","type":"$type","subject":"$subject","time":"$time","data":{"n":$n,"k":"$k","d":"$d"}}),
		report => qq({"meterName":"$type\_sum","customerId":"$subject","timestamp":"$time","value":$n,"metadata":{"k":"$k","d":"$d"}}) };
}

# One transaction: a call, committed or rolled back.
sub turn {
	my ($self, $type, $round) = @_;
	my ($dbh, $rng) = @$self{qw(dbh rng)};
	$dbh->begin_work;
	my $how = $rng->pick(qw(report report report ingest ingest copy), $type eq 'q' && @{ $self->{mine} } ? 'void' : ());
	my $reported = eval { $self->$how($type, $round) };
	my $ok = !$@;
	if (!$ok) {
		my ($error, $state) = ($@, $dbh->state);
		$dbh->rollback;
		die $error if $how ne 'report' || $state ne '53400' || $error !~ /QUOTA_EXCEEDED/;
		$self->{refused}++;
		return;
	}
	sleep $rng->pick(0, 0, 0, 0.002);
	return $dbh->rollback if $rng->chance(15);
	$dbh->commit;
	push @{ $self->{mine} }, $reported if $how eq 'report' && defined $reported;
	shift @{ $self->{mine} } if $how eq 'void';
	return;
}

# The key of what was reported, where nobody else has it.
sub report {
	my ($self, $type, $round) = @_;
	my $event = $self->event($type, $round);
	$self->{dbh}->do('SELECT meter.report_usage($1, $2, $3)', undef, $self->{world}{organization}, @$event{qw(report id)});
	return $event->{id} =~ /shared/ ? undef : $event->{id};
}

# Take back the first that was reported.
sub void {
	my ($self) = @_;
	$self->{dbh}->do('SELECT meter.void_event($1, $2, $3, $4)', undef, $self->{world}{organization}, 'q', $self->{mine}[0], 'by mistake');
	return;
}

# Over several subjects, in any order.
sub events {
	my ($self, $type, $round) = @_;
	return map { $self->event($type, $round) } 1 .. $self->{rng}->pick(1, 3, 10, 25);
}

sub ingest {
	my ($self, $type, $round) = @_;
	my $rows = $self->{dbh}->selectall_arrayref('SELECT status, code FROM meter.ingest($1, $2)', undef, $self->{world}{organization},
		'[' . join(',', map { $_->{json} } $self->events($type, $round)) . ']');
	for my $row (@$rows) {
		die "status $row->[0] " . ($row->[1] // '') . "\n" if $row->[0] !~ /^(accepted|duplicate)$/ && ($row->[1] // '') ne 'QUOTA_EXCEEDED';
		$self->{refused}++ if ($row->[1] // '') =~ /^(QUOTA_EXCEEDED|PARTIAL)$/;
	}
	return;
}

sub copy {
	my ($self, $type, $round) = @_;
	my @events = $self->events($type, $round);
	$self->{dbh}->do('COPY meter.event_inbox (organization_id, event) FROM STDIN');
	$self->{dbh}->pg_putcopydata("$self->{world}{organization}\t$_->{json}\n") for @events;
	$self->{dbh}->pg_putcopyend;
	return;
}

1;
