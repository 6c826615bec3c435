#!/usr/bin/env perl
# Writes schema_unicode.h: the general category of every code point, taken from
# the Unicode Character Database that comes with Perl.
#
#   perl src/values/schema_unicode.pl > src/values/schema_unicode.h
use strict;
use warnings;
use Unicode::UCD qw(prop_invmap);

my @names = qw(Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So
	Zs Zl Zp Cc Cf Cs Co Cn);
my %number = map { $names[$_] => $_ } 0 .. $#names;

my ($starts, $values) = prop_invmap('General_Category');
my @runs;
for my $i (0 .. $#$starts)
{
	last if $starts->[$i] > 0x10FFFF;
	my $number = $number{$values->[$i]};
	die "unknown category $values->[$i]" unless defined $number;
	push @runs, sprintf '0x%X', $starts->[$i] << 5 | $number;
}

printf <<"END", Unicode::UCD::UnicodeVersion(), join(",\n", map { "\t\"$_\"" } @names);
/*
 * schema_unicode.h
 *		General categories of Unicode %s, written by schema_unicode.pl.
 *
 * A run is its first code point shifted by 5 bits, and the category's number;
 * it ends where the next one begins.
 */
static const char *const category_names[] = {
%s
};

static const uint32 category_runs[] = {
END
while (my @line = splice @runs, 0, 10)
{
	print "\t", join(', ', @line), (@runs ? ',' : ''), "\n";
}
print "};\n";
