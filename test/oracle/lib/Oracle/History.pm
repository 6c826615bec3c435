package Oracle::History;

# A history around now: what Oracle::Scenario makes, with events whose times lie
# minutes to months from the clock, and between them steps that change versions,
# take events back, close windows, count anew.  The features that have such
# steps make and play them: see Oracle::Features.
#
# Times are absolute, so a history is made just before it is played.

use strict;
use warnings;
use parent 'Oracle::Scenario';
use Oracle::Features;
use Oracle::Random;
use Oracle::Scenario;

my %SECONDS = (%Oracle::Scenario::SECONDS);
my $PAUSE = 400_000;    # microseconds from one moment worth waiting for to the next

sub new {
	my ($class, $seed, $now) = @_;
	my $rng = Oracle::Random->new($seed);
	my $self = bless {
		rng      => $rng,
		now      => $now,
		centre   => $now,
		spread   => $rng->pick(3 * 3600, 3 * 86400, 60 * 86400, 100 * 86400),
		style    => $rng->pick(qw(integer money mixed)),
		subjects => [ ($rng->shuffle('ada', 'bob', 'Cleo & Co', 'Øyvind'))[ 0 .. $rng->between(1, 2) ] ],
		times    => [],
		sent     => [],
		reported => [],
		next_id  => 1,
		once     => 1,
		moments  => [ map { $now + $_ * $PAUSE } 1 .. ($rng->chance(40) ? 2 : 0) ],
	}, $class;
	Oracle::Features::hook('begin', $self);
	$self->make_meters;
	$self->make_steps;
	return { seed => $seed, now => $now, meters => $self->{meters}, steps => $self->{steps}, calls => $self->make_calls };
}

# Some moment that comes while the history is played, or nothing.
sub moment {
	my ($self) = @_;
	return @{ $self->{moments} } ? $self->{rng}->pick(@{ $self->{moments} }) : undef;
}

sub make_meter {
	my ($self, $key, $type) = @_;
	my $rng = $self->{rng};
	my $def = $self->SUPER::make_meter($key, $type);
	$def->{window} = $self->make_window if $rng->chance(70);
	delete $def->{window} if $rng->chance(10);

	# what persists has a result in every window there is
	$def->{window}{size} = '"hour"' if $def->{window} && $def->{window}{size} eq '"minute"' && Oracle::Scenario::encode($def) =~ /"weighted_sum"|"recurring":true/;
	return $def;
}

sub make_window {
	my ($self) = @_;
	my $rng = $self->{rng};
	return { size => Oracle::Scenario::quote($rng->pick(qw(minute hour hour day day month))),
		time_zone => Oracle::Scenario::quote($rng->chance(50) ? 'UTC' : $rng->pick($self->zones)) };
}

# A time some way from now, mostly behind it; on a boundary now and then.
sub make_time {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $times = $self->{times};
	return $rng->pick(@$times) + ($rng->chance(50) ? 0 : $rng->pick(-1, 1)) if @$times && $rng->chance(15);
	my $reach = $rng->pick(120, 3 * 3600, 3 * 3600, 2 * 86400, 2 * 86400, 45 * 86400, 100 * 86400);
	$reach = $self->{spread} if $reach > $self->{spread};
	my $t = $self->{now} + ($rng->chance(15) ? 1 : -1) * $rng->below($reach) * 1_000_000;
	my $form = $rng->below(10);
	if    ($form < 4) { $t += $rng->below(1_000_000) }
	elsif ($form < 5) { $t -= $t % 60_000_000 }
	elsif ($form < 7) { $t -= $t % 3_600_000_000 + $rng->pick(0, 0, 1) }
	elsif ($form < 8) { $t -= $t % 86_400_000_000 + $rng->pick(0, 0, 1) }
	push @$times, $t;
	return $t;
}

# ---------------------------------------------------------------------- steps

sub make_steps {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @late = @{ $self->{meters} } > 1 && $rng->chance(15) ? ($#{ $self->{meters} }) : ();
	$self->{early} = [ @{ $self->{meters} }[ 0 .. $#{ $self->{meters} } - @late ] ];
	my @steps = map { { kind => 'meter', meter => $_ } } 0 .. $#{ $self->{meters} } - @late;
	my @kinds = Oracle::Features::hook('kinds', $self);
	my @moments = @{ $self->{moments} };
	my $budget = $rng->between(10, 50);
	while ($budget > 0) {
		push @steps, $self->make_batch(\$budget);
		push @steps, map { $self->make_step($rng->pick(@kinds)) } 1 .. $rng->between(0, 3) if @kinds;
		push @steps, { kind => 'meter', meter => shift @late } if @late && $rng->chance(40);
		push @steps, { kind => 'wait', until => shift @moments } if @moments && $rng->chance(50);
	}
	push @steps, map { { kind => 'meter', meter => $_ } } @late;
	push @steps, Oracle::Features::hook('last_steps', $self);
	$self->{steps} = \@steps;
	return;
}

sub make_batch {
	my ($self, $budget) = @_;
	my $rng = $self->{rng};
	my $kind = $rng->pick(qw(ingest ingest ingest ingest inbox_json inbox_columns report));
	my $n = $rng->chance(25) ? 1 : $rng->between(1, $kind eq 'report' ? 4 : 20);
	$n = $$budget if $n > $$budget;
	$$budget -= $n;
	my $step = { kind => $kind, events => [ map { $kind eq 'report' ? $self->make_report : $self->make_event } 1 .. $n ] };
	return $rng->chance(7) ? ({%$step, rollback => 1}, $step) : $step;
}

# A step of a kind that some feature has; what is not done at the end now and then.
sub make_step {
	my ($self, $kind) = @_;
	my $step = Oracle::Features::method("make_$kind")->($self) // return ();
	$step->{kind} //= $kind;
	return $step->{alone} || !$self->{rng}->chance(4) ? $step : {%$step, rollback => 1};
}

# A meter's number.
sub any_meter { return $_[0]{rng}->below(scalar @{ $_[0]{meters} }) }

# An event sent before, of those that have an id.
sub any_sent {
	my ($self) = @_;
	my @sent = grep { defined $_->{id} && defined $_->{type} } @{ $self->{sent} };
	return @sent ? $self->{rng}->pick(@sent) : undef;
}

# ---------------------------------------------------------------------- calls

# A question that means the same in all versions: with a zone where windows differ.
sub make_call {
	my ($self) = @_;
	my $call = $self->SUPER::make_call;
	my $changed = $self->{changed}[ $call->{meter} ] // {};
	if ($changed->{window} && defined $call->{window_size}) {
		$call->{time_zone} //= 'UTC';
		$call->{window_size} = 'day' if $call->{window_size} eq 'week';
	}
	return $call;
}

# As it is now, as it was, and what is behind it.
sub make_calls {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $past = Oracle::Features::is_on('Past');
	my @calls;
	for my $n (1 .. 10) {
		my $call = $self->make_call;
		$call->{instant} = $rng->below(1000) if $past && $n > 3;
		push @calls, $call;
	}
	for my $n (1 .. 2) {
		my $call = $self->make_call;
		push @calls, { (map { $_ => $call->{$_} } grep { exists $call->{$_} } qw(meter by_id from to subject filter profile)),
			kind => 'explain', page_size => $rng->pick(2, 5, 100), $past && $n > 1 ? (instant => $rng->below(1000)) : () };
	}
	for my $m ($past ? 0 .. $#{ $self->{meters} } : ()) {
		push @calls, { kind => 'past', meter => $m };
	}
	return \@calls;
}

1;
