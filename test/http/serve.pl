#!/usr/bin/perl
# make serve: the demo over HTTP, from the first line it prints to the last
# process it stops.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Gateway;
use Test::More;

my $serve = "$FindBin::Bin/../demo/serve";

`psql -X -q -d postgres -c 'DROP DATABASE IF EXISTS demo WITH (FORCE)' 2>&1`;

# Without PostgREST it says what is missing, and starts nothing.
{
	local $ENV{POSTGREST} = 'no-postgrest';
	my $said = `$serve 2>&1`;
	is($? >> 8, 1, 'without postgrest: status 1');
	like($said, qr{no postgrest on PATH.*github\.com/PostgREST/postgrest/releases}s, 'and where it is to be had');
}

# With what the other tests run; PORT and PGRST_SERVER_PORT as anybody may.
my ($port, $inner) = map { Gateway::free_port() } 1 .. 2;
my $child = do {
	local @ENV{qw(PORT PGRST_SERVER_PORT FLIGHTS)} = ($port, $inner, 'generated');
	local $ENV{POSTGREST} = Gateway::real() ? 'postgrest' : "$FindBin::Bin/../lib/postgrest";
	Gateway::spawn("$ENV{METER_BASE}/serve.out", $serve);
};
my $out = '';
foreach (1 .. 600)
{
	$out = `cat $ENV{METER_BASE}/serve.out 2>&1`;
	last if $out =~ /The logs are in/ || waitpid($child, 1) == $child;
	select(undef, undef, undef, 0.2);
}
my ($token) = $out =~ /^export METER_TOKEN=(\S+)$/m;
ok($token, 'prints a token') or diag($out);
my @lines = $out =~ /^mcurl (.*)$/mg;
is(scalar(@lines), 6, 'and six lines to try');
my $statuses = '';
foreach my $line (@lines)
{
	$statuses .= `curl -s -o $ENV{METER_BASE}/serve.body -w '%{http_code} ' -H 'Authorization: Bearer $token' -H 'Content-Type: application/json' $line`;
}
is($statuses, '200 200 202 200 200 200 ', 'which all work');

# curl holds no connection; after the signal nobody listens any more.
kill 'TERM', $child;
waitpid($child, 0);
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_), "nothing is left on port $_") foreach $port, $inner;
is(`psql -X -A -t -d postgres -c 'SELECT 1'`, "1\n", 'a server that ran before goes on');
`psql -X -q -d postgres -c 'DROP DATABASE IF EXISTS demo WITH (FORCE)' 2>&1`;

done_testing();
