package Oracle::Feature::Weighted;

# Levels that go on from window to window.

use strict;
use warnings;

sub functions { return 'weighted_sum' }

sub options {
	my ($s) = @_;
	return { mode => $s->{rng}->pick('"delta"', '"gauge"') };
}

sub meter {
	my ($s, $def) = @_;
	return if $def->{function} ne '"weighted_sum"';
	$def->{function_options} = options($s) if $s->{rng}->chance(80);
	return;
}

1;
