package Oracle::Expression;

# Expressions made up at random, each written twice: as the extension reads it,
# and as plain SQL over $1, the event's data, and $2, its time.  The operators of
# both sides that mean the same stand beside each other here; where SQL has none
# that does, sql/expression.sql has one.

use strict;
use warnings;
use Oracle::Scenario;

my @NUMBERS = (qw(0 1 2 3 10 0.5 1.25 100), '1e3', '7');
my @TEXTS = ('small', 'large', 'eu', 'e', '', '2', 'user 3');

# The paths that are there where no fields are declared.
our @OPEN = (
	numeric('value'), numeric('tier'), numeric('load'), numeric('usage.amount'), numeric('`odd key`'),
	textual('model'), textual('geo.region'), textual('user'));

# A field that has to be a number.
sub numeric {
	my ($path) = @_;
	my $steps = join ',', map { s/`//gr } split /\./, $path;
	return { type => 'number', text => $path, sql => "oracle.operand(\$1, '{$steps}')" };
}

# A field whose text is meant, whatever it is.
sub textual {
	my ($path, $declared) = @_;
	my $steps = join ',', split /\./, $path;
	return { type => 'text', text => $declared ? $path : "text($path)", sql => "oracle.text_of(\$1, '{$steps}')" };
}

# An expression of a type: { text, sql }.  names: what it may refer to.
sub make {
	my ($rng, $type, $names, $depth) = @_;
	my @own = grep { $_->{type} eq $type } @$names;
	return leaf($rng, $type, @own) if $depth <= 0 || $rng->chance(20);
	my $sub = sub { return make($rng, $_[0], $names, $depth - 1) };
	my $made =
	    $type eq 'number'  ? number($rng, $sub)
	  : $type eq 'boolean' ? boolean($rng, $sub)
	  :                      text($rng, $sub);
	return $made // leaf($rng, $type, @own);
}

sub leaf {
	my ($rng, $type, @own) = @_;
	return $rng->pick(@own) if @own && $rng->chance(75);
	if ($type eq 'number') {
		return time_part($rng) if $rng->chance(15);
		my $n = $rng->pick(@NUMBERS);
		return { text => $n, sql => "numeric '$n'" };
	}
	if ($type eq 'text') {
		my $t = $rng->pick(@TEXTS);
		return { text => qq("$t"), sql => "text '$t'" };
	}
	return { text => 'true', sql => 'true' } if $rng->chance(50);
	return { text => 'false', sql => 'false' };
}

# What the clock of a zone shows.
sub time_part {
	my ($rng) = @_;
	my $part = $rng->pick(qw(year quarter month day hour minute dayofweek dayofyear));
	my $field = { dayofweek => 'isodow', dayofyear => 'doy' }->{$part} // $part;
	my $zone = $rng->pick('UTC', 'Asia/Kolkata', 'America/New_York', 'Australia/Lord_Howe');
	my $argument = $zone eq 'UTC' && $rng->chance(50) ? '' : qq(, "$zone");
	return { text => "$part(timestamp$argument)", sql => "extract($field FROM \$2 AT TIME ZONE '$zone')" };
}

sub number {
	my ($rng, $sub) = @_;
	my $form = $rng->below(12);
	if ($form < 5) {
		my ($a, $b) = ($sub->('number'), $sub->('number'));
		my ($op, $function) = @{ $rng->pick([ '+', 'plus' ], [ '-', 'minus' ], [ '*', 'times' ], [ '/', 'divided' ], [ '%', 'rest' ]) };

		# a constant that divides by zero is refused with the definition
		$b = { text => "nullif($b->{text}, 0)", sql => "nullif($b->{sql}, 0)" } if $op =~ m{[/%]} && ($b->{sql} !~ /^oracle.operand/ || $rng->chance(50));
		return { text => "($a->{text} $op $b->{text})", sql => "oracle.$function($a->{sql}, $b->{sql})" };
	}
	my $a = $sub->('number');
	if ($form == 5) {
		my ($call, $sql) = @{ $rng->pick(
			[ 'abs(%s)', 'abs(%s)' ], [ 'floor(%s)', 'floor(%s)' ], [ 'Math.ceil(%s)', 'ceil(%s)' ], [ 'trunc(%s, 1)', 'trunc(%s, 1)' ],
			[ 'round(%s, 2)', 'round(%s, 2)' ], [ 'round(%s)', 'round(%s)' ], [ 'round(%s, -1)', 'round(%s, -1)' ], [ 'sign(%s)', 'sign(%s)' ], [ '-%s', '(- %s)' ]) };
		return { text => sprintf($call, "($a->{text})"), sql => sprintf($sql, "oracle.fits($a->{sql})") };
	}
	if ($form == 6) {
		my $t = $sub->('text');
		return { text => "length($t->{text})", sql => "length($t->{sql})::numeric" };
	}
	my $b = $sub->('number');
	if ($form == 7) {
		my $f = $rng->pick(qw(min max));
		return { text => "$f($a->{text}, $b->{text})", sql => "oracle.$f($a->{sql}, $b->{sql})" };
	}
	return { text => "coalesce($a->{text}, $b->{text})", sql => "coalesce($a->{sql}, $b->{sql})" } if $form < 10;
	return chosen($sub->('boolean'), $a, $b);
}

sub chosen {
	my ($c, $a, $b) = @_;
	return { text => "($c->{text} ? $a->{text} : $b->{text})", sql => "CASE WHEN $c->{sql} THEN $a->{sql} ELSE $b->{sql} END" };
}

sub boolean {
	my ($rng, $sub) = @_;
	my $form = $rng->below(10);
	if ($form < 4) {
		my ($a, $b) = ($sub->('number'), $sub->('number'));
		# two fields that are not declared are compared as what they are
		$b = { text => "($b->{text} + 0)", sql => "oracle.plus($b->{sql}, 0)" } if $b->{sql} !~ /^numeric/;
		my ($op, $sql) = @{ $rng->pick(map { [ split ] } '< <', '<= <=', '> >', '>= >=', '== =', '!= <>', '= =', '<> <>') };
		return { text => "($a->{text} $op $b->{text})", sql => "oracle.compares($a->{sql}, '$sql', $b->{sql})" };
	}
	if ($form < 7) {
		my ($a, $b) = ($sub->('text'), $sub->('text'));
		my ($call, $sql) = @{ $rng->pick(
			[ '(%s == %s)', '(%s = %s)' ], [ '(%s < %s)', '(%s COLLATE "C" < %s)' ], [ 'contains(%s, %s)', '(strpos(%s, %s) > 0)' ],
			[ 'starts_with(%s, %s)', 'starts_with(%s, %s)' ], [ '(%s in (%s, "us"))', "(%s IN (%s, 'us'))" ]) };
		return { text => sprintf($call, $a->{text}, $b->{text}), sql => sprintf($sql, $a->{sql}, $b->{sql}) };
	}
	my $a = $sub->('boolean');
	return { text => "not ($a->{text})", sql => "(NOT $a->{sql})" } if $form == 7;
	my $b = $sub->('boolean');

	# SQL may take the operands in any order; here the second one only counts
	# where the first does not decide
	return { text => "($a->{text} and $b->{text})", sql => "CASE WHEN $a->{sql} IS FALSE THEN false ELSE $a->{sql} AND $b->{sql} END" } if $form == 8;
	return { text => "($a->{text} || $b->{text})", sql => "CASE WHEN $a->{sql} IS TRUE THEN true ELSE $a->{sql} OR $b->{sql} END" };
}

sub text {
	my ($rng, $sub) = @_;
	my ($a, $b) = ($sub->('text'), $sub->('text'));
	my $form = $rng->below(6);
	return { text => "concat($a->{text}, $b->{text})", sql => "($a->{sql} || $b->{sql})" } if $form == 0;
	return { text => "upper($a->{text})", sql => "upper($a->{sql} COLLATE \"C\")" } if $form == 1;
	return { text => "lower($a->{text})", sql => "lower($a->{sql} COLLATE \"C\")" } if $form == 2;
	return { text => "coalesce($a->{text}, $b->{text})", sql => "coalesce($a->{sql}, $b->{sql})" } if $form == 3;
	return chosen($sub->('boolean'), $a, $b);
}

1;
