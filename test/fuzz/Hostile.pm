package Hostile;

# Inputs nobody means well by: pieces of JSON, texts, times, definitions, and
# ways to damage a good document.

use strict;
use warnings;

# Pieces of JSON text, valid as type json, many of them refused by jsonb.
my @JSON = (
	'null', 'true', 'false', '0', '-0', '-0.0', '1e400', '-1e400', '1e-400', '1e131071', '1e200000', '1e-200000', '1e999999999999999999',
	'0.1e-2147483648', '9223372036854775808', '-9223372036854775809', '18446744073709551616', '340282366920938463463374607431768211456',
	'1' . '0' x 128, '1' . '0' x 127, '0.' . '0' x 127 . '1', '0.' . '0' x 128 . '1', '9' x 100_000, '0.' . '3' x 100_000, '-' . '9' x 5000 . '.' . '9' x 5000,
	'""', '" "', '"\u0000"', '"a\u0000b"', '"\ud800"', '"\udc00\ud800"', '"\ud83d\ude00"', '"\ud83dx"', '"\uFFFF"', '"\u202e"', '"\u0001\u001f"',
	'"NaN"', '"Infinity"', '"-Infinity"', '"1e999999"', '"0x1F"', '"12abc"', '"\u0660"', '"1e' . '9' x 5000 . '"',
	'"' . 'x' x 70_000 . '"', '"' . "\xc3\xa9" x 3000 . '"', '"%s%n%d"', q{"'; DROP TABLE x; --"}, '"\\\\\\"\\/\\b\\f\\n\\r\\t"', '"$.a"', '"{}"',
	'[]', '{}', '[[]]', '[null]', '[1,2]', '{"":""}', '{"a":1,"a":2}', '{"\u0000":1}', '{"\ud800":1}', '{"\u0061":1,"a":2}', '{"__proto__":{}}',
	'[' x 200 . ']' x 200, '[' x 255 . ']' x 255, '[' x 256 . ']' x 256, '[' x 257 . ']' x 257, '[' x 3000 . ']' x 3000,
	'{"a":' x 300 . '1' . '}' x 300, '[' . join(',', (1) x 20_000) . ']', '{' . join(',', map { qq("k$_":$_) } 1 .. 5000) . '}',
	'{' . join(',', map { qq("same":$_) } 1 .. 5000) . '}');

# Times, as text.
my @TIMES = (
	'', ' ', 'now', 'today', 'infinity', '-infinity', 'epoch', 'allballs', '0', '1735689600', '-1', '2025', '2025-01', '2025-01-01', '2025-1-1', '2025-02-30T00:00:00Z',
	'2025-02-29T00:00:00Z', '2024-02-29T24:00:00Z', '2025-01-01T00:00:60Z', '2025-01-01T00:00:61Z', '2025-01-01T25:00:00Z', '2025-01-01T00:60:00Z', '2025-01-01T00:00:00',
	'2025-01-01 00:00:00Z', '2025-01-01t00:00:00z', '2025-01-01T00:00:00.Z', '2025-01-01T00:00:00.1234567Z', '2025-01-01T00:00:00.' . '9' x 1000 . 'Z', '2025-01-01T00:00:00+24:00',
	'2025-01-01T00:00:00+15:59', '2025-01-01T00:00:00+16:00', '2025-01-01T00:00:00-00:00', '2025-01-01T00:00:00+5', '2025-01-01T00:00:00+0530', '2025-01-01T00:00:00 Europe/Paris',
	'2025-01-01T00:00:00EST', '0000-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '-0001-01-01T00:00:00Z', '4713-01-01T00:00:00Z BC', '9999-12-31T23:59:59.999999Z', '10000-01-01T00:00:00Z',
	'294276-12-31T23:59:59.999999Z', '294277-01-01T00:00:00Z', '999999999-01-01T00:00:00Z', '1900-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '1582-10-10T00:00:00Z', '2025-01-01T00:00:00Z junk',
	"2025-01-01T00:00:00Z\n", '2025-01-01T00:00:00' . ' ' x 5000 . 'Z', '20250101T000000Z', '2025-W01-1', '2025-001', "2025-01-01T00:00:00\xe2\x88\x9205:00", 'J2460677', '2025-01-01T00:00:00Z' x 100);

# Texts where a name, path, zone, key or expression is expected.
my @TEXTS = (
	'', ' ', '.', '$', '$.', '$..a', '$[', '$[0', '$[-1]', '$[99999999999]', '$[*]', '$.*', '$.**', '$.a.b.c', '$."', '$."a', '$."a b"', "\$.'a'", '$.a[0 to 5]', '$.a[last]', '$ ? (@ > 1)',
	'strict $.a', 'lax $.a', '$.a ? (@.b like_regex "((a+)+)+$")', '$.a.type()', '$.a + 1', '-$', '1', '"a"', 'true', 'exists($)', '$x', '$.a.datetime()', '$.a.keyvalue()', 'a.b', 'a b', 'a"b',
	'$.' . 'a.' x 5000 . 'a', '$' . '[0]' x 5000, '(' x 5000 . '$' . ')' x 5000, '$.' . 'x' x 100_000, "\xc3\xa9", "\xe2\x80\x8b", "tab\there", "new\nline", '%', '\\', q{'}, '"', ';', 'null', '{}', '[]',
	'UTC', 'utc', 'EST5EDT', '+05:30', 'posixrules', '../../../etc/passwd', 'Europe/Nowhere', 'America/New_York', 'localtime', '<+05>-5', 'EST5EDT,M3.2.0,M11.1.0', 'Factory', 'America/' . 'x' x 1000,
	'day', 'DAY', 'days', 'day ', 'decade', 'second', 'microsecond', 'billing_period', '0 days', '15 minutes', '-1 month', 'month' . 'x' x 10_000,
	'sum', 'SUM', 'median', 'weighted_sum', 'percentile', 'custom', 'x' x 81, 'x' x 201, ' lead', 'trail ', 'a  b', "\xf0\x9f\x98\x80" x 80, 'eu', '^(a+)+$', '(((((', '[', '*', '\\', '(?:', 'a{1000000}', '(a{1,1000}){1,1000}',
	'(x+x+)+y', '\\1', 'a|' x 5000, '[[:foo:]]', '(?i)x', '***=x', 'x' x 50_000);

my @OPERATORS = qw(eq neq gt gte lt lte in nin contains starts_with ends_with matches exists EQ like);

my @KEYS = qw(key name metric_key function value_field unique_by_field function_options dimensions filter_tree dedup_key_path event_schema window
  late_event_policy negative_allowed unit_label unit_currency_field data_fields derived_fields custom_fields product_id group_id workspace_id
  description profiles account_mapping unknown_key save_as_draft effective_at version id);

sub quote {
	my ($s) = @_;
	$s =~ s/(["\\])/\\$1/g;
	$s =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
	return qq("$s");
}

sub json { return $_[0]->pick(@JSON) }
sub text { return $_[0]->pick(@TEXTS) }
sub instant { return $_[0]->pick(@TIMES) }

# Any piece of JSON: hostile, a quoted text or time, or a small container.
sub any {
	my ($rng, $depth) = @_;
	$depth //= 2;
	my $form = $rng->below(10);
	return json($rng) if $form < 4;
	return quote(text($rng)) if $form < 6;
	return quote(instant($rng)) if $form < 7;
	return $rng->pick('1', '"eu"', 'true', '5.5', '"EUR"', '"ada"') if $form < 8 || $depth <= 0;
	return '[' . join(',', map { any($rng, $depth - 1) } 1 .. $rng->below(4)) . ']' if $form < 9;
	return '{' . join(',', map { quote($rng->pick(@KEYS, 'and', 'or', 'not', 'field', 'op', 'value', 'size', 'a')) . ':' . any($rng, $depth - 1) } 1 .. $rng->below(4)) . '}';
}

# One event, a good one but for one to three members.
sub event {
	my ($rng, $id) = @_;
	my %event = (id => quote($id), source => '"fuzz"', type => $rng->pick('"call"', '"call"', '"order"', '"free"'), subject => '"ada"', time => '"2025-01-01T00:00:00Z"');
	my %data = (n => '1', region => '"eu"', user => '"u"', currency => '"EUR"', order => quote("order $id"), tags => '["a"]');
	for (1 .. $rng->between(1, 3)) {
		my $what = $rng->below(12);
		if    ($what < 5)  { $data{ $rng->pick(sort keys %data) } = any($rng) }
		elsif ($what < 6)  { delete $data{ $rng->pick(sort keys %data) } if %data }
		elsif ($what < 8)  { $event{ $rng->pick(qw(id source type subject time meter specversion extra)) } = any($rng) }
		elsif ($what < 9)  { delete $event{ $rng->pick(qw(id source type subject time)) } }
		elsif ($what < 11) { $event{time} = quote(instant($rng)) }
		else               { $event{data} = any($rng) }
	}
	$event{data} //= '{' . join(',', map { quote($_) . ':' . $data{$_} } sort keys %data) . '}';
	return any($rng) if $rng->chance(4);
	return '{' . join(',', map { quote($_) . ':' . $event{$_} } $rng->shuffle(sort keys %event)) . '}';
}

sub leaf {
	my ($rng) = @_;
	my %leaf = (field => quote($rng->pick('$.region', 'n', '$.tags', 'region', text($rng))), op => quote($rng->pick(@OPERATORS)),
		value => $rng->pick('"eu"', '1', '["eu"]', 'true', 'null', quote(text($rng)), any($rng)));
	delete $leaf{ $rng->pick(sort keys %leaf) } if $rng->chance(10);
	$leaf{ $rng->pick('and', 'x', 'not') } = any($rng) if $rng->chance(5);
	return '{' . join(',', map { quote($_) . ':' . $leaf{$_} } sort keys %leaf) . '}';
}

# A filter tree, perhaps a deep or wide one.
sub tree {
	my ($rng, $depth) = @_;
	$depth //= 3;
	return any($rng) if $rng->chance(5);
	return '{"not":' x 2000 . leaf($rng) . '}' x 2000 if $rng->chance(2);
	return '{"and":[' . join(',', ('{"field":"$.n","op":"gt","value":1}') x 3000) . ']}' if $rng->chance(2);
	return leaf($rng) if $depth <= 0 || $rng->chance(40);
	my $kind = $rng->pick(qw(and or not));
	return '{"not":' . tree($rng, $depth - 1) . '}' if $kind eq 'not';
	return qq({"$kind":[) . join(',', map { tree($rng, $depth - 1) } 1 .. $rng->below(4)) . ']}';
}

# A definition, a good one but for one to three members.
sub definition {
	my ($rng, $key) = @_;
	my %def = (key => quote($key), name => quote("Meter $key"), metric_key => '"call"', function => $rng->pick('"sum"', '"count"', '"avg"', '"min"', '"max"', '"latest"', '"unique_count"'));
	$def{value_field} = '"$.n"' unless $def{function} =~ /count/;
	$def{unique_by_field} = '"$.user"' if $def{function} =~ /unique/;
	for (1 .. $rng->between(1, 3)) {
		my $what = $rng->below(10);
		if    ($what < 2) { $def{ $rng->pick(@KEYS) } = any($rng) }
		elsif ($what < 4) { $def{ $rng->pick(qw(value_field unique_by_field dedup_key_path unit_currency_field metric_key key name function)) } = quote(text($rng)) }
		elsif ($what < 6) { $def{filter_tree} = tree($rng) }
		elsif ($what < 7) { $def{dimensions} = '{' . join(',', map { quote($rng->pick('region', 'n', 'subject', text($rng))) . ':' . quote($rng->pick('$.region', '$.tags', '$', text($rng))) } 1 .. $rng->below(5)) . '}' }
		elsif ($what < 8) {
			$def{window} = '{' . join(',', map { quote($_) . ':' . $rng->pick('1', '"day"', '"UTC"', '"monday"', quote(text($rng)), quote(instant($rng)), any($rng)) }
				  $rng->some(5, qw(size count time_zone anchor week_start))) . '}';
		}
		elsif ($what < 9) { delete $def{ $rng->pick(sort keys %def) } }
		else              { $def{dimensions} = '{' . join(',', map { qq("d$_":"\$.d$_") } 1 .. $rng->pick(50, 2000)) . '}' }
	}
	return '{' . join(',', map { quote($_) . ':' . $def{$_} } sort keys %def) . '}';
}

# Damage a text: bytes changed, lost, put in, doubled, cut off.
sub mutate {
	my ($rng, $text) = @_;
	for (1 .. $rng->between(1, 6)) {
		my $at = $rng->below(length($text) + 1);
		my $n = $rng->between(1, 8);
		my $what = $rng->below(8);
		if    ($what == 0) { substr($text, $at, 1) = chr $rng->below(256) if $at < length $text }
		elsif ($what == 1) { substr($text, $at, $n) = '' if $at < length $text }
		elsif ($what == 2) { substr($text, $at, 0) = chr $rng->below(256) }
		elsif ($what == 3) { substr($text, $at, 0) = $rng->pick('{', '}', '[', ']', '"', ',', ':', '\\', '\\u', '\\ud800', '\\u0000', 'null', '1e', '-', "\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\x01") }
		elsif ($what == 4) { substr($text, $at, 0) = substr($text, $rng->below(length($text) + 1), $n * 4) }
		elsif ($what == 5) { $text = substr($text, 0, $at) if $rng->chance(30) }
		elsif ($what == 6) { substr($text, $at, 0) = json($rng) }
		else               { $text =~ s/(\d)/$1 . $rng->pick('.', 'e', '0' x 30, '')/e }
	}
	return $text;
}

1;
