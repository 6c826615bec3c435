# A crash loses no answered call and leaves no trace of one that was not
# committed; what is sent again counts once.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION meter;
	SELECT meter.create_store();
	SELECT meter.create_organization('acme', '00000000-0000-4000-8000-000000000001');
	SELECT meter.create_meter('00000000-0000-4000-8000-000000000001',
		'{"key": "m", "name": "m", "metric_key": "t", "function": "sum", "value_field": "n", "dimensions": {"d": "d"}}');
});

# Events $from to $to of value 1, as one document.
sub batch
{
	my ($from, $to) = @_;
	return qq{(SELECT json_agg(json_build_object('id', n::text, 'source', 's', 'type', 't', 'subject', 's' || n % 10,
		'time', '2026-01-01T00:00:00Z', 'data', json_build_object('n', 1, 'd', n % 3))) FROM generate_series($from, $to) AS n)};
}

sub ingest
{
	my ($from, $to) = @_;
	my $events = batch($from, $to);
	return qq{SELECT status, count(*) FROM meter.ingest('00000000-0000-4000-8000-000000000001', $events) GROUP BY status ORDER BY status};
}

my $total = q{SELECT value, event_count FROM
	meter.usage('00000000-0000-4000-8000-000000000001', 'm', '2026-01-01', '2026-02-01')};

is($node->safe_psql('postgres', ingest(1, 1000)), 'accepted|1000', 'a first batch is taken');

# A session that has counted more, but not committed, when the server dies.
my ($in, $out, $timer) = ('', '', IPC::Run::timeout(60));
my $session = IPC::Run::start(
	[ 'psql', '-X', '-A', '-t', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, $timer);
$in .= 'BEGIN; ' . ingest(1001, 1500) . ";\n";
$session->pump until $out =~ /accepted\|500/;
pass('another one is counted by a transaction that stays open');

$node->stop('immediate');
eval { $session->finish };
$node->start;

is($node->safe_psql('postgres', $total), '1000|1000', 'after the crash there is the first, and nothing of the other');
is($node->safe_psql('postgres', ingest(501, 1500)), "accepted|500\nduplicate|500",
	'sent again, each counts once');
is($node->safe_psql('postgres', $total), '1500|1500', 'and the sum is right');
is( $node->safe_psql('postgres', q{SELECT sum(value), sum(event_count) FROM
	meter.usage('00000000-0000-4000-8000-000000000001', 'm', '2026-01-01', '2026-02-01', group_by => '{subject,d}')}),
	'1500|1500',
	'in groups as well');

done_testing();
