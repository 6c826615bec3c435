package Traffic::Session;

# A client that does small transactions of all kinds.  Its ledger
# (audit.sql) is written in the same transactions.
#
# Transactions take locks in one order, as an application must that does
# several things in one: definitions first, then keys by round and block, then
# events that are taken back by their arrival.

use strict;
use warnings;
use DBI;
use Oracle::Random;
use Traffic::World;

my $organization = $Traffic::World::organization;

# Errors that are somebody else's right, by what was done.
my %legitimate = (
	update => [
		qr/^55P03 /,                                        # lock_timeout, which some of them set
		qr/^23505 .*two versions of meter .* at one instant/,
		qr/^22023 .*effective_at: .* is in the past/,       # a turn that took its time
	],
	publish => [
		qr/^23505 .*two versions of meter .* at one instant/,
		qr/^22023 .*effective_at: .* is in the past/,
		qr/^55000 .*version .* is (published|archived) already/,
	],
	correct => [
		qr/^55000 .* was taken back before/,
	],
	withdraw => [
		qr/^55000 .*version .* is (archived already|in force)/,
		qr/^55000 .* is its first: no other could have its times/,
	],
);

sub connect_to {
	my ($source) = @_;
	my $dbh = DBI->connect("dbi:Pg:$source", undef, undef,
		{ RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 0, pg_server_prepare => 0 });
	$dbh->do('SET client_min_messages = error');
	$dbh->do(q{SET statement_timeout = '60s'});
	$dbh->do('SET jit = off');
	return $dbh;
}

# What can be done, and how often.
my @kinds = (
	[ 10, \&ingest ],
	[ 4,  \&report ],
	[ 4,  \&bare ],
	[ 3,  \&several ],
	[ 2,  \&update ],
	[ 1,  \&draft ],
	[ 1,  \&publish ],
	[ 1,  \&withdraw ],
	[ 5,  \&correct ],
	[ 2,  \&mend ],
	[ 2,  \&again ],
	[ 2,  \&close_windows ],
	[ 1,  \&reprocess ],
);

# note: called with the name of a transaction once it was acknowledged.
sub new {
	my ($class, %self) = @_;
	return bless { errors => [], done => 0, %self }, $class;
}

# Do one random transaction of a round.
sub turn {
	my ($self, $round) = @_;
	my $all = 0;
	$all += $_->[0] for @kinds;
	my $at = $self->{rng}->below($all);
	my $what;
	for my $entry (@kinds) {
		$what = $entry->[1];
		last if ($at -= $entry->[0]) < 0;
	}
	$self->{round} = $round;
	$self->{txn} = join '.', $round, $self->{number}, $self->{done}++;
	$what->($self);
	return;
}

# Run code as one transaction, committed but for $percent of them.  Errors that
# are not legitimate for what it does are kept.
sub transaction {
	my ($self, $kind, $percent, $code) = @_;
	my $dbh = $self->{dbh};
	my $rolled_back;
	if (eval {
			$dbh->begin_work;
			$code->($dbh);
			$dbh->do('INSERT INTO audit.ledger (txn, action) VALUES ($1, $2)', undef, $self->{txn}, "end of $kind");
			$rolled_back = $self->{rng}->chance($percent);
			$rolled_back ? $dbh->rollback : $dbh->commit;
			1;
		}) {
		$self->{note}->($self->{txn}) if !$rolled_back;
		return 1;
	}
	$self->failed($kind, $@);
	eval { $dbh->rollback };
	return 0;
}

# Keep an error, unless it is legitimate.
sub failed {
	my ($self, $kind, $error) = @_;
	my $state = $self->{dbh}->state;
	# a server that was killed says many things; what it did is told by the ledger
	die "connection lost\n" unless $self->{dbh}->ping;
	$self->{seen}{"$kind $state"}++;
	return if grep { "$state $error" =~ $_ } @{ $legitimate{$kind} // [] };
	push @{ $self->{errors} }, "$self->{txn} $kind: $state $error" =~ s/\s+/ /gr;
	return;
}

# A round to take events from: this one, sometimes one before.
sub some_round {
	my ($self) = @_;
	return $self->{rng}->chance(10) ? $self->{rng}->below($self->{round} + 1) : $self->{round};
}

# Send some events of a round's block, as part of a transaction.
sub send_batch {
	my ($self, $dbh, $round, $block) = @_;
	$dbh->do('SELECT audit.ingest($1, $2, $3)', undef, $self->{txn}, $organization,
		$self->{world}->batch($self->{rng}, $round, $block));
	return;
}

sub blocks { return int($Traffic::World::keys / $Traffic::World::block) }

sub ingest {
	my ($self) = @_;
	my $round = $self->some_round;
	$self->transaction('ingest', 15, sub { $self->send_batch($_[0], $round, $self->{rng}->below(blocks())) });
	return;
}

sub report {
	my ($self) = @_;
	my ($report, $key) = $self->{world}->report($self->{rng}, $self->some_round);
	$self->transaction('report', 10,
		sub { $_[0]->do('SELECT audit.report($1, $2, $3, $4)', undef, $self->{txn}, $organization, $report, $key) });
	return;
}

# A call by itself, without a ledger: what is acknowledged is all there is to it.
sub bare {
	my ($self) = @_;
	my $n = $self->{rng}->pick(1, 1, 5, 50);
	my $call = "$self->{txn}/$n";
	my $events = $self->{world}->bare($self->{rng}, $self->{round}, $call, $n);
	if (eval { $self->{dbh}->do('SELECT count(*) FROM meter.ingest($1, $2)', undef, $organization, $events); 1 }) {
		$self->{note}->($call);
	}
	else {
		$self->failed('ingest', $@);
	}
	return;
}

# Several calls in one transaction, in the order that everybody keeps.
sub several {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $earlier = $rng->below($self->{round} + 1);
	$self->transaction('ingest', 30,
		sub {
			my ($dbh) = @_;
			$self->send_batch($dbh, $earlier, $rng->below(blocks())) if $earlier < $self->{round} && $rng->chance(30);
			for my $block (0 .. blocks() - 1) {
				$self->send_batch($dbh, $self->{round}, $block) if $rng->chance(40);
			}
		});
	return;
}

# A change of a meter: where the value is, what is counted, or nothing much.
sub some_patch {
	my ($self) = @_;
	my $rng = $self->{rng};
	return $rng->pick(
		sub { ('total', '"value_field":"' . $rng->pick(qw(n m)) . '"') },
		sub { ('total', '"filter_tree":' . $self->some_filter) },
		sub { ('peak', '"filter_tree":' . $self->some_filter) },
		sub { ('users', '"filter_tree":' . $self->some_filter) },
		sub { ('last', '"value_field":"' . $rng->pick(qw(n m)) . '"') },
		sub { ('rings', $rng->pick('"function":"count","value_field":null', '"function":"sum","value_field":"n"')) },
		sub { ('orders', '"description":"' . $rng->below(1000) . '"') })->();
}

sub some_filter {
	my ($self) = @_;
	return 'null' if $self->{rng}->chance(40);
	return sprintf '{"field":"n","op":"gt","value":%d}', $self->{rng}->below(500);
}

# When a version begins: at once, in a moment, at an instant of the round that
# others want too, or in the past, from where on events are counted again.
sub some_instant {
	my ($self) = @_;
	my ($rng, $world) = @$self{qw(rng world)};
	my $began = $world->{began}[ $self->{round} ];
	my $at = $rng->pick(undef, undef, $began + 1 + $rng->below(2000) / 1000, int($began) + 3,
		$world->{base} + $rng->below(86_400_000) / 1000, $began - $rng->below(100_000) / 1000);
	return ($at && Traffic::World::timestamp($at), $at && $at < $began);
}

# Publish a new version.
sub update {
	my ($self) = @_;
	my ($meter, $patch) = $self->some_patch;
	my ($at, $past) = $self->some_instant;
	$patch .= qq{,"effective_at":"$at"} if $at;
	$patch .= ',"reprocess":true' if $past;
	my $impatient = $self->{rng}->chance(20);
	$self->transaction('update', 20,
		sub {
			my ($dbh) = @_;
			$dbh->do(q{SET LOCAL lock_timeout = '20ms'}) if $impatient;
			$dbh->do('SELECT meter.update_meter($1, $2, $3)', undef, $organization, $meter, "{$patch}");
		});
	return;
}

# Meters have one draft at a time: it is changed where there is one.
sub draft {
	my ($self) = @_;
	my ($meter, $patch) = $self->some_patch;
	$self->transaction('draft', 10,
		sub { $_[0]->do('SELECT meter.update_meter($1, $2, $3)', undef, $organization, $meter, qq({"save_as_draft":true,$patch})) });
	return;
}

# One of the meters' versions of that status, the newest first.
sub some_version {
	my ($self, $status) = @_;
	my $versions = $self->{dbh}->selectall_arrayref(q{
		SELECT meter_key, version FROM meter.meter_versions WHERE organization_id = $1 AND status = $2
		ORDER BY created_at DESC LIMIT 3}, undef, $organization, $status);
	return @{ @$versions ? $self->{rng}->pick(@$versions) : [] };
}

# Publish a draft, perhaps at the same time as others.
sub publish {
	my ($self) = @_;
	my ($meter, $version) = $self->some_version('draft') or return;
	my ($at, $past) = $self->some_instant;
	$self->transaction('publish', 10,
		sub {
			$_[0]->do(q{SELECT meter.publish_meter_version($1, $2, $3, coalesce($4, now()), $5)},
				undef, $organization, $meter, $version, $at, $past ? 't' : 'f');
		});
	return;
}

# Take a version back before it begins.
sub withdraw {
	my ($self) = @_;
	my ($meter, $version) = $self->some_version('scheduled') or return;
	$self->transaction('withdraw', 10,
		sub { $_[0]->do(q{SELECT meter.archive_meter_version($1, $2, $3, 'not wanted')}, undef, $organization, $meter, $version) });
	return;
}

# Some of the events that were taken, in the order of their arrival.
sub some_taken {
	my ($self, $n) = @_;
	my ($last) = $self->{dbh}->selectrow_array('SELECT max(id) FROM audit.ledger');
	my @taken;
	for (1 .. $n) {
		my $row = $self->{dbh}->selectrow_hashref(q{
			SELECT id, type, key, data FROM audit.ledger
			WHERE id >= $1 AND action IN ('ingest', 'report') AND audit.is_stored(status)
			ORDER BY id LIMIT 1}, undef, $self->{rng}->between(0, $last // 0));
		push @taken, $row if $row;
	}
	return sort { $a->{id} <=> $b->{id} } @taken;
}

# Void it or put another one in its place, as part of a transaction.
sub take_back {
	my ($self, $dbh, $event) = @_;
	my $rng = $self->{rng};
	if ($rng->chance(50)) {
		$dbh->do(q{SELECT meter.void_event($1, $2, $3, 'a mistake')}, undef, $organization, @$event{qw(type key)});
		$dbh->do('INSERT INTO audit.ledger (txn, action, type, key) VALUES ($1, $2, $3, $4)',
			undef, $self->{txn}, 'void', @$event{qw(type key)});
		return;
	}
	my $data = sprintf '{"n":%d,"m":%d,"d":"%s"}', $rng->below(1000), $rng->below(10), $rng->pick(qw(x y));
	($data) = $dbh->selectrow_array('SELECT $1::jsonb || $2', undef, $event->{data}, $data);
	$dbh->do(q{SELECT meter.amend_event($1, $2, $3, 'a mistake', $4)}, undef, $organization, @$event{qw(type key)}, $data);
	$dbh->do('INSERT INTO audit.ledger (txn, action, type, key, data) VALUES ($1, $2, $3, $4, $5)',
		undef, $self->{txn}, 'amend', @$event{qw(type key)}, $data);
	return;
}

# Take events back, several perhaps, in one transaction.
sub correct {
	my ($self) = @_;
	my @events = $self->some_taken($self->{rng}->pick(1, 1, 1, 3));
	$self->transaction('correct', 20, sub { $self->take_back($_[0], $_) for @events });
	return;
}

# New events, and some that were wrong are taken back.
sub mend {
	my ($self) = @_;
	my @events = $self->some_taken(2);
	$self->transaction('correct', 20,
		sub {
			my ($dbh) = @_;
			$self->send_batch($dbh, $self->{round}, $self->{rng}->below(blocks()));
			$self->take_back($dbh, $_) for @events;
		});
	return;
}

# Try events again that were refused, or release some from quarantine.
sub again {
	my ($self) = @_;
	my $rng = $self->{rng};
	$self->transaction('again', 20,
		sub { $_[0]->do('SELECT audit.again($1, $2, $3, $4)', undef, $self->{txn}, $organization, $rng->pick(qw(t f)), $rng->pick(1, 5)) });
	return;
}

sub close_windows {
	my ($self) = @_;
	$self->transaction('close', 10, sub { $_[0]->do('SELECT meter.close_windows()') });
	return;
}

# Count a piece of time again, or what is left to count.  A procedure commits by
# itself.
sub reprocess {
	my ($self) = @_;
	my ($rng, $base, $dbh) = ($self->{rng}, $self->{world}{base}, $self->{dbh});
	if (eval {
			if ($rng->chance(30)) { $dbh->do('CALL meter.run_reprocess_jobs()') }
			else {
				my $from = $base + 3600 * $rng->below(30) + $rng->pick(0, 0, 1234.5);
				$dbh->do(q{CALL meter.reprocess($1, $2, $3, $4, 'to be sure')}, undef, $organization,
					$rng->pick(qw(total peak users last rings direct orders bare strict next held mix-sum mix-next mix-held)),
					map { Traffic::World::timestamp($_) } $from, $from + 3600 * $rng->pick(1, 3, 30));
			}
			1;
		}) {
		return;
	}
	$self->failed('reprocess', $@);
	return;
}

# A change of the meter "bulk" that leaves a job, and the job; or all of it again.
sub recount_bulk {
	my ($self) = @_;
	my ($rng, $dbh) = @$self{qw(rng dbh)};
	my $at = Traffic::World::timestamp($self->{world}{base} + $rng->below(7_200_000) / 1000);
	my $field = $rng->pick(qw(n m));
	eval {
		if ($rng->chance(50)) {
			$dbh->do('SELECT meter.update_meter($1, $2, $3)', undef, $organization, 'bulk',
				qq({"value_field":"$field","effective_at":"$at","reprocess":true}));
		}
		if ($rng->chance(70)) { $dbh->do('CALL meter.run_reprocess_jobs()') }
		else { $dbh->do(q{CALL meter.reprocess($1, 'bulk', '-infinity', 'infinity', 'to be sure')}, undef, $organization) }
		1;
	} or $self->failed('reprocess', $@);
	return;
}

1;
