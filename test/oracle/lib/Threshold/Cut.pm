package Threshold::Cut;

# The same history in other pieces: events of neighbouring batches together, cut
# anew and sent another way; and one event at a time.

use strict;
use warnings;
use Oracle::Random;

my @WAYS = qw(ingest ingest inbox_json inbox_columns inbox_insert);

sub is_free { my ($step) = @_; return $step->{kind} eq 'send' && $step->{how} ne 'report' && !$step->{rollback} }

# singly: each event by a call of its own.
sub cut {
	my ($history, $singly) = @_;
	my $rng = Oracle::Random->new($history->{seed} + 5);
	my (@steps, @events);
	for my $step (@{ $history->{steps} }, { kind => 'end' }) {
		push @events, @{ $step->{events} } if is_free($step);
		next if is_free($step);
		while (@events) {
			my $n = $singly || $history->{singly} ? 1 : $rng->pick(1, $rng->between(1, 10), $rng->between(1, 200));
			push @steps, { kind => 'send', how => $singly ? 'ingest' : $rng->pick(@WAYS), events => [ splice @events, 0, $n ], together => $rng->chance(20) };
		}
		push @steps, $step if $step->{kind} ne 'end';
	}
	return \@steps;
}

1;
