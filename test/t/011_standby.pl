# A physical standby answers usage questions, by the newest definitions.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(
	allows_streaming => 1,
	extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$primary->start;
$primary->safe_psql('postgres', qq{
	CREATE EXTENSION meter;
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_meter('$org', '{"key": "m", "metric_key": "t", "function": "sum", "value_field": "n", "dimensions": {"d": "d"}}');
});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub ingest
{
	my ($from, $to) = @_;
	$primary->safe_psql('postgres', qq{SELECT count(*) FROM meter.ingest('$org', (SELECT json_agg(json_build_object('id', n::text, 'type', 't',
		'subject', 's' || n % 10, 'time', timestamptz '2026-01-01Z' + make_interval(mins => n), 'data', json_build_object('n', n, 'd', n % 3)))
		FROM generate_series($from, $to) AS n))});
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	return;
}

# one session of the standby, to see its compiled definitions change
my $session = $standby->background_psql('postgres', on_error_stop => 0);
sub used
{
	my ($more) = @_;
	return $session->query("SELECT sum(value), sum(event_count), count(*) FROM meter.usage('$org', 'm', '2026-01-01Z', '2026-01-01 12:34:56Z'$more)");
}

ingest(1, 1000);
is(used(''), '284635|754|1', 'the sum, with a bound that cuts a bucket');
is(used(q{, group_by => '{subject,d}', window_size => 'hour'}), '284635|754|390', 'in groups and windows');
ingest(1001, 1100);
is(used(q{, filter => '{"field": "d", "op": "eq", "value": 1}'}), '95130|252|1', 'with a filter');
$primary->safe_psql('postgres', qq{SELECT meter.create_meter('$org', '{"key": "calls", "metric_key": "t", "function": "count"}')});
ingest(1101, 1200);
is($session->query("SELECT value FROM meter.usage('$org', 'calls', '-infinity', 'infinity')"), '100', 'a meter made since');
$primary->safe_psql('postgres', qq{SELECT meter.update_meter('$org', 'm', '{"function": "max"}')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($session->query("SELECT array_agg(version || ' ' || coalesce(value::text, 'none') ORDER BY version) FROM meter.usage('$org', 'm', '-infinity', 'infinity')"),
	'{"1 720600","2 none"}', 'and a version published since');

# what is left of a quota: as a row of thresholds says, and where there is none
$primary->safe_psql('postgres', qq{SELECT meter.create_threshold('$org', '{"name": "each", "meter": "calls", "threshold_value": 15, "action_kind": "block"}')});
$primary->safe_psql('postgres', qq{SELECT meter.reserve('$org', 'calls', 's1', 2, '1 hour')});
ingest(1201, 1220);
is($session->query(qq{SELECT string_agg(concat_ws(' ', a ->> 'allowed', a ->> 'used', a ->> 'remaining'), ', ')
	FROM (VALUES ('s1', '2026-01-01 20:00Z'), ('s1', now()), ('nobody', now())) AS v (subject, "at"), LATERAL meter.check_quota('$org', 'calls', subject, 4, "at" => v."at"::timestamptz) AS a}),
	'false 12 3, true 0 13, true 0 15', 'what is left of a quota');
$session->quit;

my ($status, $out, $err) = $standby->psql('postgres', "SELECT meter.ingest('$org', '{}')");
like($err, qr/read-only transaction|during recovery/, 'it takes no events');

done_testing();
