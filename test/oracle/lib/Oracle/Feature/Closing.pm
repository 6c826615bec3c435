package Oracle::Feature::Closing;

# Windows are closed; their results, and each change of them.

use strict;
use warnings;

sub kinds { return qw(close close) }

sub make_close { return { kind => 'close', alone => 1 } }

# At the end once more, so that no revision is left undone.
sub last_steps { return make_close() }

sub play_close {
	my ($p, $scenario, $step) = @_;
	$p->command('SELECT meter.close_windows(%s)', $p->{organization});
	$p->oracle('close_windows(%s)', $p->{organization});
	return compare_results($p, $scenario) unless $p->{difference};
}

# The last revision of each result is what is counted now; the deltas add up to
# it, and each result began once.
sub compare_results {
	my ($p, $scenario) = @_;
	my $columns = 'meter, profile, window_start, window_end, subject, currency, version, ' . $p->value_of($scenario) . ', event_count';
	$p->compare('window_results', "SELECT $columns FROM oracle.engine_results(\$1)", "SELECT $columns FROM oracle.results(\$1)", $p->{organization});
	my $wrong = 'SELECT * FROM oracle.engine_revisions_wrong($1)';
	$p->compare('revisions', $wrong, "$wrong LIMIT 0", $p->{organization}) unless $p->{difference};
	return;
}

1;
