#!/usr/bin/env perl
# The official JSON Schema test suite against meter.json_schema_is_valid.
#
#   test/lib/sandbox run perl test/t/json_schema_suite.pl
#
# Prints TAP.  psql and the server come from the environment, as the sandbox
# sets it; a database of its own is made and dropped.  The suites:
#
#   draft7 (Debian)   /usr/share/json-schema-test-suite, of Debian's package
#                     json-schema-test-suite
#   draft7            ../shared/json-schema-test-suite (or the folder in
#   draft2020-12      METER_JSON_SCHEMA_SUITE)
#
# All required tests must pass, but for the groups in %remote: their schemas
# lean on documents elsewhere, which meter never fetches.  Those are run too,
# and must be refused for just that reason.  Of the optional tests, those must
# pass that are not in %not_done.
#
# The suite's schemas for draft 7 do not say so themselves: $schema is put in.
# jsonb cannot hold U+0000: in the few strings that have it, U+0001 stands in.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use JSON::PP;

my $top = File::Spec->rel2abs(File::Spec->catdir(dirname($0), '..', '..'));
my $shared = $ENV{METER_JSON_SCHEMA_SUITE} || "$top/../shared/json-schema-test-suite";
my $debian = '/usr/share/json-schema-test-suite';
my $database = 'meter_json_schema_suite';

my @suites = (
	{name => 'draft7 (Debian)', path => "$debian/tests/draft7", draft => 7},
	{name => 'draft7', path => "$shared/tests/draft7", draft => 7},
	{name => 'draft2020-12', path => "$shared/tests/draft2020-12", draft => 2020},
);

# File and group => what it would have to fetch.  '*': every group of the file.
my %remote = (
	'refRemote' => {'*' => 'refers to http://localhost:1234'},
	'dynamicRef' => {
		'strict-tree schema, guards against misspelled properties' => 'refers to tree.json',
		'tests for implementation dynamic anchor and reference link' =>
			'refers to extendible-dynamic-ref.json',
		'$ref and $dynamicAnchor are independent of order - $defs first' =>
			'refers to extendible-dynamic-ref.json',
		'$ref and $dynamicAnchor are independent of order - $ref first' =>
			'refers to extendible-dynamic-ref.json',
		'$ref to $dynamicRef finds detached $dynamicAnchor' => 'refers to detached-dynamicref.json',
	},
	'vocabulary' => {'*' => 'its meta-schema is at http://localhost:1234'},
	'optional/cross-draft' => {'*' => 'refers to a schema of another draft'},
	'optional/format-assertion' => {'*' => 'its meta-schema is at http://localhost:1234'},
);

# Optional tests that are not claimed: file and group (or group/test) => why.
my %not_done = (
	'optional/content' => {'*' => 'contentEncoding and contentMediaType only annotate'},
	'optional/format/idn-hostname' => {'*' => 'IDNA 2008 is not checked'},
	'optional/format/hostname' => {
		'validation of A-label (punycode) host names' => 'IDNA 2008 is not checked',
	},
);

# Everything psql is told.
my $script = "\\set ON_ERROR_STOP on\nSET client_min_messages = warning;\n";

sub read_file
{
	my ($file) = @_;
	open my $in, '<:raw', $file or die "$file: $!\n";
	local $/;
	my $text = <$in>;
	# \u0000 that is not a backslash and "u0000"
	my $changed = $text =~ s/(?<!\\)((?:\\\\)*)\\u0000/$1\\u0001/g;
	return ($text, $changed);
}

sub add_suite
{
	my ($suite, $number) = @_;
	my $path = $suite->{path};

	for my $file (sort glob("$path/*.json $path/optional/*.json $path/optional/format/*.json"))
	{
		my ($text, $changed) = read_file($file);
		(my $name = substr($file, length($path) + 1)) =~ s/\.json$//;
		print "# $suite->{name}: $name: U+0001 stands in for U+0000 in $changed places\n"
			if $changed;
		$script .= "INSERT INTO suite_files VALUES ($number, '$name', \$suite\$$text\$suite\$);\n";
	}
}

# Run psql with the script; returns the lines it prints.
sub run_psql
{
	my ($input, @options) = @_;
	my $file = "/tmp/meter_json_schema_suite.$$.sql";

	open my $out, '>:raw', $file or die "$file: $!\n";
	print $out $input;
	close $out or die "$file: $!\n";
	open my $psql, '-|:raw', 'psql', '-XAtq', @options, '-f', $file or die "psql: $!\n";
	my @lines = <$psql>;
	my $ok = close $psql;
	unlink $file;
	die "psql failed\n" unless $ok;
	return @lines;
}

$script .= <<'SQL';
CREATE EXTENSION meter;
CREATE TABLE suite_files (suite int, file text, content jsonb);
CREATE FUNCTION suite_try(schema jsonb, instance jsonb, assert_format boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	errors int;
	valid boolean;
	detail text;
BEGIN
	valid := meter.json_schema_is_valid(schema, instance, assert_format);
	-- the answer must not depend on whether violations are listed
	errors := count(*) FROM meter.json_schema_errors(schema, instance, assert_format);
	IF valid <> (errors = 0) THEN
		RETURN pg_catalog.format('valid is %s but there are %s errors', valid, errors);
	END IF;
	RETURN valid::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN 'error: ' || detail || ' ' || SQLERRM;
END
$$;
SQL

my @present = grep { -d $suites[$_]{path} } 0 .. $#suites;
add_suite($suites[$_], $_) for @present;

$script .= <<'SQL';
SELECT json_build_object('suite', f.suite, 'file', f.file,
		'group', g.value ->> 'description', 'test', t.value ->> 'description',
		'expected', t.value ->> 'valid',
		'result', suite_try(
			CASE WHEN f.suite < 2 AND jsonb_typeof(g.value -> 'schema') = 'object'
					AND NOT (g.value -> 'schema') ? '$schema'
				THEN (g.value -> 'schema') || '{"$schema": "http://json-schema.org/draft-07/schema#"}'
				ELSE g.value -> 'schema' END,
			t.value -> 'data',
			f.file LIKE 'optional/format/%' OR f.file = 'optional/ecmascript-regex'))
	FROM suite_files f,
		jsonb_array_elements(f.content) WITH ORDINALITY g(value, ord),
		jsonb_array_elements(g.value -> 'tests') WITH ORDINALITY t(value, ord)
	ORDER BY f.suite, f.file LIKE 'optional/%', f.file, g.ord, t.ord;
SQL

run_psql("SET client_min_messages = warning;\nDROP DATABASE IF EXISTS $database;\nCREATE DATABASE $database;\n",
	'-d', 'postgres');
my @rows = map { decode_json($_) } run_psql($script, '-d', $database);
run_psql("DROP DATABASE $database;\n", '-d', 'postgres');

binmode STDOUT, ':utf8';
my ($number, $failed, %counts, %used) = (0, 0);

for my $row (@rows)
{
	my $suite = $suites[$row->{suite}]{name};
	my $what = $row->{file} =~ /^optional/ ? 'optional' : 'required';
	my $remote = $remote{$row->{file}}
		&& ($remote{$row->{file}}{'*'} || $remote{$row->{file}}{$row->{group}});
	my $not_done = $not_done{$row->{file}}
		&& ($not_done{$row->{file}}{'*'} || $not_done{$row->{file}}{$row->{group}}
		|| $not_done{$row->{file}}{"$row->{group}/$row->{test}"});
	my $name = "$suite: $row->{file}: $row->{group}: $row->{test}";
	my ($ok, $note) = ($row->{result} eq $row->{expected}, '');

	if ($remote)
	{
		$used{$row->{file}}{$_} = 1 for '*', $row->{group};
		$ok = $row->{result} =~ /^error: REMOTE_REFERENCE/;
		$note = " # SKIP remote reference: $remote";
		$counts{$suite}{"$what excluded"}++;
	}
	elsif ($not_done && !$ok)
	{
		$used{$row->{file}}{$_} = 1 for '*', $row->{group}, "$row->{group}/$row->{test}";
		$ok = 1;
		$note = " # SKIP $not_done";
		$counts{$suite}{"$what excluded"}++;
	}
	else
	{
		$counts{$suite}{"$what passed"}++ if $ok;
	}
	$number++;
	$name =~ s/[#\n]/ /g;
	print $ok ? 'ok' : 'not ok', " $number - $name", $ok ? $note : '', "\n";
	next if $ok;
	$failed++;
	print "#   got $row->{result}, expected ", $remote ? 'REMOTE_REFERENCE' : $row->{expected}, "\n";
}

# An exclusion that excludes nothing has outlived its reason.
if (@present == @suites)
{
	for my $list (\%remote, \%not_done)
	{
		for my $file (sort keys %$list)
		{
			for my $group (sort keys %{$list->{$file}})
			{
				$number++;
				my $ok = $used{$file}{$group};
				$failed++ unless $ok;
				print $ok ? 'ok' : 'not ok', " $number - exclusion is used: $file: $group\n";
			}
		}
	}
}

for my $i (0 .. $#suites)
{
	my $suite = $suites[$i];
	if (!-d $suite->{path})
	{
		$number++;
		print "ok $number - $suite->{name} # SKIP $suite->{path} is not there\n";
		next;
	}
	print "# $suite->{name}: ", join(', ', map { "$_ $counts{$suite->{name}}{$_}" }
		sort keys %{$counts{$suite->{name}}}), "\n";
}
print "1..$number\n";
exit($failed ? 1 : 0);
