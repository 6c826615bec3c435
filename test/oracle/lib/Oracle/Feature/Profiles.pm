package Oracle::Feature::Profiles;

# Further aggregations of the same meter, recurring ones among them.

use strict;
use warnings;
use Oracle::Features;
use Oracle::Scenario;

my @OPERATORS = qw(eq neq in nin gt gte lt lte contains starts_with ends_with exists);

sub quote { return Oracle::Scenario::quote(@_) }

sub meter {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	return if $rng->chance(65);
	$def->{profiles} = [ map { profile($s, $def, "p$_") } 1 .. $rng->between(1, 3) ];
	return;
}

sub profile {
	my ($s, $def, $code) = @_;
	my $rng = $s->{rng};
	my $method = $rng->pick(qw(sum count avg min max latest unique_count), Oracle::Features::hook('functions'));
	my %profile = (code => quote($code), aggregation_method => quote($method));
	$profile{name} = quote("Profile $code") if $rng->chance(50);
	$profile{aggregation_property} = $method eq 'unique_count' ? quote('$.user') : quote($rng->pick('$.value', 'value', '$.usage.amount'))
	  if $method !~ /^(count|custom)$/;
	$profile{function_options} = Oracle::Feature::Percentile::options($s) if $method eq 'percentile';
	$profile{function_options} = Oracle::Feature::Weighted::options($s) if $method eq 'weighted_sum';
	$profile{function_options} = Oracle::Feature::Custom::options($s, $s->{names}{ $def->{key} } // \@Oracle::Expression::OPEN) if $method eq 'custom';
	$profile{recurring} = $rng->pick('true', 'true', 'false') if $rng->chance(40);
	$profile{aggregation_time_window} = quote($rng->pick(qw(hour day month))) if $rng->chance(30);
	$profile{aggregation_time_window} = { size => '"week"', time_zone => quote($rng->pick($s->zones)), week_start => quote($rng->pick(qw(sunday friday))) } if $rng->chance(20);
	$profile{filters} = [ map { filter($s) } 1 .. $rng->between(0, 2) ] if $rng->chance(50);
	return \%profile;
}

# A leaf of a filter tree in the words of profiles: the value is an array.
sub filter {
	my ($s) = @_;
	my $leaf = $s->make_filter(1);
	my $value = $leaf->{value};
	$value = [$value] unless $leaf->{op} =~ /^"n?in"$/;
	return { property => $leaf->{field}, operator => $leaf->{op}, value => $value };
}

sub call {
	my ($s, $call, $def) = @_;
	my $rng = $s->{rng};
	return unless $def->{profiles} && $rng->chance(70);
	$call->{profile} = $rng->pick(@{ $def->{profiles} })->{code} =~ s/"//gr;
	return;
}

1;
