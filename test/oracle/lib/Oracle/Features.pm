package Oracle::Features;

# What histories can have beyond the frame of Oracle::Scenario: each feature is
# a module of its own in Oracle/Feature/.  METER_ORACLE_FEATURES (names with
# commas, possibly none) chooses some of them; the default is all.
#
# A feature says what it adds in functions that are called where they are there:
#
#	begin($s)			a history begins
#	functions()			functions of meters, as often as they should come
#	meter($s, $def)		a definition is complete
#	data($s, $data)		an event's data are complete
#	steps($s)			steps that come between the others
#	call($s, $call, $def)	a question about a meter is complete
#	calls($s)			further questions
#
# Those of Oracle::History, which have to do with time, also
#
#	kinds($s)			kinds of steps, as often as they should come
#	make_KIND($s)		a step of this kind
#	last_steps($s)		steps that end a history
#	play_KIND($player, $scenario, $step)	and how it is played
#	compare($player, $scenario)	what is compared when a history is over

use strict;
use warnings;

my @ALL = qw(Windows Customers Explain Percentile Weighted Custom Fields Profiles Mapping Schema);
my @ON;
choose(defined $ENV{METER_ORACLE_FEATURES} ? split(/,/, $ENV{METER_ORACLE_FEATURES}) : @ALL);

# Have these features and no others.
sub choose {
	@ON = @_;
	for my $name (@ON) {
		require "Oracle/Feature/$name.pm";
	}
	return;
}

# Call $hook of every feature that has it; returns what they return.
sub hook {
	my ($hook, @arguments) = @_;
	return map { my $f = "Oracle::Feature::$_"->can($hook); $f ? $f->(@arguments) : () } @ON;
}

# The functions of this name.
sub all {
	my ($name) = @_;
	return grep { defined } map { "Oracle::Feature::$_"->can($name) } @ON;
}

# The function of this name, of whichever feature has it.
sub method {
	my ($name) = @_;
	return (all($name))[0];
}

sub is_on {
	my ($name) = @_;
	return scalar grep { $_ eq $name } @ON;
}

1;
