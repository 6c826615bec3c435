package Quota::Held;

# Sessions that reserve what they are about to use, and settle it, let it expire,
# or use without asking.  Each round has subjects of its own: a reservation's
# window is the one of now.

use strict;
use warnings;
use Time::HiRes qw(sleep);
use Quota::World;

my $SHORT = 0.5;    # seconds that a reservation holds which nobody settles

sub subjects { return map { "h$_[0]-$_" } 0 .. 2 }

# One transaction, or two where something is settled.
sub turn {
	my ($session, $round) = @_;
	my $rng = $session->{rng};
	my $organization = $session->{world}{organization};
	my $subject = $rng->pick(subjects($round));
	my $n = $rng->between(1, 30);
	my $how = $rng->pick(qw(settle settle settle expire forget use use));
	if ($how eq 'use') {
		my $report = qq({"meterName":"r_sum","customerId":"$subject","value":$n});
		call($session, $rng->chance(15), 'SELECT meter.report_usage($1, $2, $3)', $organization, $report, "$round-$session->{number}-" . $session->{next}++);
		return;
	}
	my $reservation = call($session, $how eq 'forget', 'SELECT meter.reserve($1, $2, $3, $4, $5)', $organization, 'r_sum', $subject, $n,
		$how eq 'expire' ? "$SHORT seconds" : '1 hour');
	return if $how ne 'settle' || !defined $reservation;
	sleep $rng->pick(0, 0.001, 0.005);
	call($session, 1, 'SELECT meter.settle($1, $2)', $reservation, $n) if $rng->chance(15);
	return if $rng->chance(10) && defined call($session, 0, 'SELECT meter.settle($1, $2)', $reservation, $n + $rng->between(1, 100));
	my $settled = call($session, 0, 'SELECT meter.settle($1, $2)', $reservation, $rng->pick($n, $n, $rng->between(0, $n)));
	die "what was reserved can not be used\n" if !defined $settled;
	return;
}

# A call in a transaction of its own; nothing where a quota refuses it.
sub call {
	my ($session, $rollback, $sql, @arguments) = @_;
	my $dbh = $session->{dbh};
	$dbh->begin_work;
	my ($result) = eval { $dbh->selectrow_array($sql, undef, @arguments) };
	if ($@) {
		my ($error, $state) = ($@, $dbh->state);
		$dbh->rollback;
		die $error if $state ne '53400' || $error !~ /QUOTA_EXCEEDED/;
		$session->{refused}++;
		return undef;
	}
	$rollback ? $dbh->rollback : $dbh->commit;
	return $result;
}

# What was used and is held, by subject: [used, held].  A hold that has expired by
# the clock of now had when what took its place was seen.
sub known {
	my ($world, $dbh, $round) = @_;
	my $rows = $dbh->selectall_arrayref(q{
		SELECT u.subject, u.value, coalesce((SELECT sum(h.quantity) FROM meter.reservation_hold AS h
			WHERE (h.organization_id, h.watch_no, h.account, h.window_start) = (u.organization_id, u.watch_no, u.account, u.window_start) AND h.expires_at > clock_timestamp()), 0)
		FROM meter.threshold_usage AS u WHERE u.organization_id = $1 AND u.subject = ANY ($2)}, undef, $world->{organization}, [ subjects($round) ]);
	return { map { $_->[0] => [ @$_[ 1, 2 ] ] } @$rows };
}

sub beyond {
	my ($world, $dbh, $round) = @_;
	my $known = known($world, $dbh, $round);
	return map { "$_ has used $known->{$_}[0] and holds $known->{$_}[1]" } grep { $known->{$_}[0] + $known->{$_}[1] > $Quota::World::PER_SUBJECT } sort keys %$known;
}

# After a round nothing is held any more, and what is left can be used to the last unit.
sub wrong {
	my ($world, $dbh, $round) = @_;
	sleep $SHORT;
	my @wrong = beyond($world, $dbh, $round);
	my $known = known($world, $dbh, $round);
	push @wrong, map { "$_ still holds $known->{$_}[1]" } grep { $known->{$_}[1] != 0 } sort keys %$known;
	for my $subject (subjects($round)) {
		my $report = qq({"meterName":"r_sum","customerId":"$subject","value":1});
		for my $n (1 .. $Quota::World::PER_SUBJECT + 1) {
			next if eval { $dbh->do('SELECT meter.report_usage($1, $2, $3)', undef, $world->{organization}, $report, "$round-fill-$subject-$n"); 1 };
			return "report: $@" if $dbh->state ne '53400';
			last;
		}
		my ($used) = $dbh->selectrow_array(q{SELECT value FROM meter.usage($1, 'r_sum', date_trunc('year', now()), date_trunc('year', now()) + interval '1 year', $2)}, undef, $world->{organization}, $subject);
		push @wrong, "$subject has used $used at last" if $used != $Quota::World::PER_SUBJECT;
	}
	return @wrong;
}

1;
