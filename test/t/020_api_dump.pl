# pg_dump and psql carry the HTTP surface over: views, triggers, relationships
# and who may use them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $node = PostgreSQL::Test::Cluster->new('api_dump');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('postgres', 'CREATE DATABASE new TEMPLATE template0');
my $reload = qr/Asynchronous notification "pgrst" with payload "reload schema"/;
like($node->safe_psql('old', 'LISTEN pgrst; CREATE EXTENSION meter'), $reload, 'PostgREST is told of the extension');
like($node->safe_psql('old', 'LISTEN pgrst; SELECT meter.create_store()'), $reload, 'and of the store');
$node->safe_psql('old', qq{
	SELECT meter.setup_roles();
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org')});

# A request of a role, as PostgREST makes it.
sub request
{
	my ($database, $role, $statement) = @_;
	my ($status, $stdout, $stderr) = $node->psql($database, qq{
		SET ROLE $role;
		SET request.jwt.claims = '{"role": "$role", "organization_id": "$org"}';
		$statement});
	return $status == 0 ? $stdout : $stderr =~ /"code": ?"(\w+)"/ ? $1 : $stderr =~ /ERROR:\s+(.*)/ ? $1 : $stderr;
}

sub dump_of
{
	my ($database, $file) = @_;
	$node->command_ok([ 'pg_dump', '-d', $node->connstr($database), '-f', $file ], "pg_dump of $database");
	# the words that newer minor releases guard psql with are random
	return join '', grep { !/^\\(un)?restrict/ } split /^/, slurp_file($file);
}

my $post = q{INSERT INTO meter_api.events (id, source, type, subject, data) VALUES ('%s', 's', 't', 'ada', '{"n": 2}') RETURNING subject};
my $usage = q{SELECT m.key, e.n FROM meter_api.meters AS m CROSS JOIN LATERAL
	(SELECT count(*) AS n FROM meter_api.rejected_events(m::meter_api.meters)) AS e};

request('old', 'meter_writer', q{INSERT INTO meter_api.meters (key, metric_key, function, value_field) VALUES ('m', 't', 'sum', 'n')});
is(request('old', 'meter_writer', sprintf($post, 1)), 'ada', 'an event comes through the view');
$node->safe_psql('old', qq{SELECT meter.ingest('$org', '{"id": "bad", "source": "s", "type": "t", "data": {"n": "x"}}')});
is(request('old', 'meter_reader', $usage), 'm|1', 'a relationship leads to what was rejected');

my $file = $node->basedir . '/dump.sql';
my $before = dump_of('old', $file);
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('new'), '-f', $file ], 'psql takes the dump without an error');
is(dump_of('new', $node->basedir . '/again.sql'), $before, 'what is restored is dumped as it was');

my $privileges = q{SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
	WHERE table_schema = 'meter_api' AND grantee ~ '^meter_' ORDER BY 1, 2, 3};
is($node->safe_psql('new', $privileges), $node->safe_psql('old', $privileges), 'privileges are the same');
is(request('new', 'meter_reader', $usage), 'm|1', 'views and relationships work');
is(request('new', 'meter_writer', sprintf($post, 2)), 'ada', 'so does what writes through them');
is(request('new', 'meter_writer', q{UPDATE meter_api.meters SET name = 'M' RETURNING version}), '2', 'and through those of the extension');
is(request('new', 'meter_writer', 'UPDATE meter_api.meters SET version = 1'), 'VERSION_MISMATCH', 'with its errors');
like(request('new', 'meter_reader', sprintf($post, 3)), qr/permission denied/, 'a reader still writes nothing');
like(request('new', 'meter_writer', 'DELETE FROM meter_api.window_results'), qr/permission denied/, 'nor a writer what is the engine\'s');
is($node->safe_psql('new', 'SELECT meter.create_store()'), '', 'create_store can be called again');
is($node->safe_psql('new', $privileges), $node->safe_psql('old', $privileges), 'and changes no privilege');

done_testing();
