# A prepared transaction: what it counted is there when it is committed and has
# never been when it is rolled back, and meanwhile nothing of it is built upon.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $org = '00000000-0000-4000-8000-000000000001';
my $node = PostgreSQL::Test::Cluster->new('prepared');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION meter;
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '$org');
	SELECT meter.create_meter('$org', '{"key": "m", "metric_key": "t", "function": "sum", "value_field": "n"}');
});

sub ingest
{
	my ($id, $subject, $value) = @_;
	return qq{SELECT status FROM meter.ingest('$org', '{"id": "$id", "type": "t", "subject": "$subject",
		"time": "2026-01-01T00:00:00Z", "data": {"n": $value}}');};
}
my $used = qq{SELECT subject, value FROM meter.usage('$org', 'm', '2026-01-01', '2026-02-01', group_by => '{subject}');};

# one session, so that what the backend remembers of the first transaction counts
is( $node->safe_psql('postgres', 'BEGIN;' . ingest('a', 'ada', 1) . "PREPARE TRANSACTION 'first';"
		. ingest('b', 'ada', 2) . $used . "ROLLBACK PREPARED 'first';" . ingest('c', 'ada', 4) . ingest('a', 'ada', 8) . $used),
	join("\n", 'accepted', 'accepted', 'ada|2', 'accepted', 'accepted', 'ada|14'),
	'a new customer of a transaction that was prepared and rolled back');

is( $node->safe_psql('postgres', 'BEGIN;' . ingest('d', 'bob', 1) . "PREPARE TRANSACTION 'second';"
		. ingest('e', 'bob', 2) . "COMMIT PREPARED 'second';" . ingest('d', 'bob', 1) . ingest('f', 'bob', 4) . $used),
	join("\n", 'accepted', 'accepted', 'duplicate', 'accepted', 'ada|14', 'bob|7'),
	'and of one that was committed');

done_testing();
