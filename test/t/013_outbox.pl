# A dump takes the outbox along as it is, and restoring it fires nothing: no
# event is written, nobody is notified, and a relay goes on where the other was.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $node = PostgreSQL::Test::Cluster->new('outbox');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', qq{
	CREATE EXTENSION meter;
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_meter('$org', '{"key": "m", "metric_key": "t", "function": "sum", "value_field": "n", "dimensions": {"d": "d"}}');
	SELECT meter.update_meter('$org', 'm', '{"unit_label": "call"}');
	SELECT meter.create_product('$org', '{"code": "gold", "name": "Gold", "custom_fields": {"calls": 10}}');
	SELECT meter.create_customer('$org', '{"id": "ada", "name": "Ada"}');
	SELECT meter.create_subscription('$org', '{"id": "$org", "customer": "ada", "products": ["gold"], "started_at": "2026-01-01T00:00:00Z"}');
	SELECT meter.bind_product('$org', 'gold', 'm', '{"included_quantity_source": {"kind": "plan_field", "field": "calls"}, "rollover_eligible": true,
		"overlay_dimensions_keyed": [{"dimensions": {"d": 1}, "quantity": 3}], "version": 2}');
	SELECT meter.update_binding('$org', id, '{"version": null, "rollover_cap": 4}') FROM meter.meter_bindings;
	SELECT status FROM meter.ingest('$org', '{"id": "1", "source": "s", "type": "t", "subject": "ada", "time": "2026-02-01T00:00:00Z", "data": {"n": 15.5, "d": 1}}');
	SELECT meter.emit_domain_event('$org', 'thing', (n % 7)::text, 'thing.done', '{}') FROM generate_series(1, 50) AS n;
});
$node->safe_psql('old', q{
	SELECT meter.outbox_ack(ARRAY(SELECT id FROM meter.outbox_claim(12)));
	SELECT meter.outbox_fail(ARRAY(SELECT id FROM meter.outbox_claim(3, '1 hour') LIMIT 1), 'down', 1);
	SELECT count(*) FROM meter.outbox_claim(4, '1 hour')});
my $rows = 'SELECT o.* FROM meter.domain_event_outbox AS o ORDER BY id';
my $terms = 'SELECT b.*, t.*, p.custom_fields FROM meter.binding AS b JOIN meter.binding_terms AS t ON t.binding_id = b.id
	JOIN meter.product AS p ON p.id = b.product_id ORDER BY t.effective_from';
my $balance = qq{SELECT b.* FROM meter.balance('$org', '$org', 'm', '2026-02-10') AS b};
my %before = map { $_ => $node->safe_psql('old', $_) } ($rows, $terms, $balance);
like($before{$rows}, qr/thing\.done/, 'there are domain events');
is(scalar(split(/\n/, $before{$terms})), 2, 'and dated terms');
is(scalar(split(/\n/, $before{$balance})), 2, 'and accounts');

my $file = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('old'), '-f', $file ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE new TEMPLATE template0');
my $listener = $node->background_psql('new');
$listener->query('LISTEN meter_outbox');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('new'), '-f', $file ],
	'psql takes the dump without an error');
is($listener->query('SELECT 1'), '1', 'restoring notifies nobody');

is($node->safe_psql('new', $rows), $before{$rows}, 'the domain events are the same, and no more');
is($node->safe_psql('new', $terms), $before{$terms}, 'so are the bindings and their terms');
is($node->safe_psql('new', $balance), $before{$balance}, 'and the balance');

$node->safe_psql('new', q{SELECT meter.emit_domain_event('00000000-0000-4000-8000-000000000001', 'thing', 'new', 'thing.done', '{}')});
like($listener->query('SELECT 1'), qr/Asynchronous notification "meter_outbox"/, 'a new event does notify');
$listener->quit;
my $held = $node->safe_psql('new', 'SELECT count(*) FROM meter.domain_event_outbox WHERE claimed_until IS NOT NULL');
cmp_ok($held, '>', 0, 'leases are kept');
is($node->safe_psql('new', q{
	SELECT count(*) FROM meter.outbox_claim(1000) AS c JOIN meter.domain_event_outbox AS o USING (id)
		JOIN meter.domain_event_outbox AS e ON e.aggregate_id = o.aggregate_id AND e.aggregate_type = o.aggregate_type
			AND e.id < o.id AND e.delivered_at IS NULL AND e.dead_at IS NULL AND e.claimed_until > clock_timestamp() + interval '5 minutes'}),
	'0', 'and nothing is handed out before what they hold');

done_testing();
