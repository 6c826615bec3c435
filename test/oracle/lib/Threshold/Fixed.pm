package Threshold::Fixed;

# Histories with the answers written beside them.

use strict;
use warnings;

# meter, thresholds: definitions; calls: what is ingested, a list of values each;
# breaches: in order, the threshold value crossed and the value observed.
sub cases {
	my $sum = '"function":"sum","value_field":"n","negative_allowed":true';
	return (
		{   name => 'rising, and on behind the last value',
			meter => $sum, thresholds => ['"comparator":"gte","threshold_value":[10,30,50],"recurring_step":100'],
			calls => [ [33], [318] ], breaches => '10@33 30@33 50@351 150@351 250@351 350@351' },
		{   name => 'rising, in one batch',
			meter => $sum, thresholds => ['"comparator":"gte","threshold_value":[10,30,50],"recurring_step":100'],
			calls => [ [ 33, 318 ] ], breaches => '10@33 30@33 50@351 150@351 250@351 350@351' },
		{   name => 'falling, and on below zero',
			meter => $sum, thresholds => ['"comparator":"lte","threshold_value":[800,500,200],"recurring_step":100'],
			calls => [ [900], [-300], [-700] ], breaches => '800@600 500@-100 200@-100 100@-100 0@-100 -100@-100' },
		{   name => 'falling from where no value was reached',
			meter => $sum, thresholds => ['"comparator":"lte","threshold_value":[800,500,200],"recurring_step":100'],
			calls => [ [600], [-700] ], breaches => '500@-100 200@-100 100@-100 0@-100 -100@-100' },
		{   name => 'above is not at',
			meter => $sum, thresholds => [ '"comparator":"gt","threshold_value":10', '"comparator":"gte","threshold_value":10', '"comparator":"eq","threshold_value":10' ],
			calls => [ [10], [1], [-1], [-1] ], breaches => '10@10 10@10 10@11' },
		{   name => 'below is not at',
			meter => $sum, thresholds => [ '"comparator":"lt","threshold_value":10', '"comparator":"lte","threshold_value":10' ],
			calls => [ [20], [-10], [-1], [5], [-5] ], breaches => '10@10 10@9' },
		{   name => 'resolved, and armed again',
			meter => $sum, thresholds => ['"comparator":"gte","threshold_value":[100,200],"clear_value":40'],
			calls => [ [250], [-150], [50], [-109], [-1], [160], [-200] ], breaches => '100@250 200@250 40@40 100@200 200@200 40@0' },
		{   name => 'one event crosses a million values, of which the last thousand are told',
			meter => $sum, thresholds => ['"comparator":"gte","threshold_value":1,"recurring_step":1'],
			calls => [ [1000000], [1] ], breaches => join ' ', (map { "$_\@1000000" } 999_001 .. 1_000_000), '1000001@1000001' },
		{   name => 'exact decimals',
			meter => $sum, thresholds => ['"comparator":"gte","threshold_value":[0.3,0.30000000000000000001]'],
			calls => [ [ '0.1', '0.2' ], ['0.00000000000000000001'] ], breaches => '0.3@0.3 0.30000000000000000001@0.30000000000000000001' },
	);
}

# Returns what is wrong, or nothing.
sub play {
	my ($dbh, $case) = @_;
	my ($org) = $dbh->selectrow_array(q{SELECT meter.create_organization('fixed')});
	my $ok = eval {
		$dbh->do('SELECT meter.create_meter($1, $2)', undef, $org, qq({"key":"m","metric_key":"t",$case->{meter},"window":{"size":"day"}}));
		my ($n, $id) = (0, 0);
		$dbh->do('SELECT meter.create_threshold($1, $2)', undef, $org, '{"name":"t' . $n++ . qq(","meter":"m",$_})) for @{ $case->{thresholds} };
		for my $call (@{ $case->{calls} }) {
			my @events = map { sprintf '{"id":"%d","source":"s","type":"t","subject":"ada","time":"2026-03-01T12:00:00Z","data":{"n":%s}}', ++$id, $_ } @$call;
			my ($accepted) = $dbh->selectrow_array(q{SELECT count(*) FROM meter.ingest($1, $2) WHERE status = 'accepted'}, undef, $org, '[' . join(',', @events) . ']');
			die "not all were accepted\n" if $accepted != @events;
		}
		1;
	};
	return $@ if !$ok;
	my ($written) = $dbh->selectrow_array(q{
		SELECT string_agg(format('%s@%s', trim_scale((payload ->> 'threshold_value')::numeric), trim_scale((payload ->> 'observed_value')::numeric)), ' ' ORDER BY id)
		FROM meter.domain_event_outbox WHERE organization_id = $1 AND payload ->> 'threshold_value' IS NOT NULL}, undef, $org);
	return if ($written // '') eq $case->{breaches};
	return "expected: $case->{breaches}\nwritten:  " . ($written // 'nothing');
}

1;
