# Thresholds over a dump and a crash: what was crossed before does not fire again,
# what is crossed next fires once, and breaches are those of the usage there is.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $org = '00000000-0000-4000-8000-000000000001';
my $node = PostgreSQL::Test::Cluster->new('thresholds');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', qq{
	CREATE EXTENSION meter;
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_meter('$org', '{"key": "m", "metric_key": "t", "function": "sum", "value_field": "n", "negative_allowed": true, "dimensions": {"d": "d"}}');
	SELECT meter.create_meter('$org', '{"key": "u", "metric_key": "t", "function": "unique_count", "unique_by_field": "k"}');
	SELECT meter.create_product('$org', '{"code": "gold", "name": "Gold"}');
	SELECT meter.create_customer('$org', '{"id": "ada", "name": "Ada"}');
	SELECT meter.create_subscription('$org', '{"customer": "ada", "products": ["gold"], "started_at": "2026-01-01T00:00:00Z"}');
	SELECT meter.create_threshold('$org', '{"name": "levels", "meter": "m", "threshold_value": [10, 30, 50], "recurring_step": 100, "clear_value": 5}');
	SELECT meter.create_threshold('$org', '{"name": "gold", "meter": "m", "threshold_value": [20, 40], "scope": {"kind": "product", "id": "gold"}, "per_dimensions": true}');
	SELECT meter.create_threshold('$org', '{"name": "keys", "meter": "u", "comparator": "gt", "threshold_value": 1, "recurring_step": 1, "window": {"size": "day"}}');
	SELECT meter.create_threshold('$org', '{"name": "limit", "meter": "m", "threshold_value": 400, "action_kind": "block"}');
	SELECT meter.create_threshold('$org', '{"name": "silent", "meter": "m", "threshold_value": 1}');
	SELECT meter.pause_threshold('$org', 'silent');
});

# One event; its status.
my $next = 0;

sub event
{
	my ($subject, $n, $k) = @_;
	$next++;
	return qq{SELECT status, code FROM meter.ingest('$org', '{"id": "e$next", "source": "s", "type": "t", "subject": "$subject", "time": "2026-02-01T12:00:00Z",
		"data": {"n": $n, "d": "x", "k": "$k"}}')};
}

# Breaches behind an id of the outbox: threshold, subject, value.
sub breaches
{
	my ($database, $after) = @_;
	return $node->safe_psql($database, qq{SELECT string_agg(format('%s %s %s@%s', payload ->> 'threshold_name', payload ->> 'subject',
		payload ->> 'threshold_value', payload ->> 'observed_value'), ', ' ORDER BY id)
		FROM meter.domain_event_outbox WHERE id > $after AND payload ->> 'threshold_value' IS NOT NULL});
}

my $last = 'SELECT max(id) FROM meter.domain_event_outbox';
my @kept = ('SELECT o.* FROM meter.domain_event_outbox AS o ORDER BY id', 'SELECT t.* FROM meter.thresholds AS t ORDER BY name',
	'SELECT w.* FROM meter.threshold_watch AS w ORDER BY watch_no', 'SELECT u.* FROM meter.threshold_usage AS u ORDER BY watch_no, account, window_start',
	'SELECT e.* FROM meter.threshold_events AS e ORDER BY id');

$node->safe_psql('old', event(@$_)) for [ 'ada', 33, 'a' ], [ 'bob', 351, 'a' ], [ 'bob', 1, 'b' ];
is(breaches('old', 0), join(', ', 'levels ada 10@33', 'levels ada 30@33', 'gold ada 20@33',
	'levels bob 10@351', 'levels bob 30@351', 'levels bob 50@351', 'levels bob 150@351', 'levels bob 250@351', 'levels bob 350@351', 'keys bob 1@2'),
	'thresholds were crossed');
my %before = map { $_ => $node->safe_psql('old', $_) } @kept;

my $file = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('old'), '-f', $file ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE new TEMPLATE template0');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('new'), '-f', $file ],
	'psql takes the dump without an error');
is($node->safe_psql('new', $_), $before{$_}, s/ AS .*//r . ': the same') for @kept;

my $after = $node->safe_psql('new', $last);
is($node->safe_psql('new', event('ada', 1, 'a')), 'accepted|', 'usage goes on');
is(breaches('new', $after), '', 'and what was crossed before does not fire again');
$node->safe_psql('new', event('ada', 17, 'b'));
is(breaches('new', $after), 'levels ada 50@51, gold ada 40@51, keys ada 1@2', 'what comes next does');
is($node->safe_psql('new', event('bob', 49, 'b')), 'accepted|PARTIAL', 'the quota knows what was used, and is one meter\'s');
$after = $node->safe_psql('new', $last);
is($node->safe_psql('new', event('bob', 48, 'c')), 'accepted|', 'and what is left');
is(breaches('new', $after), 'keys bob 2@3, limit bob 400@400', 'which the limit tells of');
$after = $node->safe_psql('new', $last);
$node->safe_psql('new', event('ada', -46, 'b'));
$node->safe_psql('new', event('ada', 5, 'b'));
is(breaches('new', $after), 'levels ada 5@5, levels ada 10@10', 'what is armed again fires again');
$node->safe_psql('new', qq{SELECT meter.create_threshold('$org', '{"name": "late", "meter": "m", "threshold_value": 12}')});
$after = $node->safe_psql('new', $last);
$node->safe_psql('new', qq{SELECT meter.resume_threshold('$org', 'silent')});
$node->safe_psql('new', event('ada', 3, 'b'));
is(breaches('new', $after), 'late ada 12@13', 'a new threshold has a number of its own, one that was paused is back');

# Kill the postmaster and all of its children at one instant.
sub kill_server
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	# a postmaster that stands still neither starts nor reaps anybody
	kill 'STOP', $postmaster;
	my @all = ($postmaster, split ' ', `ps -o pid= --ppid $postmaster`);
	kill 'KILL', @all;
	$node->kill9;
	foreach my $pid (@all)
	{
		sleep 0.01 until `ps -o stat= -p $pid` =~ /^(Z|$)/;
	}
	# dead, but its number is taken, and so are its locks, until somebody reaps it
	unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock'
	  if `ps -o stat= -p $postmaster` =~ /^Z/;
	return;
}

# The server dies while sessions use what they can.
my @sessions;
for my $number (1 .. 4)
{
	my $script = $node->basedir . "/reports$number.sql";
	open my $out, '>', $script or die "$script: $!";
	for my $n (1 .. 20_000)
	{
		my $subject = 's' . ($n * $number % 3);
		if ($n % 5)
		{
			print {$out} qq{SELECT meter.report_usage('$org', '{"meterName": "m", "customerId": "$subject", "timestamp": "2026-03-01T00:00:00Z", "value": 1}', 'r$number-$n') ->> 'status';\n};
		}
		else
		{
			print {$out} qq{SELECT count(*) FROM meter.ingest('$org', (SELECT json_agg(json_build_object('id', 'b$number-$n-' || i, 'source', 's', 'type', 't', 'subject', 's' || i % 3,
				'time', '2026-03-01T00:00:00Z', 'data', json_build_object('n', 1, 'd', 'x', 'k', i))) FROM generate_series(1, 6) AS i));\n} =~ s/\n\s+/ /r;
		}
	}
	close $out;
	push @sessions, IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('new'), '-f', $script ], '>&', '/dev/null');
}
my $used = q{SELECT coalesce(sum(value), 0) FROM meter.threshold_usage AS u JOIN meter.threshold_watch AS w USING (organization_id, watch_no)
	WHERE u.window_start = '2026-03-01' AND w.scope_kind = 'subject' AND NOT w.per_dimensions AND w."window" IS NULL};
for (1 .. 300)
{
	last if $node->safe_psql('new', $used) > 300;
	sleep 0.1;
}
kill_server();
eval { $_->finish } for @sessions;
$node->start;

my $usage = qq{SELECT subject, value FROM meter.usage('$org', 'm', '2026-03-01', '2026-04-01', group_by => '{subject}') ORDER BY 1};
my $rows = q{SELECT u.subject, u.value FROM meter.threshold_usage AS u JOIN meter.threshold_watch AS w USING (organization_id, watch_no)
	JOIN meter.meter AS m ON m.id = w.meter_id
	WHERE m.key = 'm' AND u.window_start = '2026-03-01' AND w.scope_kind = 'subject' ORDER BY 1};
my $crossed = q{
	WITH used AS (SELECT subject, value FROM meter.usage('%s', 'm', '2026-03-01', '2026-04-01', group_by => '{subject}')),
	expected AS (
		SELECT subject, 'levels' AS name, l AS level FROM used, LATERAL (SELECT unnest('{10,30,50}'::int[]) UNION ALL SELECT generate_series(150, 1000, 100)) AS s (l) WHERE l <= value
		UNION ALL SELECT subject, 'late', 12 FROM used WHERE value >= 12
		UNION ALL SELECT subject, 'silent', 1 FROM used WHERE value >= 1
		UNION ALL SELECT subject, 'limit', 400 FROM used WHERE value >= 400),
	written AS (
		SELECT payload ->> 'subject', payload ->> 'threshold_name', (payload ->> 'threshold_value')::int FROM meter.domain_event_outbox
		WHERE payload ->> 'meter_key' = 'm' AND (payload ->> 'window_start')::timestamptz = '2026-03-01' AND payload ->> 'threshold_value' IS NOT NULL)
	SELECT (SELECT count(*) FROM expected) > 10, (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE written) AS x), (SELECT count(*) FROM (TABLE written EXCEPT ALL TABLE expected) AS y)} =~ s/%s/$org/r;
my $left = $node->safe_psql('new', $usage);
cmp_ok(scalar(split(/\n/, $left)), '==', 3, 'usage had committed when the server died');
is($node->safe_psql('new', $rows), $left, 'thresholds know what usage knows');
is($node->safe_psql('new', $crossed), 't|0|0', 'breaches are those of what has committed, each once');
my ($most) = sort { $b <=> $a } map { (split /\|/)[1] } split /\n/, $left;
cmp_ok($most, '<=', 400, 'and no quota was passed');

# Goes on to the limit, first in larger steps.
$node->safe_psql('new', qq{SELECT count(*) FROM generate_series(1, 3 * 400) AS i, meter.ingest('$org', json_build_object('id', 'f' || i, 'source', 's', 'type', 't',
	'subject', 's' || i % 3, 'time', '2026-03-01T00:00:00Z', 'data', json_build_object('n', CASE WHEN i < 900 THEN 4 ELSE 1 END, 'd', 'x', 'k', 'z')))});
is($node->safe_psql('new', $usage), "s0|400\ns1|400\ns2|400", 'the quotas are used up exactly');
is($node->safe_psql('new', $crossed), 't|0|0', 'with each level crossed once');

done_testing();
