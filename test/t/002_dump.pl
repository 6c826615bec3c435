# pg_dump and psql carry everything over: definitions, events, keys, figures.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', qq{
	CREATE EXTENSION meter;
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_meter('$org', '{"key": "m", "name": "m", "metric_key": "t", "function": "sum",
		"value_field": "n", "dimensions": {"d": "d"}, "dedup_key_path": "k"}');
	SELECT meter.create_meter('$org', '{"key": "u", "name": "u", "metric_key": "t", "function": "unique_count",
		"unique_by_field": "k"}');
});
# Ranges that changed hands, a draft, and something withdrawn.
$node->safe_psql('old', qq{SELECT meter.update_meter('$org', 'u', '{"name": "twice"}')}) for 1 .. 2;
$node->safe_psql('old', qq{
	SELECT meter.update_meter('$org', 'u', '{"effective_at": "2999-01-01T00:00:00Z"}');
	SELECT meter.archive_meter_version('$org', 'u', 4, 'not needed');
	SELECT meter.update_meter('$org', 'u', '{"save_as_draft": true}')});

my $ingest = qq{
	SELECT status, count(*) FROM meter.ingest('$org', (SELECT json_agg(json_build_object(
		'id', n::text, 'source', 's', 'type', CASE n % 50 WHEN 0 THEN 'other' ELSE 't' END, 'subject', 's' || n % 10,
		'time', '2026-01-01T00:00:00Z'::timestamptz + n * interval '3 hours',
		'data', json_build_object('n', CASE n % 70 WHEN 0 THEN -1 ELSE n / 8.0 END, 'd', n % 3, 'k', n % 700)))
		FROM generate_series(1, 1000) AS n))
	GROUP BY status ORDER BY status};
my $figures = qq{
	SELECT m.key, u.* FROM (VALUES ('m', '{subject,d}'::text[]), ('u', '{subject}')) AS m (key, groups),
		LATERAL meter.usage('$org', m.key, '2026-01-01', '2026-07-01', window_size => 'month', group_by => m.groups) AS u
	ORDER BY m.key, u.window_start, u.subject, u.dimensions};
my $versions = q{SELECT * FROM meter.meter_versions ORDER BY meter_key, version};
my $ranges = q{SELECT * FROM meter.version_range ORDER BY version_id, known_from};
my $outbox = q{SELECT * FROM meter.domain_event_outbox ORDER BY id};
my $rejected = 'SELECT code, pointer, count(*) FROM meter.rejected_events GROUP BY 1, 2 ORDER BY 1, 2';

$node->safe_psql('old', $ingest);
my $before = $node->safe_psql('old', $figures);
my $again = $node->safe_psql('old', $ingest);
my $kept = $node->safe_psql('old', $rejected);
cmp_ok(scalar(split(/\n/, $before)), '>', 100, 'there are figures to compare');

my %catalog = map { $_ => $node->safe_psql('old', $_) } $versions, $ranges, $outbox;
cmp_ok(scalar(split(/\n/, $catalog{$ranges})), '>=', 7, 'there are former ranges to compare');

my $file = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('old'), '-f', $file ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE new TEMPLATE template0');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('new'), '-f', $file ],
	'psql takes the dump without an error');

is($node->safe_psql('new', $figures), $before, 'the figures are the same');
is($node->safe_psql('new', $_), $catalog{$_}, $_) for $versions, $ranges, $outbox;
is($node->safe_psql('new', $rejected), $kept, 'so is what was rejected');
is($node->safe_psql('new', $ingest), $again, 'what is sent again is known');
is($node->safe_psql('new', $figures), $before, 'and changes nothing');

my $more = q{SELECT status FROM meter.ingest('%s',
	'{"id": "after", "source": "s", "type": "t", "subject": "s1", "time": "2026-02-01T00:00:00Z", "data": {"n": 5, "d": 1, "k": "new"}}')};
is($node->safe_psql('new', sprintf($more, $org)), 'accepted', 'new events are counted');
like($node->safe_psql('new', qq{SELECT meter.create_meter('$org', '{"key": "m2", "name": "m2", "metric_key": "t", "function": "count"}') ->> 'key'}),
	qr/^m2$/, 'new meters can be made');
like($node->safe_psql('new', qq{SELECT meter.publish_meter_version('$org', 'u', 5) ->> 'version_status'}), qr/^active$/, 'a draft can be published');
is($node->safe_psql('new', q{SELECT count(*) FROM meter.version_range}) - split(/\n/, $catalog{$ranges}), 3, 'which adds its range and that of the new meter, and keeps one');
$node->safe_psql('old', sprintf($more, $org));
is($node->safe_psql('new', $figures), $node->safe_psql('old', $figures), 'both databases still agree');

done_testing();
