package Oracle::Feature::Custom;

# Sums of expressions.  What names there are depends on the fields declared; see
# Oracle::Feature::Fields, which comes later and may write the expression anew.

use strict;
use warnings;
use Oracle::Expression;
use Oracle::Scenario;

sub functions { return 'custom' }

sub options {
	my ($s, $names) = @_;
	my $made = Oracle::Expression::make($s->{rng}, 'number', $names, 3);
	return { expression => Oracle::Scenario::quote($made->{text}), sql => Oracle::Scenario::quote($made->{sql}) };
}

sub meter {
	my ($s, $def) = @_;
	$def->{function_options} = options($s, \@Oracle::Expression::OPEN) if $def->{function} eq '"custom"';
	return;
}

1;
