#!/usr/bin/perl
# The programs of docs/examples/node, as a user would run them: each says on
# every line what it did.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Copy qw(copy);
use Gateway;
use Test::More;

my $gateway = Gateway->new;
my $org = '00000000-0000-4000-8000-000000000001';
$gateway->psql(qq{
	SELECT meter.create_store() \\g /dev/null
	SELECT meter.create_organization('acme', '$org') \\g /dev/null
	SELECT meter.create_meter('$org', '{"key": "calls", "metric_key": "api.call", "function": "sum", "value_field": "\$.value"}') \\g /dev/null
	SELECT meter.create_threshold('$org', '{"name": "half", "meter": "calls", "threshold_value": 5}') \\g /dev/null
	SELECT meter.create_threshold('$org', '{"name": "all", "meter": "calls", "threshold_value": 10, "action_kind": "block"}') \\g /dev/null
	CREATE TABLE shop_order (id text PRIMARY KEY, customer text, calls int);
	GRANT SELECT, INSERT ON shop_order TO meter_backend;
	DO \$\$ BEGIN CREATE ROLE meter_shop LOGIN IN ROLE meter_backend; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$;});
my $token = $gateway->token(role => 'meter_writer', organization_id => $org, scope => 'admin meter-report');
my $modules = "$FindBin::Bin/../../build/node";

# What an example prints with these variables, line by line; the module it needs.
sub prints
{
	my ($name, $module, $lines, %environment) = @_;
	local @ENV{ 'NODE_PATH', keys %environment } = ('/usr/share/nodejs', values %environment);
  SKIP:
	{
		skip "$name: no $module", scalar @$lines if $module && !-e "$modules/node_modules/$module";
		# node looks for modules beside the program
		copy("$FindBin::Bin/../../docs/examples/node/$name", "$modules/$name") or die "$modules/$name: $!\n";
		my @said = split /\n/, scalar `node $modules/$name 2>&1`;
		is(shift @said, $_, "$name: $_") foreach @$lines;
		is_deeply(\@said, [], "$name: nothing else");
	}
}

ok(-e "$modules/node_modules/pg", 'the driver pg is here');
prints('business.mjs', 'pg', [
	'rolled back (the card was declined), used: 0', 'sold: queued, used: 6', 'again: duplicate, used: 6',
	'refused: 53400 QUOTA_EXCEEDED, limit 10, used 6, asked 5', 'orders: order-1, used: 6', 'woken: true', 'delivered: threshold.breached 5' ],
	METER_ORGANIZATION => $org, PGUSER => 'meter_shop');
prints('rest.mjs', undef, [
	'meter: pages', 'reported: queued', 'repeated: duplicate', 'another under the same key: 409 IDEMPOTENCY_CONFLICT',
	'ingested: accepted, accepted, INVALID_NUMBER', 'again: duplicate, duplicate', 'used: bob 5, eve 0.5', 'refused: 400 INVALID_FILTER' ],
	METER_URL => "http://127.0.0.1:$gateway->{port}", METER_TOKEN => $token);
prints('supabase.mjs', '@supabase/postgrest-js', [
	'meter: calls sum', 'ingested: accepted', 'used: cy 2', 'one more: true', 'refused: 404 NOT_FOUND' ],
	METER_URL => "http://127.0.0.1:$gateway->{port}/rest", METER_TOKEN => $token);

done_testing();
