package Oracle::Feature::Windows;

# Windows with a count and an anchor, asked of meter.windows; an anchor in the
# meter's window shows in usage by billing_period where there is no subscription.

use strict;
use warnings;
use Oracle::Scenario;

sub meter {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	return unless $def->{window} && $rng->chance(40);
	$def->{window}{anchor} = Oracle::Scenario::quote(Oracle::Scenario::time_text($s->make_edge));
	$def->{window}{count} = $rng->between(2, 5) if $rng->chance(50);
	return;
}

# A definition of a window of any kind.
sub any {
	my ($s) = @_;
	my $rng = $s->{rng};
	my $size = $rng->pick(qw(minute hour day week month quarter year));
	my %window = (size => Oracle::Scenario::quote($size), time_zone => Oracle::Scenario::quote($rng->pick($s->zones)));
	$window{count} = $rng->pick(1, 2, 3, 5, 6, 7, 12, $size eq 'minute' ? (15, 20, 45, 90) : ()) if $rng->chance(60);
	$window{anchor} = Oracle::Scenario::quote(Oracle::Scenario::time_text($rng->chance(40)
		? Oracle::Scenario::instant($rng->pick('2023-01-31 00:00:00', '2024-02-29 09:30:00', '2020-12-31 23:59:59', '2025-01-30 07:30:00'))
		: $s->make_edge)) if $rng->chance(50);
	$window{week_start} = Oracle::Scenario::quote($rng->pick(qw(monday tuesday wednesday thursday friday saturday sunday))) if $rng->chance(40);
	return \%window;
}

sub calls {
	my ($s) = @_;
	my $rng = $s->{rng};
	my $window = any($s);
	my $seconds = $Oracle::Scenario::SECONDS{ $window->{size} =~ s/"//gr } * ($window->{count} // 1);
	my $from = $s->make_edge;
	return {
		kind   => 'windows',
		window => Oracle::Scenario::encode($window),
		from   => Oracle::Scenario::time_text($from),
		to     => Oracle::Scenario::time_text($from + $rng->between(1, 30 * $seconds) * 1_000_000),
	};
}

1;
