package Threshold::Model;

# What a history must give: the status of every event and every breach, in
# order.  It keeps nothing but the events that count (facts) and which levels
# have fired; each value is computed anew from the facts, before and after.

use strict;
use warnings;
use List::Util qw(max min);
use Storable qw(dclone);
use Threshold::Value;

# bounds: what window of a definition (JSON) holds a time, as two times.
sub new {
	my ($class, %args) = @_;
	return bless { state => { meters => $args{meters}, facts => [], sent => {}, stored => [], rows => {}, seq => 0, customers => {}, subscriptions => [],
			thresholds => [], number => 0 },
		bounds => $args{bounds}, now => $args{now}, breaches => [], statuses => [], step => 0, deadline => undef }, $class;
}

# Play a step; what it says is rolled back counts for nothing but its statuses.
sub step {
	my ($self, $step) = @_;
	my $kept = $step->{rollback} ? dclone($self->{state}) : undef;
	my $n = @{ $self->{breaches} };
	$self->{step}++;
	my $method = "step_$step->{kind}";
	$self->$method($step);
	if ($kept) {
		$self->{state} = $kept;
		splice @{ $self->{breaches} }, $n;
	}
	return;
}

sub step_customer {
	my ($self, $step) = @_;
	my $s = $self->{state};
	my $def = $step->{def};
	$s->{customers}{$_} = $def->{id} for grep { defined } $def->{id}, $def->{code}, @{ $def->{aliases} // [] };
	return;
}

sub step_product { return }

sub step_subscription {
	my ($self, $step) = @_;
	push @{ $self->{state}{subscriptions} }, $step->{def};
	return;
}

sub step_threshold {
	my ($self, $step) = @_;
	my $s = $self->{state};
	my $t = { %{ $step->{def} }, number => $s->{number}++, fired => {}, paused => 0 };
	push @{ $s->{thresholds} }, $t;
	return if !$t->{evaluate_on_create};

	# as from nothing, in the window of now of each account that has usage there
	my %done;
	for my $fact (grep { $_->{meter} eq $t->{meter} } @{ $s->{facts} }) {
		# a level goes on from whenever it was
		my $at = $s->{meters}{ $t->{meter} }{function} eq 'weighted_sum' && $fact->{time} < $self->{now} ? { %$fact, time => $self->{now} } : $fact;
		for my $account ($self->accounts($t, $at)) {
			my ($from, $to) = @$account{qw(window_start window_end)};
			$self->{deadline} = $to if $from <= $self->{now} && $to > $self->{now} && (!defined $self->{deadline} || $to < $self->{deadline});
			next if $from > $self->{now} || $to <= $self->{now} || $done{ $account->{key} }++;
			$s->{rows}{ watch($t) }{ $account->{key} } = $account;
			$self->move($t, $account, undef, $self->value($t, $account), 'created');
		}
	}
	return;
}

sub threshold {
	my ($self, $name) = @_;
	my ($t) = grep { $_->{name} eq $name } @{ $self->{state}{thresholds} };
	return $t;
}

sub step_pause  { my ($self, $step) = @_; $self->threshold($step->{name})->{paused} = 1; return }
sub step_resume { my ($self, $step) = @_; $self->threshold($step->{name})->{paused} = 0; return }

sub step_delete {
	my ($self, $step) = @_;
	my $s = $self->{state};
	$s->{thresholds} = [ grep { $_->{name} ne $step->{name} } @{ $s->{thresholds} } ];
	return;
}

# ------------------------------------------------------------------- accounts

# The accounts of a threshold that a fact belongs to.
sub accounts {
	my ($self, $t, $fact) = @_;
	my $s = $self->{state};
	my $scope = $t->{scope} // { kind => 'subject' };
	my $owner = $s->{customers}{ $fact->{subject} };
	my @found;
	if ($scope->{kind} eq 'subject') {
		@found = { subject => $fact->{subject} };
	}
	elsif ($scope->{kind} eq 'meter') {
		@found = { subject => undef };
	}
	elsif ($scope->{kind} eq 'customer') {
		my $wanted = $s->{customers}{ $scope->{id} };
		@found = { subject => $wanted // $scope->{id} } if defined $wanted ? defined $owner && $owner eq $wanted : $fact->{subject} eq $scope->{id};
	}
	else {
		for my $sub (@{ $s->{subscriptions} }) {
			next if !defined $owner || $s->{customers}{ $sub->{customer} } ne $owner;
			next if $fact->{time} < $sub->{started_at} || defined $sub->{ended_at} && $fact->{time} >= $sub->{ended_at};
			next if $scope->{kind} eq 'subscription' && $sub->{id} ne $scope->{id};
			next if $scope->{kind} eq 'product' && !grep { $_ eq $scope->{id} } @{ $sub->{products} };
			push @found, { subject => $owner, subscription => $sub, product => $scope->{kind} eq 'product' ? $scope->{id} : undef };
		}
	}
	for my $account (@found) {
		$account->{currency} = $fact->{currency};
		$account->{dimensions} = $t->{per_dimensions} ? $fact->{dimensions} : undef;
		@$account{qw(window_start window_end)} = $self->window($t, $fact, $account->{subscription});
		my $sub = $account->{subscription};
		$account->{from} = $sub ? max($account->{window_start}, $sub->{started_at}) : $account->{window_start};
		$account->{to} = $sub && defined $sub->{ended_at} ? min($account->{window_end}, $sub->{ended_at}) : $account->{window_end};
		$account->{id} = join '/', map { $_ // '' } $account->{subject}, $sub && $sub->{id}, @$account{qw(currency dimensions)};
		$account->{key} = "$account->{id}/$account->{window_start}";
	}
	return @found;
}

# The window that a fact counts in.
sub window {
	my ($self, $t, $fact, $sub) = @_;
	my $s = $self->{state};
	my $window = $t->{window} // $s->{meters}{ $t->{meter} }{window};
	return $self->{bounds}->($window, $fact->{time}) if $window->{size} ne 'billing_period';

	# the period of the subscription; or of the first that covers the time, in what is its
	my ($since, $until);
	if (!$sub && !($t->{scope} && $t->{scope}{kind} eq 'meter')) {
		my $owner = $s->{customers}{ $fact->{subject} };
		for my $other (sort { $a->{started_at} <=> $b->{started_at} } grep { defined $owner && $s->{customers}{ $_->{customer} } eq $owner } @{ $s->{subscriptions} }) {
			my ($from, $to) = @$other{qw(started_at ended_at)};
			if    ($from > $fact->{time}) { $until = min($until // $from, $from) if !$sub }
			elsif (defined $to && $to <= $fact->{time}) { $since = max($since // $to, $to) if !$sub }
			elsif (!$sub) {
				$sub = $other;
				($since, $until) = (max($since // $from, $from), $to);
			}
		}
	}
	my $period = $sub ? { %{ $sub->{period} }, time_zone => $sub->{time_zone}, anchor => $sub->{anchor} // $sub->{started_at} }
	  : { size => 'month', time_zone => $window->{time_zone} };
	my ($from, $to) = $self->{bounds}->($period, $fact->{time});
	return (max($from, $since // $from), min($to, $until // $to));
}

# An account's value, from all facts of its meter.
sub value {
	my ($self, $t, $account) = @_;
	my $s = $self->{state};
	my @facts = grep { $self->belongs($t, $account, $_) } @{ $s->{facts} };
	return Threshold::Value::of($s->{meters}{ $t->{meter} }, \@facts, $account->{from}, $account->{to});
}

sub belongs {
	my ($self, $t, $account, $fact) = @_;
	return 0 if $fact->{meter} ne $t->{meter} || ($fact->{currency} // '') ne ($account->{currency} // '');
	return 0 if defined $account->{dimensions} && $fact->{dimensions} ne $account->{dimensions};
	my $kind = $t->{scope} ? $t->{scope}{kind} : 'subject';
	return 1 if $kind eq 'meter';
	return $fact->{subject} eq $account->{subject} if $kind eq 'subject';
	return ($self->{state}{customers}{ $fact->{subject} } // $fact->{subject}) eq $account->{subject};
}

# --------------------------------------------------------------------- levels

# The account's value has moved: what that crosses.
sub move {
	my ($self, $t, $account, $from, $to, $event) = @_;
	return if $t->{paused};
	my $fired = $t->{fired}{ $account->{key} } //= {};
	my @levels = levels($t, $fired, $from, $to);
	my $clear = defined $t->{clear_value} ? [ $t->{clear_value}, 100 ] : undef;
	my $resolved = defined $clear && %$fired && !@levels && returned($t->{comparator}, $from, $to, $clear);
	%$fired = () if $resolved;
	for my $value ($resolved ? $clear : @levels) {
		push @{ $self->{breaches} }, { %$account{qw(subject currency dimensions window_start window_end id product)}, threshold => $t->{name}, number => $t->{number},
			subscription => $account->{subscription} && $account->{subscription}{id}, group => $self->group($t, $event),
			type => $resolved ? 'threshold.resolved' : $t->{action_event_type} // 'threshold.breached', threshold_value => $value, observed_value => $to };
	}
	return;
}

# Breaches of a group may have their accounts in any order: those of an event and a
# threshold; of an event where windows behind follow it; of a meter counted anew.
sub group {
	my ($self, $t, $event) = @_;
	return $self->{step} if $event eq 'counted anew';
	my $follow = grep { $_->{function} eq 'weighted_sum' } values %{ $self->{state}{meters} };
	return join '/', $self->{step}, $event, $follow ? () : $t->{number};
}

# Has a value come back to the clear value?
sub returned {
	my ($comparator, $from, $to, $clear) = @_;
	return Threshold::Value::compare($to, $clear) == 0 if $comparator eq 'eq';
	($from, $to, $clear) = map { Threshold::Value::negate($_) } $from, $to, $clear if $comparator =~ /^l/;
	return Threshold::Value::compare($to, $clear) <= 0;
}

# Levels that a move from one value to another crosses for the first time.
sub levels {
	my ($t, $fired, $from, $to) = @_;
	my $falls = $t->{comparator} =~ /^l/;
	my ($a, $b) = $falls ? map { Threshold::Value::negate($_) } $from, $to : ($from, $to);
	my @values = map { $falls ? -$_ : $_ } @{ $t->{threshold_value} };
	my $i = 0;
	my @crossed;
	while (1) {
		my $v = $i < @values ? $values[$i] : defined $t->{recurring_step} ? $values[-1] + ($i - $#values) * $t->{recurring_step} : last;
		my ($before, $after) = map { Threshold::Value::compare($_, [ $v, 100 ]) } $a, $b;
		last if $i > $#values && $after < 0;
		my $crosses = $t->{comparator} eq 'eq' ? $before != 0 && $after == 0
		  : $t->{comparator} =~ /e$/ ? $before < 0 && $after >= 0 : $before <= 0 && $after > 0;
		push @crossed, [ $falls ? -$v : $v, 100 ] if $crosses && !$fired->{$i}++;
		$i++;
	}
	splice @crossed, 0, @crossed - 1000 if @crossed > 1000;
	return @crossed;
}

# Would a block threshold refuse this move?
sub exceeds {
	my ($t, $from, $to) = @_;
	my $limit = [ $t->{threshold_value}[-1], 100 ];
	($from, $to, $limit) = map { Threshold::Value::negate($_) } $from, $to, $limit if $t->{comparator} =~ /^l/;
	return Threshold::Value::compare($to, $limit) > 0 && Threshold::Value::compare($to, $from) > 0;
}

# --------------------------------------------------------------------- events

sub step_send {
	my ($self, $step) = @_;
	my @statuses;
	for my $i (0 .. $#{ $step->{events} }) {
		push @statuses, $self->take($step->{events}[$i], $i);
	}
	push @{ $self->{statuses} }, \@statuses;
	return;
}

# What a meter makes of an event: a fact, or why there is none.
sub measure {
	my ($self, $meter, $event, $data) = @_;
	my ($version) = reverse sort { $a->{since} <=> $b->{since} } { since => 0, filtered => $meter->{filtered}, field => 'n' },
	  grep { $_->{since} <= $event->{time} } @{ $self->{state}{versions}{ $meter->{key} } // [] };
	return 'skipped' if $version->{filtered} && $data->{off};
	my $n = $data->{ $version->{field} };
	$n = $n * 2 + 100 if $meter->{function} eq 'custom';
	return 'rejected' if $meter->{function} !~ /^(count|unique_count)$/ && $n < 0 && !$meter->{negative_allowed};
	return 'rejected' if $meter->{currencies} && !defined $data->{cur};
	return { meter => $meter->{key}, event => $event->{id}, source => $event->{source}, time => $event->{time}, subject => $meter->{mapped} ? $data->{who} : $event->{subject},
		value => $n, key => $data->{k}, currency => $meter->{currencies} ? $data->{cur} : undef,
		dimensions => '{' . join(', ', map { qq("$_": ) . (defined $data->{$_} ? qq("$data->{$_}") : 'null') } @{ $meter->{dimensions} }) . '}' };
}

# One event: its status and code.
sub take {
	my ($self, $event, $ordinal) = @_;
	my $s = $self->{state};
	my $sent = $s->{sent}{"$event->{source}/$event->{id}"};
	return $sent eq $event->{payload} ? ['duplicate'] : ['conflict'] if defined $sent;
	my (%n, @facts, $quota);
	for my $meter (map { $s->{meters}{$_} } sort keys %{ $s->{meters} }) {
		next if defined $event->{meter} && $event->{meter} ne $meter->{key};
		my $fact = $self->measure($meter, $event, $event->{data});
		$n{$fact}++, next if !ref $fact;
		my $used = $meter->{keyed} ? $s->{keys}{ $meter->{key} }{ $event->{data}{k} } : undef;
		$n{ $used->[1] eq $event->{payload} ? 'again' : 'conflict' }++, next if $used;
		$quota = 1, $n{rejected}++, next if $self->refused($meter, $fact);
		push @facts, $fact;
	}
	return ['conflict'] if !@facts && $n{conflict};
	return [ 'rejected', $quota && $n{rejected} == 1 ? 'QUOTA_EXCEEDED' : undef ] if !@facts && $n{rejected};
	return ['duplicate'] if !@facts && $n{again};
	$s->{sent}{"$event->{source}/$event->{id}"} = $event->{payload};
	push @{ $s->{stored} }, { event => $event, data => $event->{data}, seq => $s->{seq}++ };
	$_->{seq} = $s->{stored}[-1]{seq} for @facts;
	$self->change($ordinal, [], \@facts);
	return [ 'accepted', @facts && ($n{rejected} || $n{conflict}) ? 'PARTIAL' : undef ];
}

sub refused {
	my ($self, $meter, $fact) = @_;
	my $s = $self->{state};
	for my $t (grep { $_->{meter} eq $meter->{key} && $_->{action_kind} eq 'block' && !$_->{paused} } @{ $s->{thresholds} }) {
		for my $account ($self->accounts($t, $fact)) {
			my $before = $self->value($t, $account);
			push @{ $s->{facts} }, { %$fact, seq => $s->{seq} + 1 };
			my $after = $self->value($t, $account);
			pop @{ $s->{facts} };
			return 1 if exceeds($t, $before, $after);
		}
	}
	return 0;
}

# Facts go and others come, as one change: thresholds see it in their order.
sub change {
	my ($self, $event, $gone, $come) = @_;
	my $s = $self->{state};
	my @moves;
	for my $t (@{ $s->{thresholds} }) {
		my @own = grep { $_->{meter} eq $t->{meter} } @$gone, @$come;
		my %account = map { $_->{key} => $_ } map { $self->accounts($t, $_) } @own;
		%account = (%account, map { $_->{key} => $_ } $self->later($t, @own)) if $s->{meters}{ $t->{meter} }{function} eq 'weighted_sum';
		push @moves, map { [ $t, $account{$_}, $self->value($t, $account{$_}) ] } sort keys %account;
	}
	my %gone = map { $_->{seq} => 1 } @$gone;
	$s->{facts} = [ grep { !$gone{ $_->{seq} } } @{ $s->{facts} } ] if %gone;
	for my $fact (@$come) {
		push @{ $s->{facts} }, $fact;
		$s->{keys}{ $fact->{meter} }{ $fact->{key} } //= [ "$fact->{source}/$fact->{event}", $s->{sent}{"$fact->{source}/$fact->{event}"} ] if $s->{meters}{ $fact->{meter} }{keyed};
	}
	for my $move (@moves) {
		my ($t, $account, $before) = @$move;
		$s->{rows}{ watch($t) }{ $account->{key} } = $account;
		$self->move($t, $account, $before, $self->value($t, $account), $event);
	}
	return;
}

# Windows behind that rows are there for: a level goes on into them.
sub later {
	my ($self, $t, @facts) = @_;
	my @rows = values %{ $self->{state}{rows}{ watch($t) } // {} };
	return grep { my $row = $_; $self->is_current($t, $row) && grep { $_->{time} < $row->{from} && $self->belongs($t, $row, $_) } @facts } @rows;
}

# Is the row's window still one?  Subscriptions move billing periods.
sub is_current {
	my ($self, $t, $row) = @_;
	my ($from, $to) = $self->window($t, { subject => $row->{subject} // '', time => $row->{from} }, $row->{subscription});
	return $from == $row->{window_start} && $to == $row->{window_end};
}

# Thresholds that share this share rows.
sub watch {
	my ($t) = @_;
	return join '/', $t->{meter}, $t->{per_dimensions}, map { my $part = $_; join ',', map { "$_=$part->{$_}" } sort keys %$part } $t->{scope} // {}, $t->{window} // {};
}

# A version of a meter from then on: what was measured by the one before it is
# measured anew, and rows whose windows that meets follow, each as one move.
sub step_version {
	my ($self, $step) = @_;
	my $s = $self->{state};
	push @{ $s->{versions}{ $step->{meter} } }, $step;
	my @rows = map { my $t = $_; map { [ $t, $_, $self->value($t, $_) ] } values %{ $s->{rows}{ watch($t) } // {} } } grep { $_->{meter} eq $step->{meter} } @{ $s->{thresholds} };
	my %gone = map { $_->{seq} => 1 } grep { $_->{event}{time} >= $step->{since} } @{ $s->{stored} };
	$s->{facts} = [ grep { !$gone{ $_->{seq} } } @{ $s->{facts} } ];
	for my $stored (grep { $gone{ $_->{seq} } && !$_->{gone} } @{ $s->{stored} }) {
		my $fact = $self->measure($s->{meters}{ $step->{meter} }, $stored->{event}, $stored->{data});
		push @{ $s->{facts} }, { %$fact, seq => $stored->{seq} } if ref $fact;
	}
	$self->move(@$_, $self->value(@$_[ 0, 1 ]), 'counted anew') for grep { $_->[1]{window_end} > $step->{since} && $self->is_current(@$_[ 0, 1 ]) } @rows;
	return;
}

# Facts of an event that is named in a step; marks the step where there are none.
sub facts_of {
	my ($self, $step) = @_;
	my $s = $self->{state};
	my $id = "$step->{event}{source}/$step->{event}{id}";
	$step->{skip} = !defined $s->{sent}{$id} || $s->{gone}{$id};
	return grep { "$_->{source}/$_->{event}" eq $id } @{ $s->{facts} };
}

sub step_void {
	my ($self, $step) = @_;
	my @facts = $self->facts_of($step);
	return if $step->{skip};
	my $id = "$step->{event}{source}/$step->{event}{id}";
	$self->{state}{gone}{$id} = 1;
	$_->{gone} = 1 for grep { "$_->{event}{source}/$_->{event}{id}" eq $id } @{ $self->{state}{stored} };
	$self->change(0, \@facts, []);
	return;
}

sub step_amend {
	my ($self, $step) = @_;
	my $s = $self->{state};
	my @facts = $self->facts_of($step);
	return if $step->{skip};
	my $id = "$step->{event}{source}/$step->{event}{id}";
	my (@new, $refused);
	for my $meter (map { $s->{meters}{$_} } sort keys %{ $s->{meters} }) {
		next if defined $step->{event}{meter} && $step->{event}{meter} ne $meter->{key};
		my $fact = $self->measure($meter, $step->{event}, $step->{data});
		my $used = $meter->{keyed} && ref $fact ? $s->{keys}{ $meter->{key} }{ $step->{data}{k} } : undef;
		if    ($used && $used->[0] ne $id) { $refused = 1 }
		elsif (ref $fact) { push @new, $fact }
		elsif ($fact eq 'rejected') { $refused = 1 }
	}
	$step->{skip} = 1, return if $refused && !@new;
	for my $old (grep { !$_->{gone} && "$_->{event}{source}/$_->{event}{id}" eq $id } @{ $s->{stored} }) {
		$old->{gone} = 1;
		push @{ $s->{stored} }, { event => $step->{event}, data => $step->{data}, seq => $s->{seq}++ };
		$_->{seq} = $s->{stored}[-1]{seq} for @new;
		last;
	}
	$self->change(0, \@facts, \@new);
	return;
}

1;
