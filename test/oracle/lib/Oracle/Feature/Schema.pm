package Oracle::Feature::Schema;

# Simple schemas; the official suites test the others.

use strict;
use warnings;
use Oracle::Scenario;

sub meter {
	my ($s, $def) = @_;
	my $rng = $s->{rng};
	return unless $rng->chance(20);
	my %properties;
	for my $name ($rng->some(4, qw(value tier model user tags geo flag load))) {
		$properties{$name} =
		    $name eq 'value' ? { type => '"number"', $rng->chance(50) ? (minimum => $rng->pick('0', '-10')) : (maximum => '500') }
		  : $name eq 'tier'  ? $rng->pick({ type => '"integer"' }, { enum => [qw(1 2 3 10)] }, { enum => [ '1', '2.0', '"3"' ] })
		  : $name eq 'model' ? { type => '"string"', $rng->chance(50) ? (minLength => '1') : (maxLength => '5') }
		  : $name eq 'user'  ? { type => '"string"', minLength => '6' }
		  : $name eq 'tags'  ? { type => '"array"', items => { enum => [ '"a"', '"b"' ] } }
		  : $name eq 'geo'   ? { type => '"object"', required => ['"region"'], additionalProperties => 'false', properties => { region => { type => '"string"' } } }
		  : $name eq 'flag'  ? { type => '"boolean"' }
		  :                    { type => '"number"', minimum => '0', maximum => '7.25' };
	}
	my %schema = (properties => \%properties);
	$schema{type} = '"object"' if $rng->chance(50);
	$schema{required} = [ map { Oracle::Scenario::quote($_) } $rng->some(2, qw(value user flag)) ] if $rng->chance(30);
	$schema{'$schema'} = $rng->pick('"https://json-schema.org/draft/2020-12/schema"', '"http://json-schema.org/draft-07/schema#"') if $rng->chance(50);
	$def->{event_schema} = \%schema;
	return;
}

1;
