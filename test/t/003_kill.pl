# The server is killed, the hard way and at random points, while sessions do all
# there is: what was acknowledged is there once and counted once, what was not is
# there whole or not at all, and what was under way can go on.
#
#	METER_KILL_ROUNDS	how often (50)
#	METER_KILL_SEED		seed (1)
use strict;
use warnings;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Oracle::Random;
use Traffic::World;
use Traffic::Session;
use Traffic::Audit;

my $rounds = $ENV{METER_KILL_ROUNDS} // 50;
my $seed = $ENV{METER_KILL_SEED} // 1;
my $sessions = 4;
my $full = 10;    # every so many kills everything is judged
my $rng = Oracle::Random->new($seed);
note("seed $seed, $rounds kills");

my $node = PostgreSQL::Test::Cluster->new('kill');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
# checkpoints often enough that some are under way
$node->append_conf('postgresql.conf', "checkpoint_timeout = 30s\nmax_wal_size = 64MB\nautovacuum_naptime = 1s\nlog_statement = none\n");
$node->start;
my $source = $node->connstr('postgres') =~ s/ /;/gr;
my $dbh = Traffic::Session::connect_to($source);
Traffic::World::build($dbh);
my $world = Traffic::World->new($seed, int(time / 3600) * 3600 - 86_400);
$world->bulk($dbh, 150_000);
my $audit = Traffic::Audit->new($dbh, $world, $rng);

# A session works until its connection is gone: the first one at counting a lot
# again, the others at everything.  It writes down what was acknowledged in a file.
sub start_session
{
	my ($number, $round) = @_;
	my $file = $node->basedir . "/acknowledged.$number";
	my $pid = fork // die "fork: $!";
	return { pid => $pid, file => $file } if $pid;
	open(my $out, '>', $file) or POSIX::_exit(1);
	$out->autoflush;
	my $session;
	eval {
		$session = Traffic::Session->new(
			dbh => Traffic::Session::connect_to($source),
			rng => Oracle::Random->new($seed * 1000 + $round * 100 + $number),
			world => $world,
			number => $number,
			note => sub { print {$out} "$_[0]\n" });
		while (1)
		{
			$number == 0 ? $session->recount_bulk : $session->turn($round);
			print {$out} map { "error $_\n" } splice @{ $session->{errors} };
		}
	};
	# whatever it was, with the server gone it is no news
	print {$out} 'error ', $@ =~ s/\s+/ /gr, "\n" if $session && $session->{dbh}->ping;
	close $out;
	POSIX::_exit(0);
}

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
		sleep 0.01 until state_of($pid) =~ /^Z?$/;
	}
	# dead, but its number is taken, and so are its locks, until somebody reaps it
	unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock'
	  if state_of($postmaster) eq 'Z';
	return;
}

# R, S, ... Z for a process that nobody has reaped yet; nothing where there is none.
sub state_of
{
	my ($pid) = @_;
	return `ps -o state= -p $pid` =~ s/\s//gr;
}

my ($done, $interrupted) = (0, 0);
for my $round (0 .. $rounds - 1)
{
	$world->begin($round, time);
	$dbh->disconnect;
	# who counts a lot again takes turns with nobody, to leave the others more to do
	my @sessions = map { start_session($_, $round) } $round % 2 .. $sessions;
	sleep(0.1 + $rng->below(1000) / 1000);
	kill_server();
	my (@wrong, @acknowledged);
	foreach my $session (@sessions)
	{
		waitpid $session->{pid}, 0;
		foreach my $line (split /\n/, slurp_file($session->{file}))
		{
			if ($line =~ /^error (.*)/) { push @wrong, $1 }
			else { push @acknowledged, $line }
		}
	}
	$node->start;
	$dbh = Traffic::Session::connect_to($source);
	$audit->{dbh} = $dbh;
	$interrupted++ if $dbh->selectrow_array(q{SELECT count(*) FROM meter.reprocess_job WHERE state = 'running'});
	my $everything = $round % $full == $full - 1 || $round == $rounds - 1;
	push @wrong, $audit->quick(@acknowledged);
	push @wrong, $audit->full, $audit->closed, $audit->past if $everything;
	$audit->note if $everything;
	ok(!@wrong, 'kill ' . ($round + 1) . ': ' . @acknowledged . ' transactions acknowledged' . ($everything ? ', everything judged' : ''))
	  or diag(join "\n", @wrong);
	$done += @acknowledged;
}
is_deeply([ $audit->reprocessed, $audit->past ], [], 'everything counted again');
cmp_ok($done, '>', $rounds, "$done transactions were acknowledged");
cmp_ok($interrupted, '>', $rounds / 10, "counting again was under way at $interrupted of the kills");
$dbh->disconnect;
$node->stop;
done_testing();
