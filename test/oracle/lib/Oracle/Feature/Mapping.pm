package Oracle::Feature::Mapping;

# An event's property names the account.

use strict;
use warnings;
use Oracle::Scenario;

sub meter {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	return unless $rng->chance(12);
	$def->{account_mapping} = { type => $rng->pick('"id"', '"code"', '"alias"'), event_property => $rng->pick('"account"', '"$.account"') };
	return;
}

sub data {
	my ($s, $data) = @_;
	my $rng = $s->{rng};
	$data->{account} = Oracle::Scenario::quote($rng->pick(@{ $s->{subjects} })) unless $rng->chance(3);
	$data->{account} = $rng->pick('17', '17.0', 'true', 'null', '""') if $rng->chance(3);
	return;
}

1;
