# Windows are closed by the clock: not over the head of a transaction that was
# prepared in time, also after a crash, and by pg_cron's own clock.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $node = PostgreSQL::Test::Cluster->new('closing');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
my $cron = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'});

# Without pg_cron, or before it is loaded, the error says what to do.
$node->safe_psql('postgres', q{CREATE EXTENSION meter});
for my $call ('meter.schedule_jobs()', 'meter.unschedule_jobs()') {
	my ($status, undef, $stderr) = $node->psql('postgres', "SELECT $call");
	isnt($status, 0, "$call needs pg_cron");
	like($stderr, $cron ? qr/pg_cron is not loaded.*HINT: .*shared_preload_libraries/s : qr/not installed.*HINT: .*package/s, '... and says so');
}
if ($cron) {
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'postgres'\ncron.use_background_workers = on");
	$node->restart;
	my (undef, undef, $stderr) = $node->psql('postgres', 'SELECT meter.schedule_jobs()');
	like($stderr, qr/not in database "postgres".*HINT: .*CREATE EXTENSION pg_cron/s, 'loaded is not enough');
}

sub answer { return $node->safe_psql('postgres', @_) }

# Windows of a minute that end in some seconds.
answer(qq{
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_meter('$org', jsonb_build_object('key', 'm', 'metric_key', 't', 'function', 'sum', 'value_field', 'n',
		'late_event_policy', '{"grace": "0 seconds"}'::jsonb,
		'window', jsonb_build_object('size', 'minute', 'anchor', to_char(now() AT TIME ZONE 'UTC' + interval '6 seconds', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))));
});

sub ingest
{
	my ($id, $value) = @_;
	return qq{SELECT status FROM meter.ingest('$org', json_build_object('id', '$id', 'source', 's', 'type', 't', 'subject', 'ada',
		'time', clock_timestamp(), 'data', json_build_object('n', $value)));};
}
my $results = q{SELECT revision, value, event_count FROM meter.window_results WHERE meter_key = 'm' ORDER BY window_start, revision;};

answer(ingest('a', 1));
answer('SELECT meter.close_windows();');
answer('BEGIN;' . ingest('b', 2) . "PREPARE TRANSACTION 'b';");
my $over = q{SELECT (m.document -> 'window' ->> 'anchor')::timestamptz FROM meter.meters AS m WHERE m.key = 'm'};
ok(answer("SELECT clock_timestamp() < ($over)") eq 't', 'the machine is fast enough for this test');
$node->poll_query_until('postgres', "SELECT clock_timestamp() > ($over)");
is(answer('SELECT meter.close_windows();'), '0', 'a window is over, but not closed over a prepared transaction');
$node->stop('immediate');
$node->start;
is(answer('SELECT meter.close_windows();' . $results), '0', 'nor after a crash');
answer("COMMIT PREPARED 'b';");
is(answer('SELECT meter.close_windows();' . $results), "1\n1|3|2", 'then it is closed with what was in flight');

SKIP: {
	skip 'pg_cron is not installed', 12 unless $cron;
	answer('CREATE EXTENSION pg_cron');
	my $jobs = q{SELECT jobname, schedule, command FROM cron.job WHERE database = current_database() ORDER BY jobname};
	is(answer('SELECT meter.schedule_jobs()'), '5', 'jobs are scheduled');
	is(answer($jobs), join("\n", 'meter.close_windows|* * * * *|SELECT meter.close_windows()',
			'meter.create_partitions|20 3 * * *|SELECT meter.create_partitions()',
			q{meter.outbox_delete_delivered|*/10 * * * *|SELECT meter.outbox_delete_delivered('30 days', 100000)},
			'meter.run_reprocess_jobs|* * * * *|CALL meter.run_reprocess_jobs()',
			q{meter.sweep_thresholds|*/10 * * * *|SELECT meter.sweep_thresholds('35 days')}), 'those that there are');
	is(answer(q{SELECT meter.schedule_jobs('{"retention": "13 months", "close_windows": "*/5 * * * *"}')}), '6', 'again, with options');
	is(answer("SELECT count(*), count(DISTINCT jobname) FROM cron.job"), '6|6', '... nothing twice');
	is(answer("$jobs OFFSET 2 LIMIT 1"), q{meter.drop_partitions|40 3 * * *|SELECT meter.drop_partitions('1 year 1 mon')}, '... with retention');
	is(answer('SELECT meter.schedule_jobs()'), '5', 'and without');
	for my $options ('[]', '{"x": "* * * * *"}', '{"close_windows": "soon"}', '{"retention": "-1 day"}', '{"drop_partitions": "* * * * *"}') {
		my (undef, undef, $stderr) = $node->psql('postgres', "SELECT meter.schedule_jobs('$options')");
		like($stderr, qr/invalid job options/, "not $options");
	}

	# pg_cron starts jobs at the full minute
	answer(qq{SELECT meter.create_meter('$org', '{"key": "old", "metric_key": "u", "function": "count", "window": {"size": "day"}}');
		SELECT status FROM meter.ingest('$org', '{"id": "u", "source": "s", "type": "u", "subject": "ada", "time": "2025-01-01T00:00:00Z"}');});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM meter.window_results WHERE meter_key = 'old'}), 'a job closes a window');
	is(answer('SELECT meter.unschedule_jobs(), count(*) FROM cron.job'), '5|5', 'jobs are unscheduled');
	is(answer('SELECT count(*) FROM cron.job'), '0', '... and gone');
}

done_testing();
