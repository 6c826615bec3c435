#!/usr/bin/perl
# Every route of the five dialects, end to end: nginx as docs/postgrest ships
# it, PostgREST (or the stand-in) and the functions of meter_api.  What a
# function answers in every case is for test/pgtap/http_*.sql; here it is that
# each path and method reaches its function, and nothing is lost on the way.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Gateway;
use MIME::Base64 qw(encode_base64url);
use Test::More;

my $gateway = Gateway->new;
note $gateway->{real} ? 'PostgREST itself' : 'the stand-in for PostgREST';
my $org = '00000000-0000-4000-8000-000000000001';
my ($meter, $product, $customer) = split /\|/, $gateway->psql(qq{
	SELECT meter.create_store() \\g /dev/null
	SELECT meter.create_organization('acme', '$org') \\g /dev/null
	SELECT meter.create_meter('$org', '{"key": "calls", "metric_key": "api.call", "function": "sum", "value_field": "\$.value"}') ->> 'id' AS meter \\gset
	SELECT meter.create_product('$org', '{"code": "gold", "name": "Gold"}') ->> 'id' AS product \\gset
	SELECT meter.create_customer('$org', '{"id": "ada", "name": "Ada"}') ->> 'id' AS customer \\gset
	SELECT meter.bind_product('$org', 'gold', 'calls') \\g /dev/null
	SELECT meter.create_subscription('$org', '{"customer": "ada", "products": ["gold"], "started_at": "2026-01-01T00:00:00Z"}') \\g /dev/null
	SELECT meter.create_threshold('$org', '{"name": "many", "meter": "calls", "threshold_value": 10}') \\g /dev/null
	SELECT meter.ingest('$org', '{"id": "1", "source": "s", "type": "api.call", "subject": "ada", "data": {"value": 11}}') \\g /dev/null
	SELECT :'meter', :'product', :'customer'});
my %claims = (role => 'meter_writer', organization_id => $org);
my $token = $gateway->token(%claims);
my $reporter = $gateway->token(%claims, scope => 'meter-report');
my $stranger = $gateway->token(role => 'meter_writer', organization_id => '00000000-0000-4000-8000-000000000002');

# One request, its status, and what its body holds: a path of keys with the
# value there (undef: anything but null).
my %seen;
sub reaches
{
	my ($method, $target, $status, $path, $value, %how) = @_;
	my $r = $gateway->request($method, $target, token => $token, %how);
	$seen{"$method $target"} = 1;
	my $found = $r->{json};
	foreach my $key (@$path)
	{
		$found = ref $found eq 'ARRAY' ? $found->[$key] : ref $found eq 'HASH' ? $found->{$key} : undef;
	}
	my $where = join '.', @$path;
	my $good = $r->{status} == $status && ($status == 204 ? $r->{body} eq '' : defined $found && (!defined $value || $found eq $value))
	  && ($status == 204 || $r->{headers}{'content-type'} =~ m{^application/json});
	ok($good, "$method $target: $status" . ($status == 204 ? '' : ", $where" . (defined $value ? " is $value" : '')))
	  or diag("$r->{status} $r->{body}");
	return $r;
}

# seed 000
reaches(GET => '/meters', 200, [ 'data', 0, 'key' ], 'calls');
reaches(GET => '/meters?limit=1&function.eq=sum&key.in=calls,tokens', 200, [ 'has_more' ], 0);
reaches(GET => '/meters?colour.eq=red', 400, ['code'], 'INVALID_FILTER');
reaches(POST => '/meters', 201, [ 'data', 'key' ], 'tokens',
	body => { key => 'tokens', name => 'Tokens', metric_key => 'llm.call', function => 'sum', value_field => '$.tokens' });
reaches(GET => "/meters/$meter", 200, [ 'data', 'id' ], $meter);
reaches(PATCH => "/meters/$meter", 200, [ 'data', 'unit_label' ], 'call', body => { unit_label => 'call' });
reaches(GET => "/meters/$meter/bindings", 200, [ 'data', 0, 'product_id' ], $product);
reaches(GET => "/meters/$meter/versions?status=active&status=superseded", 200, [ 'data', 1, 'version' ]);
reaches(GET => "/meters/$meter/versions/1", 200, [ 'data', 'version' ], 1);
reaches(GET => "/meters/$meter/threshold-events?limit=5", 200, [ 'data', 0, 'threshold_name' ], 'many');
reaches(GET => '/meters/threshold-events', 200, [ 'data', 0, 'meter_key' ], 'calls');

# seed 001
my $device = reaches(POST => '/api/v1/meters', 201, [ 'data', 'serial_number' ], 'S1',
	body => { account_id => $org, name => 'Roof', serial_number => 'S1', meter_type => 'SOLAR', communication_type => 'MQTT' })->{json}{data}{id} // 0;
reaches(GET => "/api/v1/meters?account_id=$org&page=1&limit=10&query=roof&sortBy=name&sortOrder=desc", 200, ['count'], 1);
reaches(GET => "/api/v1/meters/$device?account_id=$org", 200, [ 'data', 'name' ], 'Roof');
reaches(PUT => "/api/v1/meters/$device", 200, [ 'data', 'location' ], 'south', body => { account_id => $org, location => 'south' });
# readings need not have the same members
reaches(POST => "/api/v1/meters/$device/readings?account_id=$org", 201, [ 'data', 1, 'status' ], 'accepted',
	body => [ { value => 1, read_at => '2026-01-01T00:00:00Z' }, { value => 2.5, read_at => '2026-01-02T00:00:00Z', quality => 'estimated' } ]);
reaches(GET => "/api/v1/meters/$device/readings?account_id=$org", 200, ['count'], 2);
reaches(GET => '/api/v1/meters', 400, ['success'], 0);
reaches(DELETE => "/api/v1/meters/$device?account_id=$org", 204, []);

# seed 002
reaches(GET => "/meters/$meter/subscriptions", 200, [ 'subscriptions', 0 ], undef, token => $reporter);
reaches(GET => '/meters/subscriptions?meterName=calls', 200, ['meterId'], $meter, token => $reporter);
reaches(GET => '/meters/subscriptions', 400, ['code'], 'METER_IDENTIFIER_REQUIRED', token => $reporter);
my %report = (token => $reporter, body => { value => 2, customerId => 'ada', meterId => $meter });
reaches(POST => '/meters/usage', 202, ['status'], 'queued', %report, headers => { 'Idempotency-Key' => 'k1' });
reaches(POST => '/meters/usage', 200, ['idempotencyKey'], 'k1', %report, headers => { 'x-api-idempotency-key' => 'k1' });
reaches(POST => '/meters/usage', 400, ['code'], undef, %report);

# seed 003
my %m3ter = (name => 'Bytes', code => 'bytes', derivedFields => [],
	dataFields => [ { category => 'MEASURE', code => 'n', name => 'Number', unit => 'byte' } ]);
my $mine = "/organizations/$org/meters";
my $bytes = reaches(POST => $mine, 201, ['code'], 'bytes', body => \%m3ter)->{json};
$bytes->{id} //= 0;
reaches(GET => "$mine?pageSize=1", 200, [ 'data', 0, 'dtCreated' ]);
reaches(GET => "$mine/$bytes->{id}", 200, ['version'], 1);
reaches(PUT => "$mine/$bytes->{id}", 200, ['version'], 2, body => { %m3ter, name => 'Octets', version => 1 });
reaches(PUT => "$mine/$bytes->{id}", 409, ['code'], 'VERSION_MISMATCH', body => { %m3ter, version => 1 });
reaches(DELETE => "$mine/$bytes->{id}", 200, ['name'], 'Octets');

# seed 004
my $rails = reaches(POST => '/v1/meters', 201, [ 'meter', 'object' ], 'meter', body => { name => 'Jobs', code => 'jobs', event => 'job.done',
	profiles => [ { name => 'Hourly', code => 'hourly', recurring => JSON::PP::false(), aggregation_property => 'n', aggregation_method => 'sum', aggregation_time_window => 'hour', filters => [] } ] })
  ->{json}{meter}{id} // 0;
reaches(GET => '/v1/meters?limit=100', 200, [ 'meters', 0, 'object' ], 'meter');
reaches(GET => "/v1/meters/$rails", 200, [ 'meter', 'default_profile', 'aggregation_method' ], 'sum');
reaches(PUT => "/v1/meters/$rails", 200, [ 'meter', 'name' ], 'Tasks', body => { name => 'Tasks' });

# The words of a path stand before ids, and no route is without its test above.
my @routes = do {
	open(my $in, '<', "$FindBin::Bin/../../docs/postgrest/gateway.conf") or die $!;
	map { /^\t"([A-Z]+ \w+)"\s+(\w+);/ ? [ $1, $2 ] : () } <$in>;
};
my @functions = map { $_->[1] } @routes;
is(scalar(@routes), 28, 'there are 28 routes');
is($gateway->psql("SELECT count(*) FROM unnest('{" . join(',', @functions) . "}'::text[]) AS f (name) WHERE NOT EXISTS (
	SELECT FROM pg_proc AS p WHERE p.pronamespace = 'meter_api'::regnamespace AND p.proname = f.name)"), 0, 'each of a function that exists');
is($gateway->psql("SELECT string_agg(p.proname, ',') FROM pg_proc AS p WHERE p.pronamespace = 'meter_api'::regnamespace AND p.proname = ANY ('{"
	  . join(',', @functions) . "}') AND (p.provolatile = 'v') <> (p.proname !~ '^(get|list|find)_')"), '', 'reads are those that run read only');

my @documented = do {
	open(my $in, '<', "$FindBin::Bin/../../docs/http/gateway.md") or die $!;
	map { /^\| \d{3} \| (\w+) \| `([^`]+)` \| `(\w+)` \|$/ ? [ $1, $2, $3 ] : () } <$in>;
};
is_deeply([ sort map { "$_->[0] $_->[2]" } @documented ], [ sort map { $_->[0] =~ s/ .*//r . " $_->[1]" } @routes ], 'docs/http/gateway.md has them all');
my @unasked;
foreach (@documented)
{
	my ($method, $path) = @$_;
	my $shape = join '/', map { /^\{/ ? '[^/?]+' : quotemeta } split m{/}, $path;
	push @unasked, "$method $path" unless grep { /^$method $shape(\?|$)/ } keys %seen;
}
is_deeply(\@unasked, [], 'and each was asked above');

# HEAD is GET without the body.
my $head = $gateway->request('HEAD', "/meters/$meter", token => $token);
is_deeply([ @$head{qw(status body)} ], [ 200, '' ], 'HEAD');

# Another method: 405, which names those there are.
my %allow = (
	'/meters' => [ 'GET, HEAD, POST, OPTIONS', qw(PUT PATCH DELETE FOO) ],
	"/meters/$meter" => [ 'GET, HEAD, PATCH, OPTIONS', qw(POST PUT DELETE) ],
	'/meters/usage' => [ 'POST, OPTIONS', qw(GET HEAD PATCH DELETE) ],
	'/meters/subscriptions' => [ 'GET, HEAD, OPTIONS', qw(POST PATCH) ],
	'/meters/threshold-events' => [ 'GET, HEAD, OPTIONS', qw(POST PATCH) ],
	"/meters/$meter/bindings" => [ 'GET, HEAD, OPTIONS', qw(POST) ],
	'/api/v1/meters' => [ 'GET, HEAD, POST, OPTIONS', qw(PUT DELETE) ],
	'/api/v1/meters/1' => [ 'GET, HEAD, PUT, DELETE, OPTIONS', qw(POST PATCH) ],
	$mine => [ 'GET, HEAD, POST, OPTIONS', qw(PUT DELETE) ],
	"$mine/7" => [ 'GET, HEAD, PUT, DELETE, OPTIONS', qw(POST PATCH) ],
	'/v1/meters/7' => [ 'GET, HEAD, PUT, OPTIONS', qw(POST DELETE) ]);
foreach my $path (sort keys %allow)
{
	my ($allow, @methods) = @{ $allow{$path} };
	my @got = map { my $r = $gateway->request($_, "$path?x=1", token => $token); "$r->{status} $r->{headers}{allow} " . ($r->{json}{code} // $r->{json}{error} // $_ eq 'HEAD') } @methods;
	is_deeply(\@got, [ map { "405 $allow " . ($_ eq 'HEAD' ? 1 : 'METHOD_NOT_ALLOWED') } @methods ], "@methods $path: 405");
	my $options = $gateway->request('OPTIONS', $path);
	is_deeply([ $options->{status}, $options->{headers}{allow} ], [ 204, $allow ], "OPTIONS $path");
}

# The tables of the gateway agree with each other.
my %documented;
{
	open(my $in, '<', "$FindBin::Bin/../../docs/postgrest/gateway.conf") or die $!;
	while (<$in>) { $documented{$1} = $2 if /^\t(\w+)\s+"([A-Z, ]+, OPTIONS)";/ }
}
my %by_resource;
foreach (@routes) { my ($method, $resource) = split / /, $_->[0]; push @{ $by_resource{$resource} }, $method eq 'GET' ? qw(GET HEAD) : $method }
is_deeply(\%documented, { map { $_ => join(', ', @{ $by_resource{$_} }, 'OPTIONS') } keys %by_resource }, 'Allow lists what there are functions for');

# Nobody, and somebody else.
foreach my $path ("/meters/$meter", "/v1/meters", $mine)
{
	my $r = $gateway->request('GET', $path);
	is_deeply([ $r->{status}, $r->{headers}{'www-authenticate'}, $r->{json}{code} ], [ 401, 'Bearer', 'PGRST302' ], "GET $path without a token: 401");
}
foreach ([ GET => '/api/v1/meters' ], [ GET => '/api/v1/meters/1/readings' ], [ DELETE => '/api/v1/meters/1' ])
{
	my $r = $gateway->request(@$_);
	is_deeply([ @$r{qw(status json)}, $r->{headers}{'www-authenticate'} ], [ 401,
		{ success => JSON::PP::false(), message => 'a valid bearer token is required', data => undef, count => undef, error => 'UNAUTHORIZED' }, 'Bearer' ],
		"@$_ without a token: 401 in the envelope of seed 001");
}
# What PostgREST refuses before a function runs, in the same envelope.
foreach ([ 'a body that is no JSON', 400, '22P02', $token ], [ 'a role that may not', 403, '42501', $gateway->token(role => 'meter_reader', organization_id => $org) ])
{
	my ($what, $status, $code, $as) = @$_;
	my $r = $gateway->request('POST', '/api/v1/meters', token => $as, body => $status == 400 ? '{bad' : {});
	is_deeply([ $r->{status}, @{ $r->{json} }{qw(success data count error code)} ], [ $status, JSON::PP::false(), undef, undef, $code, undef ],
		"$what: $status in the envelope of seed 001");
}
my %wrong = (
	'signed by others' => $token . 'x',
	'none' => 'a.b',
	'out of date' => $gateway->token(%claims, exp => time - 100),
	'unsigned' => join('.', map { encode_base64url($_) } '{"alg":"none"}', '{"role":"meter_admin"}', ''),
	'of no role' => $gateway->token(organization_id => $org),
	'of a role that does not exist' => $gateway->token(%claims, role => 'nobody'));
is($gateway->request('GET', '/meters', token => $wrong{$_})->{status}, 401, "a token $_: 401") foreach sort keys %wrong;
is($gateway->request('GET', '/meters', token => $gateway->token(%claims, role => 'pg_read_all_data'))->{status}, 403, 'a role that the authenticator is not: 403');
is($gateway->request('GET', '/meters', token => $gateway->token(role => 'meter_writer'))->{json}{code}, 'ORGANIZATION_REQUIRED', 'a token without an organization');
is($gateway->request('GET', "/meters/$meter", token => $stranger)->{status}, 404, 'what is somebody else\'s is not there');
is($gateway->request('GET', $mine, token => $stranger)->{status}, 403, 'and is refused where it is named');
is($gateway->request('POST', '/meters', token => $gateway->token(role => 'meter_reader', organization_id => $org), body => { key => 'x' })->{status}, 403, 'a reader writes nothing');

# PostgREST's own paths.
is($gateway->request('GET', '/rpc/get_meter', token => $token)->{status}, 404, '/rpc/ has no path to read an id from');
is($gateway->request('GET', '/rpc/nothing', token => $token)->{json}{code}, 'PGRST202', '/rpc/ goes to PostgREST');
is($gateway->request('GET', '/nothing?select=id', token => $token)->{json}{code}, 'PGRST205', 'so does a name of none');
is($gateway->request('GET', '/a/b/c', token => $token)->{status}, 404, 'and a path of none');
like($gateway->request('GET', '/', token => $token)->{headers}{'content-type'}, qr{^application/openapi\+json}, 'GET / describes the API');
is_deeply($gateway->request('GET', '/rest/meters?select=key&key=eq.calls', token => $token)->{json}, [ { key => 'calls' } ], '/rest/meters is the view');
is_deeply($gateway->request('GET', '/customers?select=id', token => $token)->{json}, [ { id => $customer } ], '/customers is a view');
my $event = { id => 'e', source => 's', type => 'api.call', subject => 'ada', data => { value => 1 } };
is($gateway->request('POST', '/rpc/ingest', token => $token, body => { events => [$event] })->{json}[0]{status}, 'accepted', 'POST /rpc/ingest, named');
is($gateway->request('POST', '/rpc/ingest', token => $token, body => $event)->{json}[0]{status}, 'duplicate', 'and one event as the body');
is_deeply([ map { $_->{status} } @{ $gateway->request('POST', '/rpc/ingest', token => $token, body => [ $event, { type => 'api.call' }, 7 ])->{json} } ],
	[qw(duplicate rejected rejected)], 'an array whose elements differ');
is($gateway->request('POST', '/rest/rpc/ingest?select=status', token => $token, body => [])->{body}, '[]', 'an empty one');
is($gateway->request('POST', '/rpc/ingest?columns=events', token => $token, body => { events => [$event] })->{json}[0]{status}, 'duplicate', 'columns that the request names itself');
my %whole = (token => $token, headers => { Prefer => 'return=representation' });
is($gateway->request('POST', '/customers', %whole, body => { id => 'bob', name => 'Bob' })->{json}[0]{id}, 'bob', 'POST /customers');
is($gateway->request('PATCH', '/customers?id=eq.bob', %whole, body => { name => 'Robert' })->{json}[0]{name}, 'Robert', 'PATCH /customers');
is($gateway->request('DELETE', '/rest/customers?id=eq.bob', token => $token)->{status}, 204, 'DELETE /rest/customers');
is($gateway->request('GET', '/customers?id=eq.bob', token => $token)->{body}, '[]', 'who is gone');
is($gateway->request('POST', '/customers', token => $token, body => { id => 'x', name => 7, colour => 'red' })->{status}, 400, 'a column of no view');
# the unit was given on the way, so each version has its own sum
is_deeply([ map { $_->{value} } @{ $gateway->request('GET', '/rpc/usage?meter=calls&period_from=2000-01-01&period_to=2100-01-01&select=value&order=version', token => $token)->{json} } ],
	[ 11, 3 ], 'GET /rpc/usage');

done_testing();
