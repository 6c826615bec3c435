package Threshold::Value;

# What a function makes of a list of facts, recomputed from all of them each
# time.  Numbers are exact: [numerator, denominator], undef for none; facts hold
# hundredths, and times are whole seconds.

use strict;
use warnings;
use List::Util qw(sum0 min max);

# A number written as JSON has it.
sub parse {
	my ($text) = @_;
	return undef if !defined $text;
	my ($sign, $whole, $part) = $text =~ /^(-?)(\d+)(?:\.(\d+))?$/ or die "not a number: $text\n";
	$part = ($part // '') =~ s/0+$//r;
	return [ "$sign$whole$part" + 0, 10**length $part ];
}

# Compare two numbers; none is below all others.
sub compare {
	my ($x, $y) = @_;
	return defined $x <=> defined $y if !defined $x || !defined $y;
	return $x->[0] * $y->[1] <=> $y->[0] * $x->[1];
}

sub negate {
	my ($x) = @_;
	return $x && [ -$x->[0], $x->[1] ];
}

# Hundredths as text.
sub text {
	my ($n) = @_;
	return 'null' if !defined $n;
	my $t = sprintf '%s%d.%02d', $n < 0 ? '-' : '', abs($n) / 100, abs($n) % 100;
	return $t =~ s/\.?0+$//r;
}

# Is a number that the extension wrote the one expected?  Quotients have no end.
sub same {
	my ($expected, $written) = @_;
	return !defined $expected && !defined $written if !defined $expected || !defined $written;
	my $difference = abs($expected->[0] / $expected->[1] - $written);
	return $difference <= 1e-9 * max(1, abs $written);
}

my %FUNCTION = (
	sum          => sub { [ sum0(map { $_->{value} } @{ $_[1] }), 100 ] },
	count        => sub { [ scalar @{ $_[1] }, 1 ] },
	unique_count => sub { my %seen = map { $_->{key} => 1 } @{ $_[1] }; [ scalar keys %seen, 1 ] },
	avg          => sub { @{ $_[1] } ? [ sum0(map { $_->{value} } @{ $_[1] }), 100 * @{ $_[1] } ] : undef },
	min          => sub { @{ $_[1] } ? [ min(map { $_->{value} } @{ $_[1] }), 100 ] : undef },
	max          => sub { @{ $_[1] } ? [ max(map { $_->{value} } @{ $_[1] }), 100 ] : undef },
	custom       => sub { @{ $_[1] } ? [ sum0(map { $_->{value} } @{ $_[1] }), 100 ] : undef },
	latest       => sub { my ($last) = reverse by_time(@{ $_[1] }); $last && [ $last->{value}, 100 ] },
	percentile   => \&percentile,
	weighted_sum => \&weighted,
);

# A meter's value over facts in [from, to); weighted_sum also takes those before.
sub of {
	my ($meter, $facts, $from, $to) = @_;
	my $before = $meter->{function} eq 'weighted_sum';
	my @inside = grep { $_->{time} < $to && ($before || $_->{time} >= $from) } @$facts;
	return $FUNCTION{ $meter->{function} }->($meter, \@inside, $from, $to);
}

sub by_time {
	my @facts = @_;
	return sort { $a->{time} <=> $b->{time} || $a->{seq} <=> $b->{seq} } @facts;
}

# Between the two values around the place (n - 1) * fraction.
sub percentile {
	my ($meter, $facts) = @_;
	return undef if !@$facts;
	my @v = sort { $a <=> $b } map { $_->{value} } @$facts;
	my $place = $#v * $meter->{percent};
	my ($i, $rest) = (int($place / 100), $place % 100);
	return [ $v[$i] * 100 + ($rest ? ($v[ $i + 1 ] - $v[$i]) * $rest : 0), 10_000 ];
}

# The level's mean over the seconds of the window.
sub weighted {
	my ($meter, $facts, $from, $to) = @_;
	return undef if !@$facts;
	my @events = by_time(@$facts);
	my ($level, $area) = (0, 0);
	for my $i (0 .. $#events) {
		$level = $meter->{mode} eq 'gauge' ? $events[$i]{value} : $level + $events[$i]{value};
		my $since = max($events[$i]{time}, $from);
		my $until = max($i < $#events ? $events[ $i + 1 ]{time} : $to, $from);
		$area += $level * ($until - $since);
	}
	return [ $area, 100 * ($to - $from) ];
}

1;
