package Oracle::Shrink;

# Cuts a scenario down to a small one that still shows a difference: fewer
# calls, fewer events, simpler definitions, each kept if the difference stays.

use strict;
use warnings;
use Storable qw(dclone);
use Oracle::Scenario;

# Returns the smallest scenario found by playing at most $tries others.
sub shrink {
	my ($player, $scenario, $difference, $tries) = @_;
	my $small = dclone($scenario);
	$small->{calls} = [ $difference->{call} // () ];
	my $still = sub {
		my ($candidate) = @_;
		return 0 if $tries-- <= 0;
		my $found = $player->play($candidate);
		return $found && $found->{what} eq $difference->{what};
	};
	return $scenario unless $still->($small);

	$small = fewer_events($small, $still);
	$small = simpler_meters($small, $still);
	$small = simpler_call($small, $still);
	$small = fewer_calls($small, $still);
	$small = fewer_events($small, $still);
	$small = less_data($small, $still);
	$_->{trace} = 1 for @{ $small->{calls} };
	return $small;
}

# Leave out halves, quarters ... of all events.
sub fewer_events {
	my ($small, $still) = @_;
	my $chunk = int(count($small) / 2) || 1;
	while (1) {
		for (my $at = 0; $at < count($small);) {
			my $candidate = without($small, $at, $chunk);
			if   ($still->($candidate)) { $small = $candidate }
			else                        { $at += $chunk }
		}
		last if $chunk == 1;
		$chunk = int($chunk / 2);
	}
	return $small;
}

sub count {
	my ($scenario) = @_;
	my $n = 0;
	$n += @{ $_->{events} // [] } for @{ $scenario->{steps} };
	return $n;
}

# A copy without $n events from position $at on; an empty step goes too.
sub without {
	my ($scenario, $at, $n) = @_;
	my $copy = dclone($scenario);
	my $position = 0;
	for my $step (@{ $copy->{steps} }) {
		next unless $step->{events};
		my @kept;
		for my $event (@{ $step->{events} }) {
			push @kept, $event unless $position >= $at && $position < $at + $n;
			$position++;
		}
		$step->{events} = \@kept;
	}
	$copy->{steps} = [ grep { !$_->{events} || @{ $_->{events} } } @{ $copy->{steps} } ];
	return $copy;
}

# Leave out one member of data in all events.
sub less_data {
	my ($small, $still) = @_;
	my %names = map { $_ => 1 } map { keys %{ $_->{data} } } map { @{ $_->{events} // [] } } @{ $small->{steps} };
	for my $name (sort keys %names) {
		my $candidate = dclone($small);
		for my $step (grep { $_->{events} } @{ $candidate->{steps} }) {
			for my $event (@{ $step->{events} }) {
				delete $event->{data}{$name};
				$event = Oracle::Scenario::written($event) unless $step->{kind} eq 'report';
			}
		}
		$small = $candidate if $still->($candidate);
	}
	return $small;
}

# Leave out meters, then members of the definitions.
sub simpler_meters {
	my ($small, $still) = @_;
	for my $i (reverse 0 .. $#{ $small->{meters} }) {
		next if grep { defined $_->{meter} && $_->{meter} == $i } @{ $small->{calls} };
		my $candidate = dclone($small);
		$candidate->{steps} = [ grep { $_->{kind} ne 'meter' || $_->{meter} != $i } @{ $candidate->{steps} } ];
		$small = $candidate if $still->($candidate);
	}
	for my $i (0 .. $#{ $small->{meters} }) {
		for my $name (grep { !/^(key|name|metric_key|function|value_field|unique_by_field)$/ } sort keys %{ $small->{meters}[$i] }) {
			my $candidate = dclone($small);
			delete $candidate->{meters}[$i]{$name};
			$small = $candidate if $still->($candidate);
		}
	}
	return $small;
}

# Leave out steps that have no events.
sub fewer_calls {
	my ($small, $still) = @_;
	for my $i (reverse 0 .. $#{ $small->{steps} }) {
		next if $small->{steps}[$i]{kind} eq 'meter' || $small->{steps}[$i]{events};
		my $candidate = dclone($small);
		splice @{ $candidate->{steps} }, $i, 1;
		$small = $candidate if $still->($candidate);
	}
	return $small;
}

# Leave out arguments of the call.
sub simpler_call {
	my ($small, $still) = @_;
	for my $call (@{ $small->{calls} }) {
		for my $name (qw(filter group_by subject time_zone window_size profile)) {
			next unless defined $call->{$name};
			my $value = delete $call->{$name};
			$call->{$name} = $value unless $still->($small);
		}
	}
	return $small;
}

1;
