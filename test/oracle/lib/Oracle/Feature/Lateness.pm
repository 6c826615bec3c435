package Oracle::Feature::Lateness;

# What meters do with events that come late, or are too far from now.

use strict;
use warnings;
use Oracle::Scenario;

my @MODES = qw(revise reject next_window quarantine);

sub quote { return Oracle::Scenario::quote(@_) }

sub meter {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	return if $rng->chance(30);
	my %policy = (mode => quote($rng->pick(@MODES)));
	$policy{grace} = quote(grace($s, $def)) if $rng->chance(85);
	$policy{max_future} = quote($rng->pick('5 minutes', '36 hours', '00:00:00')) if $rng->chance(15);
	$policy{max_age} = quote($rng->pick('2 hours', '3 days', '50 days')) if $rng->chance(15);
	$def->{late_event_policy} = \%policy;
	return;
}

# Often such that a window's end and the grace meet while the history is played.
sub grace {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	my $moment = $s->moment;
	return $rng->pick('0 seconds', '90 seconds', '1 hour', '1 hour', '30 hours', '20 days') unless defined $moment;
	my $boundary = $moment - $moment % $rng->pick(60_000_000, 3_600_000_000, 3_600_000_000, 86_400_000_000);
	return sprintf '%.6f seconds', ($moment - $boundary) / 1_000_000;
}

1;
