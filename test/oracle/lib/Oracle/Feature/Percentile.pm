package Oracle::Feature::Percentile;

# Any fraction, the ends included.

use strict;
use warnings;

sub functions { return 'percentile' }

sub options {
	my ($s) = @_;
	my $rng = $s->{rng};
	return { percentile => $rng->pick('0', '1', '0.5', '0.5', '0.95', '0.25', '0.333', '0.999', '1e-3', '0.' . $rng->digits(6)) };
}

sub meter {
	my ($s, $def) = @_;
	$def->{function_options} = options($s) if $def->{function} eq '"percentile"';
	return;
}

1;
