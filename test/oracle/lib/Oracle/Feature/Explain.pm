package Oracle::Feature::Explain;

# The events behind a number: all of them, once, in order, whatever the page's
# size; and their sum is the number.

use strict;
use warnings;

sub calls {
	my ($s) = @_;
	my $rng = $s->{rng};
	my @calls;
	for (1 .. 2) {
		my $call = $s->make_call;
		push @calls, { %$call{ grep { exists $call->{$_} } qw(meter by_id from to subject filter profile) },
			kind => 'explain', page_size => $rng->pick(1, 2, 3, 5, 8, 20, 100) };
	}
	return @calls;
}

1;
