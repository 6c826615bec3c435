package Oracle::Random;

# Numbers that look random and are the same for a seed on every machine: the
# "minimal standard" generator of Park and Miller.

use strict;
use warnings;

sub new {
	my ($class, $seed) = @_;
	my $self = bless { state => $seed % 2147483646 + 1 }, $class;
	$self->below(2) for 1 .. 8;
	return $self;
}

# An integer, 0 <= result < $n.
sub below {
	my ($self, $n) = @_;
	$self->{state} = $self->{state} * 48271 % 2147483647;
	return $self->{state} % $n if $n <= 1_000_000;
	# one step has 31 bits: put two together for a wide range
	my $high = $self->{state};
	$self->{state} = $self->{state} * 48271 % 2147483647;
	return ($high << 31 | $self->{state}) % $n;
}

# An integer, $from <= result <= $to.
sub between {
	my ($self, $from, $to) = @_;
	return $from + $self->below($to - $from + 1);
}

# True in $percent of a hundred cases.
sub chance {
	my ($self, $percent) = @_;
	return $self->below(1000) < $percent * 10;
}

# One of the arguments.
sub pick {
	my ($self, @from) = @_;
	return $from[ $self->below(scalar @from) ];
}

# The arguments in another order.
sub shuffle {
	my ($self, @list) = @_;
	for (my $i = $#list; $i > 0; $i--) {
		my $j = $self->below($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

# Some of the arguments (perhaps none), at most $max.
sub some {
	my ($self, $max, @from) = @_;
	my $n = $self->below(($max < @from ? $max : scalar @from) + 1);
	return ($self->shuffle(@from))[ 0 .. $n - 1 ];
}

# $n decimal digits, the first not zero.
sub digits {
	my ($self, $n) = @_;
	return join '', $self->between(1, 9), map { $self->below(10) } 2 .. $n;
}

1;
