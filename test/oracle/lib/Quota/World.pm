package Quota::World;

# Meters with thresholds and quotas, and what must hold of them.  Each round has
# a window of its own, an hour, in which nothing was used before.

use strict;
use warnings;
use DBI;
use POSIX ();

# The limits of the subjects and of the meter together, which is less than all
# subjects might have.
our ($PER_SUBJECT, $TOGETHER, $EVENTS) = (300, 900, 60);
our @SUBJECTS = map { "s$_" } 0 .. 3;

# What notifies: comparator, values and step, and whose usage it is about.
my @WATCHED = (
	{ meter => 'n_sum', name => 'rising', levels => [ 10, 100, 500 ], step => 250, group => ['subject'] },
	{ meter => 'n_sum', name => 'together', levels => [1000], step => 1000, group => [] },
	{ meter => 'n_sum', name => 'dimensions', levels => [ 50, 75 ], step => 75, group => [ 'subject', 'd' ] },
	{ meter => 'n_count', name => 'events', levels => [ 1, 5, 20 ], step => 10, group => ['subject'] },
	{ meter => 'n_max', name => 'greatest', levels => [ 15, 18, 19, 20 ], group => ['subject'] },
	{ meter => 'n_unique', name => 'different', levels => [ 3, 10 ], step => 5, group => ['subject'] },
	{ meter => 'n_falling', name => 'falling', levels => [ -10, -100 ], step => 200, group => ['subject'], falls => 1 },
);

sub connect_to {
	my ($name) = @_;
	my $dbh = DBI->connect("dbi:Pg:dbname=$name", undef, undef,
		{ RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 0, pg_server_prepare => 0 });
	$dbh->do('SET client_min_messages = error');
	$dbh->do('SET jit = off');
	$dbh->do(q{SET statement_timeout = '60s'});
	return $dbh;
}

sub new {
	my ($class, $dbh) = @_;
	$dbh->do('CREATE EXTENSION meter');
	$dbh->do('SELECT meter.create_store()');
	my ($organization) = $dbh->selectrow_array(q{SELECT meter.create_organization('quotas')});
	my $self = bless { organization => $organization, began => 1_767_225_600 }, $class;
	my %meter = (n_sum => '"function":"sum","value_field":"n","dimensions":{"d":"d"}', n_count => '"function":"count"', n_max => '"function":"max","value_field":"n"',
		n_unique => '"function":"unique_count","unique_by_field":"k"', n_falling => '"function":"custom","function_options":{"expression":"0 - n"},"negative_allowed":true',
		q_sum => '"function":"sum","value_field":"n"', q_count => '"function":"count"', r_sum => '"function":"sum","value_field":"n"');
	for my $key (sort keys %meter) {
		my $type = substr $key, 0, 1;
		my $size = $type eq 'r' ? 'year' : 'hour';
		$dbh->do('SELECT meter.create_meter($1, $2)', undef, $organization, qq({"key":"$key","metric_key":"$type",$meter{$key},"window":{"size":"$size"}}));
	}
	for my $t (@WATCHED) {
		my $more = join '', $t->{step} ? qq(,"recurring_step":$t->{step}) : (), @{ $t->{group} } ? () : ',"scope":{"kind":"meter"}', @{ $t->{group} } > 1 ? ',"per_dimensions":true' : ();
		$self->threshold($dbh, sprintf '"name":"%s","meter":"%s","comparator":"%s","threshold_value":[%s]%s', @$t{qw(name meter)}, $t->{falls} ? 'lte' : 'gte', join(',', @{ $t->{levels} }), $more);
	}
	$self->threshold($dbh, qq("name":"own","meter":"q_sum","threshold_value":[100,200,$PER_SUBJECT],"action_kind":"block"));
	$self->threshold($dbh, qq("name":"all","meter":"q_sum","comparator":"gt","threshold_value":$TOGETHER,"scope":{"kind":"meter"},"action_kind":"block"));
	$self->threshold($dbh, qq("name":"many","meter":"q_count","threshold_value":$EVENTS,"action_kind":"block"));
	$self->threshold($dbh, qq("name":"held","meter":"r_sum","threshold_value":$PER_SUBJECT,"action_kind":"block"));
	return $self;
}

sub threshold {
	my ($self, $dbh, $definition) = @_;
	return $dbh->do('SELECT meter.create_threshold($1, $2)', undef, $self->{organization}, "{$definition}");
}

sub text { return POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_[0]) }

# A round's window.
sub window {
	my ($self, $round) = @_;
	return ($self->{began} + $round * 3600, $self->{began} + ($round + 1) * 3600);
}

# Usage in the window, by group: a hash of "subject/d" to values.
sub usage {
	my ($self, $dbh, $meter, $round, @group) = @_;
	my $rows = $dbh->selectall_arrayref(q{SELECT concat_ws('/', subject, dimensions ->> 'd'), value FROM meter.usage($1, $2, $3, $4, group_by => $5)},
		undef, $self->{organization}, $meter, (map { text($_) } $self->window($round)), '{' . join(',', @group) . '}');
	return { map { @$_ } @$rows };
}

# What sets a round's usage beyond its limits, if anything does.  One snapshot sees
# only what has committed.
sub beyond {
	my ($self, $dbh, $round) = @_;
	my $used = $self->usage($dbh, 'q_sum', $round, 'subject');
	my $sum = 0;
	$sum += $_ for values %$used;
	my $events = $self->usage($dbh, 'q_count', $round, 'subject');
	return ((map { "$_ has used $used->{$_}" } grep { $used->{$_} > $PER_SUBJECT } sort keys %$used),
		$sum > $TOGETHER ? "all have used $sum" : (), map { "$_ has had $events->{$_} events" } grep { $events->{$_} > $EVENTS } sort keys %$events);
}

# Breaches written since: lists of [value, observed] by threshold and account, in
# the order of their ids.
sub breaches {
	my ($self, $dbh, $since) = @_;
	my $rows = $dbh->selectall_arrayref(q{
		SELECT format('%s %s', payload ->> 'threshold_name', concat_ws('/', payload ->> 'subject', payload #>> '{dimensions,d}')), payload ->> 'threshold_value', payload ->> 'observed_value'
		FROM meter.domain_event_outbox WHERE organization_id = $1 AND id > $2 AND aggregate_type = 'threshold' AND payload ->> 'threshold_value' IS NOT NULL ORDER BY id},
		undef, $self->{organization}, $since);
	my %found;
	push @{ $found{ $_->[0] } }, [ @$_[ 1, 2 ] ] for @$rows;
	return \%found;
}

sub last_id { return ($_[1]->selectrow_array('SELECT coalesce(max(id), 0) FROM meter.domain_event_outbox'))[0] }

# Levels at or below what was used at last.
sub levels {
	my ($t, $value) = @_;
	my $sign = $t->{falls} ? -1 : 1;
	my @levels = grep { $_ * $sign <= $value * $sign } @{ $t->{levels} };
	return @levels if !$t->{step} || @levels < @{ $t->{levels} };
	for (my $l = $levels[-1] + $sign * $t->{step}; $l * $sign <= $value * $sign; $l += $sign * $t->{step}) { push @levels, $l }
	return @levels;
}

# A threshold that is made while others use: what had been used before it, by
# subject, which nobody changes until it is there.
sub make_late {
	my ($self, $dbh, $round) = @_;
	$dbh->begin_work;
	$self->threshold($dbh, qq("name":"late $round","meter":"n_sum","threshold_value":5,"recurring_step":5));
	my $used = $self->usage($dbh, 'n_sum', $round, 'subject');
	$dbh->commit;
	return $used;
}

# Missed or doubled breaches of a round.  late: what make_late gave.
sub wrong_breaches {
	my ($self, $dbh, $round, $since, $late) = @_;
	my $found = $self->breaches($dbh, $since);
	my @wrong;
	my @watched = (@WATCHED, $late ? { name => "late $round", meter => 'n_sum', levels => [5], step => 5, group => ['subject'], before => $late } : (),
		{ name => 'own', meter => 'q_sum', levels => [ 100, 200, $PER_SUBJECT ], group => ['subject'], returns => 1 },
		{ name => 'many', meter => 'q_count', levels => [$EVENTS], group => ['subject'], returns => 1 });
	for my $t (@watched) {
		my $used = $self->usage($dbh, $t->{meter}, $round, @{ $t->{group} });
		for my $account (sort keys %$used) {
			next if !defined $used->{$account};
			my $written = delete $found->{"$t->{name} $account"} // [];
			my $before = $t->{before} ? $t->{before}{$account} // 0 : undef;
			my ($expected, $got) = (join(' ', grep { !defined $before || $_ > $before } levels($t, $used->{$account})), join(' ', map { $_->[0] } @$written));

			# what was taken back had crossed more than is left
			$got = substr $got, 0, length $expected if $t->{returns} && $got eq join ' ', @{ $t->{levels} }[ 0 .. $#$written ];
			push @wrong, "$t->{name} of $account, at $used->{$account}: expected $expected, written $got" if $expected ne $got;
			push @wrong, map { "$t->{name} of $account: $_->[0] at $_->[1]" } grep { $t->{falls} ? $_->[1] > $_->[0] : $_->[1] < $_->[0] } @$written;
		}
	}
	push @wrong, map { "$_: " . join ' ', map { $_->[0] } @{ $found->{$_} } } sort keys %$found;
	return @wrong;
}

# Rows that know another value than usage.
sub wrong_rows {
	my ($self, $dbh, $round) = @_;
	my @wrong;
	for my $meter (qw(n_sum q_sum q_count n_count n_max n_unique)) {
		my $used = $self->usage($dbh, $meter, $round, 'subject');
		my $rows = $dbh->selectall_arrayref(q{
			SELECT u.subject, u.value FROM meter.threshold_usage AS u JOIN meter.threshold_watch AS w USING (organization_id, watch_no) JOIN meter.meter AS m ON m.id = w.meter_id
			WHERE m.organization_id = $1 AND m.key = $2 AND w.scope_kind = 'subject' AND NOT w.per_dimensions AND u.window_start = $3}, undef, $self->{organization}, $meter, text(($self->window($round))[0]));
		push @wrong, map { "$meter of $_->[0]: the row says $_->[1], usage " . ($used->{ $_->[0] } // 'nothing') } grep { $_->[1] != ($used->{ $_->[0] } // 0) } @$rows;
	}
	return @wrong;
}

1;
