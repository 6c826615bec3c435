#!/usr/bin/perl
# What passes the gateway and what does not: paths, headers and bodies as
# nobody sends them by accident.  Three functions are replaced by ones that
# tell what reached them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Gateway;
use Test::More;

my $gateway = Gateway->new(read_timeout => '1s');
my $org = '00000000-0000-4000-8000-000000000001';
my $told = q{jsonb_build_object('method', current_setting('request.method'), 'path', current_setting('request.path'),
	'headers', current_setting('request.headers')::jsonb, 'segments', meter.http_path(), 'body', $1::text)};
my $told_alone = $told =~ s/\$1/NULL/r;
$gateway->psql(qq{
	SELECT meter.create_store() \\g /dev/null
	SELECT meter.create_organization('acme', '$org') \\g /dev/null
	CREATE OR REPLACE FUNCTION meter_api.get_meter() RETURNS jsonb LANGUAGE sql STABLE RETURN $told_alone;
	CREATE OR REPLACE FUNCTION meter_api.create_meter(json) RETURNS jsonb LANGUAGE sql VOLATILE RETURN $told;
	CREATE OR REPLACE FUNCTION meter_api.update_device(json) RETURNS jsonb LANGUAGE sql VOLATILE RETURN $told;
	CREATE OR REPLACE FUNCTION meter_api.delete_device() RETURNS jsonb LANGUAGE sql VOLATILE RETURN $told_alone;
	CREATE OR REPLACE FUNCTION meter_api.list_devices() RETURNS jsonb LANGUAGE sql STABLE RETURN jsonb_build_object('slept', pg_sleep(3)::text);
	CREATE FUNCTION meter_api.locate() RETURNS text LANGUAGE sql STABLE
		RETURN set_config('response.headers', '[{"Location": "/customers?id=eq.1"}, {"Content-Location": "/rpc/locate"}]', true);
	SELECT meter.grant_privileges();
	NOTIFY pgrst, 'reload schema';});
my $token = $gateway->token(role => 'meter_writer', organization_id => $org);
my $bearer = "Authorization: Bearer $token\r\n";

sub get { return $gateway->request('GET', $_[0], token => $token, @_[ 1 .. $#_ ]) }

# Ids: what is between two slashes is one segment, whatever it holds.
my $long = 'a' x 8000;
foreach (
	[ 'a%2Fb' => 'a/b' ], [ 'a%2fversions' => 'a/versions' ], [ '..%2Frest' => '../rest' ], [ '%2e%2e' => '..' ], [ '.' => '.' ],
	[ 'a%0Ab' => "a\nb" ], [ 'a%0D%0AX-Original-URI:%20b' => "a\r\nX-Original-URI: b" ], [ 'a%3Fb%23c' => 'a?b#c' ], [ 'a+b%20c' => 'a+b c' ],
	[ 'a%25b' => 'a%b' ], [ '%E2%82%AC' => "\x{20ac}" ], [ q{a';--} => q{a';--} ], [ 'a;b=c' => 'a;b=c' ], [ 'a"b\\c' => 'a"b\\c' ],
	[ '%22%5C' => '"\\' ], [ '$request_uri' => '$request_uri' ], [ '{}|^`' => '{}|^`' ], [ 'Usage' => 'Usage' ], [ '%75sage' => 'usage' ], [ $long => $long ])
{
	my ($sent, $id) = @$_;
	my $r = get("/meters/$sent?a=%2F&b");
	is_deeply([ $r->{status}, $r->{json}{segments} ], [ 200, [ 'meters', $id ] ], '/meters/' . substr($sent, 0, 40)) or diag($r->{body});
	is($r->{json}{headers}{'x-original-uri'}, "/meters/$sent?a=%2F&b", 'which arrives as it was sent');
}
is_deeply(get('/meters/x/')->{json}{segments}, [ 'meters', 'x', '' ], 'a slash at the end says nothing');
is_deeply(get('http://elsewhere.example/meters/x')->{json}{segments}, [ 'meters', 'x' ], 'a whole URL has the same path');
is(get('/meters/x')->{json}{path}, '/rpc/get_meter', 'PostgREST sees the function only');

# Paths of no route, and those that nobody can read.
foreach ([ '//meters/x' => 404 ], [ '/meters//x' => 404 ], [ '/./meters/x' => 404 ], [ '/meters/x/..' => 404 ], [ '/x/../meters/y' => 404 ],
	[ '/meters/x/versions/1/2' => 404 ], [ '/Meters/x' => 404 ], [ '/meters;x' => 404 ], [ '/rest/../meters/x' => 404 ], [ '/rest/meters/x' => 404 ],
	[ '/.meter/call' => 404 ], [ '/.meter/delete' => 404 ], [ '/.meter/error' => 404 ], [ '/..' => 400 ], [ '/meters/../../x' => 400 ], [ '/meters/..%2F..%2Fx' => 400 ],
	[ '/meters/a%00b' => 400 ], [ '/meters/%zz' => 400 ], [ "/meters/\xc3\xa9" => 400 ], [ "/meters/\xff" => 400 ], [ "/meters/a\x01b" => 400 ],
	[ '/meters/%FF' => 400 ], [ '/meters/' . 'a' x 20000 => 414 ])
{
	my ($target, $status) = @$_;
	my $r = get($target);
	is($r->{status}, $status, substr($target, 0, 40) =~ s/[^ -~]/?/gr . ": $status") or diag($r->{body});
	ok(ref $r->{json} eq 'HASH' && $r->{json}{code}, 'in JSON');
}
is_deeply([ map { ($_->{status}, $_->{json}{code}) } get('/meters/x', headers => { 'X-Long' => 'a' x 20000 }) ], [ 431, 'HEADERS_TOO_LARGE' ], 'headers have an end');
is($gateway->raw("GET /meters/x HTTP/1.1\r\nHost: a\r\n$bearer" . "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")->{status}, 400, 'two lengths of one body');
is($gateway->raw("GET /meters/x y HTTP/1.1\r\nHost: a\r\n\r\n")->{status}, 400, 'a space in a path');

# Headers: the client's own, but for what the gateway says.
my %own = ('Idempotency-Key' => 'k-1', 'x-api-idempotency-key' => 'k-2', Prefer => 'timezone=UTC', Accept => 'application/json', 'X-Request-Id' => 'trace-7',
	'X-Original-URI' => '/meters/forged', 'X_Original_URI' => '/meters/forged', 'X-HTTP-Method-Override' => 'DELETE', Range => '5-9', 'Content-Type' => 'text/csv');
my $r = get('/meters/x', headers => \%own);
my $seen = $r->{json}{headers};
is_deeply([ @$seen{qw(idempotency-key x-api-idempotency-key prefer accept x-request-id authorization host)} ],
	[ @own{qw(Idempotency-Key x-api-idempotency-key Prefer Accept X-Request-Id)}, "Bearer $token", 'localhost' ], 'headers arrive');
is($seen->{'x-original-uri'}, '/meters/x', 'a forged X-Original-URI does not');
is_deeply([ grep { /forged/ } values %$seen ], [], 'in no spelling');
ok(!exists $seen->{range} && $r->{status} == 200, 'nor does a range, which would cut the answer');
is($r->{json}{method}, 'GET', 'GET stays GET');
is($r->{headers}{'x-request-id'}, 'trace-7', 'the answer has the id of the request');
like(get('/meters/x', headers => { 'X-Request-Id' => 'a b"c' })->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/, 'or one of its own');
like(get('/meters/x')->{json}{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/, 'which PostgREST sees as well');
is($r->{headers}{server}, 'nginx', 'no version is told');
ok(!exists $r->{headers}{'content-range'}, 'and no range of one document');
is(get("$_/rpc/locate")->{headers}{location}, "$_/customers?id=eq.1", "an address of PostgREST's is one of the gateway's: $_/") foreach '', '/rest';
ok(!exists get('/rest/rpc/locate')->{headers}{'content-location'}, 'or none');
is(get('/meters/x', headers => { Accept => 'text/html' })->{status}, 406, 'a type that nobody has');
my $preflight = $gateway->request('OPTIONS', '/meters', headers => { Origin => 'https://app.example', 'Access-Control-Request-Method' => 'POST' });
is_deeply([ $preflight->{status}, $preflight->{headers}{'access-control-allow-origin'} ], [ 200, '*' ], 'PostgREST answers a browser that asks first');

# Bodies arrive to the letter.
sub post
{
	my ($body, %headers) = @_;
	return $gateway->request('POST', '/meters', token => $token, body => $body, headers => \%headers);
}
foreach ('{"b":1.10, "a":1e5,"b":2}', '{"n":123456789012345678901234567890.123456789}', "{\"name\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	'[{"a":1},{"b":2}]', '[1,"x",null]', '7', '"text"', 'null', '{"s":"?$1:x\'\\\\"}', '{"pad":"' . 'x' x 2_000_000 . '"}')
{
	my $r = post($_);
	my $arrived = $r->{json}{body} // $r->{body};
	utf8::encode($arrived);
	ok($r->{status} == 200 && $arrived eq $_, 'body ' . substr($_, 0, 40) =~ s/[^ -~]/?/gr) or diag(substr($r->{body}, 0, 300));
}
is(post('{}')->{json}{path}, '/rpc/create_meter', 'a POST calls its function');
is(post('{}', 'Content-Type' => $_)->{json}{body}, '{}', "whatever it says it is: $_")
  foreach 'application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=utf-8', 'application/octet-stream';
is($gateway->request('PUT', '/api/v1/meters/7', token => $token, body => '{}')->{json}{method}, 'POST', 'so does a PUT');
is(post($_)->{status}, 400, 'no JSON: ' . substr($_, 0, 20)) foreach '', '{', 'a=b', '{"a":1}}', "\xff\xfe";
my $chunked = "POST /meters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${bearer}Transfer-Encoding: chunked\r\n\r\n";
is($gateway->raw("${chunked}3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")->{json}{body}, '[1,2]', 'a body in chunks');
is($gateway->request('DELETE', '/api/v1/meters/7', token => $token, body => '{"a":1}')->{json}{headers}{'content-length'} // 0, 0, 'a DELETE has no body');
is($gateway->request('GET', '/meters/x', token => $token, body => '{"a":1}')->{status}, 200, 'that of a GET says nothing');

# Too much, too slow, nobody there.
my $much = '"' . 'x' x (10 * 1024 * 1024) . '"';
is_deeply([ @{ post($much) }{qw(status)}, post($much)->{json}{code} ], [ 413, 'PAYLOAD_TOO_LARGE' ], 'more than 10 MiB: 413');
is($gateway->raw($chunked . sprintf("%x\r\n%s\r\n0\r\n\r\n", length $much, $much))->{status}, 413, 'in chunks as well');
my %envelope = (success => JSON::PP::false(), data => undef, count => undef);
is_deeply($gateway->request('POST', '/api/v1/meters', token => $token, body => $much)->{json},
	{ %envelope, message => 'the body is too large', error => 'PAYLOAD_TOO_LARGE' }, 'in the envelope of seed 001');
$r = $gateway->request('GET', '/api/v1/meters', token => $token);
is_deeply([ $r->{status}, $r->{json}{error} ], [ 504, 'UPSTREAM_TIMEOUT' ], 'no answer in time: 504');
$gateway->stop_postgrest;
foreach ([ GET => '/meters/x' ], [ POST => '/meters' ], [ GET => '/rpc/usage' ])
{
	$r = $gateway->request(@$_, token => $token, body => $_->[0] eq 'POST' ? '{}' : undef);
	is_deeply([ $r->{status}, $r->{json}{code} ], [ 502, 'UPSTREAM_UNAVAILABLE' ], "@$_ without PostgREST: 502");
}
is_deeply($gateway->request('DELETE', '/api/v1/meters/7', token => $token)->{json},
	{ %envelope, message => 'the service cannot be reached', error => 'UPSTREAM_UNAVAILABLE' }, 'in the envelope of seed 001');

# The files as they are shipped: alone, and as a site among others.
my $shipped = "$gateway->{folder}/shipped";
my $site = "$gateway->{folder}/site.conf";
open(my $out, '>', $site) or die "$site: $!\n";
print $out "pid site.pid; events {} http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path proxy; uwsgi_temp_path proxy; scgi_temp_path proxy;\n\tinclude $shipped/gateway.conf; server { listen 127.0.0.1:8081; } }\n";
close $out or die "$site: $!\n";
foreach ([ 'docs/postgrest/nginx.conf' => "$shipped/nginx.conf" ], [ 'docs/postgrest/gateway.conf as a site' => $site ])
{
	my ($name, $file) = @$_;
	my $said = `$FindBin::Bin/../lib/sandbox run nginx -t -p $gateway->{folder} -c $file 2>&1`;
	ok($? == 0 && $said !~ /warn|emerg/, "nginx -t $name") or diag($said);
}

# PostgREST ignores a key that it does not know, without a word.
my %known = map { $_ => 1 } qw(db-uri db-schemas db-extra-search-path db-pre-request db-pool db-pool-acquisition-timeout db-max-rows db-tx-end
	db-plan-enabled db-aggregates-enabled db-channel db-channel-enabled jwt-secret jwt-secret-is-base64 jwt-aud openapi-mode openapi-security-active
	openapi-server-proxy-uri server-host server-port server-cors-allowed-origins admin-server-port log-level);
open(my $in, '<', "$shipped/postgrest.conf") or die "postgrest.conf: $!\n";
my @keys = map { /^([a-z0-9-]+) = / ? $1 : () } <$in>;
ok(@keys > 15 && !grep({ !$known{$_} } @keys), 'docs/postgrest/postgrest.conf: keys of PostgREST 12 to 16 only');

done_testing();
