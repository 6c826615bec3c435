package Oracle::Feature::Fields;

# Typed data fields, custom fields, and fields derived from both, which then are
# the value, a dimension, or in the filter.

use strict;
use warnings;
use Oracle::Expression;
use Oracle::Features;
use Oracle::Scenario;

my %CATEGORIES = (
	value => [qw(MEASURE INCOME)], load => [qw(COST MEASURE)], tier => [qw(MEASURE OTHER)], model => ['WHAT'],
	user => ['WHO'], flag => ['OTHER'], key => ['METADATA'], currency => ['METADATA']);

sub quote { return Oracle::Scenario::quote(@_) }

sub meter {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	return if $s->{plain} || $rng->chance(65);
	my @names = @Oracle::Expression::OPEN;
	if ($rng->chance(60)) {
		@names = ();
		for my $code ($rng->some(6, sort keys %CATEGORIES)) {
			my $category = $rng->pick(@{ $CATEGORIES{$code} });
			push @{ $def->{data_fields} }, { code => quote($code), name => quote("Field $code"), category => quote($category) };
			push @names, $category =~ /MEASURE|INCOME|COST/ ? Oracle::Expression::numeric($code) : Oracle::Expression::textual($code, 1);
		}
		@names = @Oracle::Expression::OPEN unless $def->{data_fields};
	}
	if ($rng->chance(30)) {
		$def->{custom_fields} = { rate => '2.50', site => '"eu"' };
		push @names, { type => 'number', text => 'customFields.rate', sql => "numeric '2.50'" },
		  { type => 'text', text => 'customFields.site', sql => "text 'eu'" };
	}
	my %derived;
	for my $code ($rng->some(2, qw(score band))) {
		my $type = $code eq 'score' ? 'number' : 'text';
		my $made = $type eq 'number' || $rng->chance(40) ? Oracle::Expression::make($rng, $type, \@names, 3) : band($rng, \@names);
		push @{ $def->{derived_fields} }, {
			code => quote($code), name => quote("Derived $code"), category => $type eq 'number' ? '"MEASURE"' : '"WHAT"',
			calculation => quote($made->{text}), sql => quote($made->{sql}) };
		push @names, $type eq 'number' ? Oracle::Expression::numeric($code) : Oracle::Expression::textual($code, 1);
		$derived{$code} = 1;
	}
	use_them($s, $def, \%derived);
	$def->{function_options} = Oracle::Feature::Custom::options($s, \@names) if $def->{function} eq '"custom"';
	$s->{names}{ $def->{key} } = \@names;
	return;
}

# A few texts, so that groups have more than one event.
sub band {
	my ($rng, $names) = @_;
	my $one = { text => '"hi"', sql => "text 'hi'" };
	my $two = { text => '"lo"', sql => "text 'lo'" };
	return Oracle::Expression::chosen(Oracle::Expression::make($rng, 'boolean', $names, 2), $one, $two);
}

sub use_them {
	my ($s, $def, $derived) = @_;
	my $rng = $s->{rng};
	$def->{value_field} = $rng->pick('"score"', '"$.score"') if $def->{value_field} && $derived->{score} && $rng->chance(60);
	for my $code (sort keys %$derived) {
		$def->{dimensions}{$code} = quote("\$.$code") if $rng->chance(60);
		next unless $rng->chance(25);
		my $leaf = $code eq 'band'
		  ? { field => '"band"', op => $rng->pick('"eq"', '"neq"', '"contains"'), value => $rng->pick('"hi"', '"lo"', '"small"') }
		  : { field => '"$.score"', op => $rng->pick('"gt"', '"lte"'), value => $rng->pick(qw(0 1 10)) };
		$def->{filter_tree} = $def->{filter_tree} ? { and => [ $def->{filter_tree}, $leaf ] } : $leaf;
	}
	return;
}

1;
