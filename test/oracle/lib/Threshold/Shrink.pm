package Threshold::Shrink;

# A history that shows a difference, without what it does not take to show it:
# steps are left out, then events of batches.

use strict;
use warnings;

# Plays at most $budget times.  Returns the last difference, with its script in
# the player.
sub shrink {
	my ($player, $history, $difference, $budget) = @_;
	my @steps = @{ $difference->{steps} };
	my $what = $difference->{what};
	my $try = sub {
		my @some = @_;
		return 0 if --$budget < 0;
		delete $_->{skip} for @some;
		my $found = eval { my $model = $player->model($history, \@some); $player->play($history, \@some, $model) };
		return 0 if !$found || $found->{what} ne $what || $what eq 'error' && first_line($found) ne first_line($difference);
		@steps = @some;
		return 1;
	};
	for (my $size = int(@steps / 2) || 1; ; $size = int($size / 2)) {
		for (my $i = $#steps - $size + 1; $i >= 0; $i -= $size) {
			my @some = @steps;
			splice @some, $i, $size;
			$try->(@some);
		}
		last if $size <= 1;
	}
	for my $i (reverse 0 .. $#steps) {
		next if $steps[$i]{kind} ne 'send';
		for (my $size = int(@{ $steps[$i]{events} } / 2); $size >= 1; $size = int($size / 2)) {
			for (my $from = @{ $steps[$i]{events} } - $size; $from >= 0; $from -= $size) {
				my @events = @{ $steps[$i]{events} };
				splice @events, $from, $size;
				$try->(map { $_ == $i ? { %{ $steps[$i] }, events => \@events } : $steps[$_] } 0 .. $#steps) if @events;
			}
		}
	}
	delete $_->{skip} for @steps;
	return $player->play($history, \@steps, $player->model($history, \@steps)) // $difference;
}

sub first_line { return $_[0]{detail} =~ s/\n.*//sr =~ s/[0-9a-f-]{36}//gr }

1;
