# pg_dump and psql carry everything over: definitions, events, keys, figures, and
# who may do what; roles are the cluster's.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $other = '00000000-0000-4000-8000-000000000002';
my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', qq{
	CREATE EXTENSION meter;
	SELECT meter.setup_roles();
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_organization('other', '$other');
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

#
# Roles: made before the store and after it, in a database where they are there
# already, and carried over.
#
my $grants = q{
	SELECT g.kind, g.object, r.rolname, p.privilege_type FROM (
		SELECT c.relkind::text, c.oid::regclass::text, c.relacl FROM pg_class AS c WHERE c.relnamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace)
		UNION ALL SELECT 'function', f.oid::regprocedure::text, coalesce(f.proacl, acldefault('f', f.proowner)) FROM pg_proc AS f WHERE f.pronamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace)
		UNION ALL SELECT 'schema', n.nspname::text, n.nspacl FROM pg_namespace AS n WHERE n.nspname IN ('meter', 'meter_api')) AS g (kind, object, acl),
		LATERAL aclexplode(g.acl) AS p LEFT JOIN pg_roles AS r ON r.oid = p.grantee
	WHERE p.grantee <> p.grantor
	ORDER BY 1, 2, 3, 4};
my $policies = q{
	SELECT c.oid::regclass, c.relrowsecurity, p.polname, p.polcmd, p.polroles, pg_get_expr(p.polqual, c.oid)
	FROM pg_class AS c LEFT JOIN pg_policy AS p ON p.polrelid = c.oid WHERE c.relnamespace = 'meter'::regnamespace AND c.relkind IN ('r', 'p')
	ORDER BY c.oid::regclass::text, 3};
my $as_reader = qq{
	SET ROLE meter_reader;
	SET request.jwt.claims = '{"organization_id": "%s"}';
	SELECT coalesce(sum(value), 0) > 0 FROM meter.usage('%s', 'm', '2026-01-01', '2026-07-01');
	SELECT count(*) > 0 FROM meter.event;
	SELECT count(*) > 0 FROM meter_api.meters};

my $granted = $node->safe_psql('old', $grants);
like($granted, qr/^r\|meter\.rollup\|meter_reader\|SELECT$/m, 'a store that is made later is granted as well');
unlike($granted, qr/\|\|/, 'and nothing to PUBLIC');
is($node->safe_psql('new', $grants), $granted, 'pg_dump keeps the grants');
is($node->safe_psql('new', $policies), $node->safe_psql('old', $policies), 'and the policies');
is($node->safe_psql('new', sprintf($as_reader, $org, $org)), "t\nt\nt", 'a reader sees his organization there');
is($node->safe_psql('new', qq{SET ROLE meter_reader; SET request.jwt.claims = '{"organization_id": "$other"}'; SELECT count(*) FROM meter.event}), '0', 'and no other');

for my $database ('old', 'new')
{
	$node->safe_psql($database, 'SELECT meter.setup_roles(); SELECT meter.setup_roles()');
	is($node->safe_psql($database, $grants), $granted, "setup_roles() again changes nothing in database $database");
}
$node->safe_psql('postgres', 'CREATE DATABASE third');
$node->safe_psql('third', 'CREATE EXTENSION meter; SELECT meter.create_store()');
is($node->safe_psql('third', $grants), $granted, 'a database of the cluster, where the roles are there already');
$node->safe_psql('third', 'SELECT meter.setup_roles()');
is($node->safe_psql('third', $grants), $granted, '... and setup_roles() behind the store');

my $limit = q{SELECT rolname, rolcanlogin, rolbypassrls, rolconfig FROM pg_roles WHERE rolname LIKE 'meter\_%' ORDER BY 1};
is($node->safe_psql('old', $limit), join("\n", 'meter_admin|f|f|', 'meter_backend|f|f|', 'meter_reader|f|f|{statement_timeout=30s,jit=off}', 'meter_writer|f|f|{statement_timeout=30s,jit=off}'),
	'group roles, with a limit for those of tenants');
$node->safe_psql('old', q{ALTER ROLE meter_reader SET statement_timeout = '5s'; SELECT meter.setup_roles()});
like($node->safe_psql('old', $limit), qr/^meter_reader\|f\|f\|\{statement_timeout=5s,jit=off\}$/m, "a DBA's own limit stays");

# What an update of the extension added, or a DBA took away, is there again.
$node->safe_psql('old', 'REVOKE ALL ON meter.event FROM meter_reader; REVOKE EXECUTE ON FUNCTION meter.ingest FROM meter_writer; SELECT meter.setup_roles()');
is($node->safe_psql('old', $grants), $granted, 'setup_roles() gives what is missing');

# The roles can be dropped like any other, once no database grants them anything.
$node->safe_psql($_, 'DROP OWNED BY meter_admin, meter_backend, meter_writer, meter_reader') for 'old', 'new', 'third';
$node->safe_psql('postgres', 'DROP ROLE meter_admin, meter_backend, meter_writer, meter_reader');
is($node->safe_psql('third', q{SELECT meter.create_store(); SELECT count(*) FROM pg_roles WHERE rolname LIKE 'meter\_%'}), "\n0", 'nothing of meter needs them');

# Two databases make them at the same time: the second one waits for the first.
my $other_database = sprintf('%s dbname=new', $node->connstr);
$node->safe_psql('third', qq{
	CREATE EXTENSION dblink;
	SELECT dblink_connect('other', '$other_database');
	BEGIN;
	SELECT meter.setup_roles();
	SELECT dblink_send_query('other', 'SELECT meter.setup_roles()');
	DO \$\$ BEGIN
		FOR i IN 1 .. 1000 LOOP
			PERFORM pg_stat_clear_snapshot();
			EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'new' AND wait_event_type = 'Lock');
			PERFORM pg_sleep(0.01);
		END LOOP;
	END \$\$;
	COMMIT;
	SELECT * FROM dblink_get_result('other') AS r (made text)});
is($node->safe_psql($_, $grants), $granted, "and they can be made anew, by two at once: $_") for 'third', 'new';

done_testing();
