package Oracle::Feature::Closing;

# Windows are closed; their results, and each change of them.

use strict;
use warnings;

sub kinds { return qw(close close) }

sub make_close { return { alone => 1 } }

sub play_close {
	my ($p, $scenario, $step) = @_;
	$p->command('SELECT meter.close_windows()');
	$p->oracle('close_windows(%s)', $p->{organization});
	return compare($p, $scenario);
}

# The last revision of each result is what is counted now; the deltas add up to
# it, and each result began once.
sub compare {
	my ($p) = @_;
	$p->compare('window_results', q{SELECT * FROM oracle.engine_results($1)}, q{SELECT * FROM oracle.results($1)}, $p->{organization});
	$p->compare('revisions', q{SELECT * FROM oracle.engine_revisions_wrong($1)}, q{SELECT * FROM oracle.engine_revisions_wrong($1) LIMIT 0}, $p->{organization});
	return;
}

1;
