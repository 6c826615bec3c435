package Oracle::Feature::Customers;

# Customers that are several subjects, linked before or after their events, and
# subscriptions with billing periods.

use strict;
use warnings;
use Oracle::Scenario;

sub quote { return Oracle::Scenario::quote(@_) }

sub begin {
	my ($s) = @_;
	my $rng = $s->{rng};
	$s->{customers} = [];
	return if $rng->chance(40);
	my @free = $rng->shuffle(@{ $s->{subjects} });
	for my $n (1 .. $rng->between(1, 2)) {
		my %customer = (id => "cus_$n");
		$customer{id} = shift @free if @free && $rng->chance(20);
		$customer{code} = @free && $rng->chance(20) ? shift @free : "code $n" if $rng->chance(60);
		$customer{aliases} = [ shift @free ] if @free && $rng->chance(60);
		push @{ $s->{customers} }, \%customer;
	}

	# who can be called so: subjects of events too
	$s->{free} = \@free;
	push @{ $s->{subjects} }, map { $_->{id}, $_->{code} // () } grep { $rng->chance(40) } @{ $s->{customers} };
	return;
}

sub steps {
	my ($s) = @_;
	my $rng = $s->{rng};
	my @steps;
	for my $customer (@{ $s->{customers} }) {
		my %def = (id => quote($customer->{id}), name => '"A customer"');
		$def{code} = quote($customer->{code}) if defined $customer->{code};
		$def{aliases} = [ map { quote($_) } @{ $customer->{aliases} } ] if $customer->{aliases};
		push @steps, { kind => 'call', function => 'create_customer', arguments => [ Oracle::Scenario::encode(\%def) ] };
		my $alias = @{ $s->{free} } && $rng->chance(50) ? shift @{ $s->{free} } : undef;
		push @steps, { kind => 'call', function => 'link_subject', arguments => [ $customer->{code} // $customer->{id}, $alias ] } if defined $alias;
		push @steps, { kind => 'call', function => 'unlink_subject', arguments => [ $customer->{id}, $alias ] } if defined $alias && $rng->chance(20);
		push @steps, subscriptions($s, $customer) if $rng->chance(70);
	}
	return @steps;
}

sub subscriptions {
	my ($s, $customer) = @_;
	my $rng = $s->{rng};
	my @steps;
	my @starts;
	for (1 .. $rng->between(1, 3)) {
		my $start = $s->{centre} + ($rng->below(3 * $s->{spread}) - 2 * $s->{spread}) * 1_000_000;
		next if grep { $_ == $start } @starts;
		push @starts, $start;
		my %def = (customer => quote($customer->{id}), started_at => quote(Oracle::Scenario::time_text($start)));
		if ($rng->chance(50)) {
			$def{ended_at} = quote(Oracle::Scenario::time_text($start + $rng->below(2 * $s->{spread}) * 1_000_000));
			$def{status} = '"cancelled"' if $rng->chance(50);
		}
		$def{status} //= '"paused"' if $rng->chance(15);
		$def{time_zone} = quote($rng->pick($s->zones)) if $rng->chance(60);
		$def{anchor} = quote($rng->pick('2024-01-31T00:00:00Z', '2023-12-30T22:30:00Z', '2024-02-29T12:00:00Z', Oracle::Scenario::time_text($s->make_edge)))
		  if $rng->chance(50);
		my $size = $s->{spread} > 86400 * 30 ? $rng->pick(qw(month month week quarter year)) : $rng->pick(qw(day week month));
		$def{period} = $rng->chance(30) ? { size => quote($size), count => $rng->between(1, 3) } : quote($size) if $size ne 'month' || $rng->chance(50);
		push @steps, { kind => 'call', function => 'create_subscription', arguments => [ Oracle::Scenario::encode(\%def) ] };
	}
	return @steps;
}

sub call {
	my ($s, $call) = @_;
	my $rng = $s->{rng};
	return unless @{ $s->{customers} } && $rng->chance(60);
	my $customer = $rng->pick(@{ $s->{customers} });
	$call->{subject} = $rng->pick(@$customer{qw(id id)}, $customer->{code} // ()) if defined $call->{subject} || $rng->chance(30);
	if (defined $call->{subject} && $rng->chance(50)) {
		$call->{window_size} = 'billing_period';
		delete $call->{time_zone};
	}
	return;
}

1;
