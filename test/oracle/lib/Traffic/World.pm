package Traffic::World;

# The tenant that sessions of test/oracle/storm and test/t/003_kill.pl work on:
# its meters, the events there are to send, and what is called to judge it.
# Everything follows from the seed and from when the rounds began, so that
# whoever sends an event again sends the same.

use strict;
use warnings;
use POSIX qw(strftime floor);
use File::Basename qw(dirname);
use Oracle::Random;

our $organization = '00000000-0000-4000-8000-000000000057';
our $keys = 80;        # different events a round
our $block = 20;       # of which a call takes only from one block of so many

# Windows of an hour reach back a day: with 12 hours of grace half of it is open
# to late events, without any nothing is.  Windows of a minute are over soon.
my @meters = (
	'"key":"total","metric_key":"call","function":"sum","value_field":"n","dimensions":{"d":"d"},
		"window":{"size":"hour"},"late_event_policy":{"mode":"revise","grace":"12 hours"}',
	'"key":"peak","metric_key":"call","function":"max","value_field":"n",
		"window":{"size":"hour"},"late_event_policy":{"mode":"revise","grace":"0 seconds"}',
	'"key":"users","metric_key":"call","function":"unique_count","unique_by_field":"k","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"12 hours"}',
	'"key":"last","metric_key":"call","function":"latest","value_field":"n","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"12 hours"}',
	'"key":"rings","metric_key":"ring","function":"count","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"0 seconds"}',
	'"key":"direct","metric_key":"direct","function":"sum","value_field":"n","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"12 hours"}',
	'"key":"bare","metric_key":"bare","function":"sum","value_field":"n","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"12 hours"}',
	'"key":"orders","metric_key":"order","function":"count","dedup_key_path":"k","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"12 hours"}',
	'"key":"strict","metric_key":"strict","function":"count","window":{"size":"minute"},
		"late_event_policy":{"mode":"reject","grace":"1 second","max_future":"1 second"}',
	'"key":"next","metric_key":"next","function":"sum","value_field":"n","window":{"size":"minute"},
		"late_event_policy":{"mode":"next_window","grace":"1 second"}',
	'"key":"held","metric_key":"held","function":"count","window":{"size":"minute"},
		"late_event_policy":{"mode":"quarantine","grace":"1 second"}',
	'"key":"mix-sum","metric_key":"mix","function":"sum","value_field":"n","window":{"size":"hour"},
		"late_event_policy":{"mode":"revise","grace":"0 seconds"}',
	'"key":"mix-next","metric_key":"mix","function":"max","value_field":"n","window":{"size":"minute"},
		"late_event_policy":{"mode":"next_window","grace":"1 second"}',
	'"key":"mix-held","metric_key":"mix","function":"sum","value_field":"n","window":{"size":"minute"},
		"late_event_policy":{"mode":"quarantine","grace":"1 second"}',
);

# What there is to do before the first round.
sub build {
	my ($dbh) = @_;
	$dbh->do('CREATE EXTENSION IF NOT EXISTS meter');
	$dbh->do('SELECT meter.create_store()');
	$dbh->do('SELECT meter.create_organization($1, $2)', undef, 'traffic', $organization);
	$dbh->do('SELECT meter.create_meter($1, $2)', undef, $organization, "{$_}") for @meters;
	open my $file, '<', dirname(__FILE__) . '/audit.sql' or die "audit.sql: $!";
	local $/ = undef;
	$dbh->do(scalar <$file>);
	return;
}

# As many events of a meter of their own that counting them again takes a while.
sub bulk {
	my ($self, $dbh, $n) = @_;
	$dbh->do('SELECT meter.create_meter($1, $2)', undef, $organization, '{"key":"bulk","metric_key":"bulk","function":"sum",
		"value_field":"n","window":{"size":"hour"},"late_event_policy":{"mode":"revise","grace":"2 days"}}');
	$dbh->do(q{
		SELECT count(*) FROM meter.ingest($1, (SELECT json_agg(json_build_object('id', g::text, 'source', 's', 'type', 'bulk', 'subject', 's' || g % 20,
			'time', to_char((to_timestamp($2) + g * interval '1 day' / $3) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
			'data', json_build_object('n', g % 1000 + 0.25, 'm', g % 10)))
			FROM generate_series(0, $3 - 1) AS g))}, undef, $organization, $self->{base}, $n);
	return;
}

sub new {
	my ($class, $seed, $base) = @_;
	return bless { seed => $seed, base => $base, began => [] }, $class;
}

# Round $round began at $at (seconds since 1970).
sub begin {
	my ($self, $round, $at) = @_;
	$self->{began}[$round] = $at;
	return;
}

# Seconds since 1970 as RFC 3339.
sub timestamp {
	my ($seconds) = @_;
	my $whole = floor($seconds);
	return strftime('%Y-%m-%dT%H:%M:%S', gmtime $whole) . sprintf '.%06dZ', floor(($seconds - $whole) * 1e6);
}

# The time of an event of a round: somewhere in the day before the first, or
# about now, a few seconds ahead at most.
sub some_time {
	my ($self, $rng, $round, $percent_now) = @_;
	return timestamp($self->{began}[$round] + $rng->between(-100_000, 3_000) / 1000) if $rng->chance($percent_now);
	return timestamp($self->{base} + $rng->below(86_400_000) / 1000);
}

# Event $k of a round, as JSON text.
sub event {
	my ($self, $round, $k) = @_;
	my $rng = Oracle::Random->new($self->{seed} + $round * 7919 + $k * 104_729);
	my $type = $rng->pick(('call') x 8, ('ring') x 4, ('order') x 3, ('mix') x 3, qw(strict next held stray));
	my $time = $self->some_time($rng, $round, $type =~ /^(?:strict|next|held|mix)$/ ? 70 : 25);
	# a value at dedup_key_path is of one block, as the event itself
	my $own = $type eq 'order' ? sprintf('%d-%d-%d', $round, $k / $block, $rng->below(8)) : 'k' . $rng->below(50);
	return sprintf '{"id":"%d-%d","source":"s","type":"%s","subject":"%s","time":"%s","data":{"n":%d.%02d,"m":%d,"k":"%s","d":"%s"}}',
	  $round, $k, $type, $rng->pick(qw(ada bob cy di)), $time, $rng->below(1000), $rng->below(100), $rng->below(10), $own, $rng->pick(qw(x y));
}

# Events of one block of a round, as an array; of those that are sent twice in
# it the second is a duplicate.
sub batch {
	my ($self, $rng, $round, $number) = @_;
	my @events = map { $self->event($round, $number * $block + $rng->below($block)) } 1 .. $rng->pick(1, 1, 4, 12);
	# the same key with another payload
	$events[-1] =~ s/"m":\d/"m":99/ if $rng->chance(4);
	return '[' . join(',', @events) . ']';
}

# Events that nobody else sends, named by their call.
sub bare {
	my ($self, $rng, $round, $call, $n) = @_;
	return '[' . join(',', map {
		sprintf '{"id":"%s/%d","source":"s","type":"bare","subject":"%s","time":"%s","data":{"n":1}}',
		  $call, $_, $rng->pick(qw(ada bob cy di)), $self->some_time($rng, $round, 25)
	} 1 .. $n) . ']';
}

# A report to the meter "direct" and its idempotency key.
sub report {
	my ($self, $rng, $round) = @_;
	my $key = "$round-" . $rng->below($keys);
	my $own = Oracle::Random->new($self->{seed} + 17 + $round * 7919 + ($key =~ s/.*-//r) * 104_729);
	return (sprintf('{"meterId":"direct","value":%d,"customerId":"%s","timestamp":"%s"}',
		$own->below(100), $own->pick(qw(ada bob cy di)), $self->some_time($own, $round, 25)), $key);
}

1;
