# The gateway as docs/postgrest/ ships it, on ports of its own: nginx in front of
# postgrest, or of test/lib/postgrest where there is none, on the server and the
# database that PGHOST, PGPORT and PGDATABASE name.
package Gateway;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Time::HiRes qw(sleep);

my $top = abs_path(dirname(__FILE__) . '/../../..');
my $secret = 'a secret of 32 characters or more';
my $json = JSON::PP->new->utf8->allow_nonref->canonical;

# Starts both; the caller keeps the object as long as they shall run.
# read_timeout: how long the gateway waits for an answer, where not as shipped.
sub new
{
	my ($class, %how) = @_;
	# nginx is where only root looks; an interrupted test stops what it started
	$ENV{PATH} .= ':/usr/sbin';
	$SIG{$_} = sub { exit 1 } foreach qw(INT TERM HUP PIPE);
	my $folder = "$ENV{METER_BASE}/http/$ENV{PGDATABASE}";
	remove_tree($folder);
	make_path($folder);
	my $self = bless { %how, folder => $folder, owner => $$ }, $class;
	$self->{port} = free_port();
	$self->{upstream} = free_port();
	$self->{real} = real();
	$self->authenticator;
	$self->configure;
	# nginx runs as the server's user, never as root
	chown((getpwnam('postgres'))[ 2, 3 ], $folder) if $> == 0;
	$self->start_postgrest;
	$self->start_nginx;
	return $self;
}

# Whether there is a postgrest to test with.
sub real
{
	return scalar grep { -x "$_/postgrest" } split /:/, $ENV{PATH};
}

sub free_port
{
	my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die "no free port: $!\n";
	return $probe->sockport;
}

sub authenticator
{
	my ($self) = @_;
	$self->psql(q{
		SELECT meter.setup_roles() \\g /dev/null
		DO $$ BEGIN CREATE ROLE meter_authenticator LOGIN NOINHERIT; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		GRANT meter_reader, meter_writer, meter_backend, meter_admin TO meter_authenticator;});
}

# The shipped files with this run's ports; those as they are lie below shipped,
# where nginx can read them wherever the clone is.
sub configure
{
	my ($self) = @_;
	make_path("$self->{folder}/shipped");
	foreach my $name (qw(nginx.conf gateway.conf postgrest.conf))
	{
		copy("$top/docs/postgrest/$name", "$self->{folder}/shipped/$name") or die "$name: $!\n";
		open(my $in, '<', "$top/docs/postgrest/$name") or die "$name: $!\n";
		my $text = do { local $/; <$in> };
		$text =~ s/127\.0\.0\.1:8080/127.0.0.1:$self->{port}/;
		$text =~ s/127\.0\.0\.1:3000/127.0.0.1:$self->{upstream}/;
		$text =~ s/^admin-server-port/# $&/m;
		$text =~ s/(proxy_read_timeout) \w+/$1 $self->{read_timeout}/ if $self->{read_timeout};
		open(my $out, '>', "$self->{folder}/$name") or die "$name: $!\n";
		print $out $text;
		close $out or die "$name: $!\n";
	}
}

sub start_postgrest
{
	my ($self) = @_;
	local $ENV{PGRST_DB_URI} = "host=$ENV{PGHOST} port=$ENV{PGPORT} user=meter_authenticator dbname=$ENV{PGDATABASE}";
	local $ENV{PGRST_JWT_SECRET} = $secret;
	local $ENV{PGRST_SERVER_PORT} = $self->{upstream};
	$self->{postgrest} = spawn("$self->{folder}/postgrest.log", $self->{real} ? 'postgrest' : "$top/test/lib/postgrest",
		"$self->{folder}/postgrest.conf");
	wait_for($self->{upstream}, "$self->{folder}/postgrest.log");
}

sub stop_postgrest
{
	my ($self) = @_;
	my $child = delete $self->{postgrest} or return;
	kill 'TERM', $child;
	waitpid($child, 0);
}

sub start_nginx
{
	my ($self) = @_;
	my $folder = $self->{folder};
	$self->{nginx} = spawn("$folder/nginx.log", "$top/test/lib/sandbox", 'run', 'nginx', '-p', $folder, '-c', "$folder/nginx.conf", '-g', 'daemon off;');
	wait_for($self->{port}, "$folder/nginx.log");
}

sub spawn
{
	my ($log, @command) = @_;
	my $child = fork() // die "fork: $!\n";
	return $child if $child;
	$SIG{$_} = 'DEFAULT' foreach qw(INT TERM HUP PIPE);
	open(STDIN, '<', '/dev/null');
	open(STDOUT, '>', $log);
	open(STDERR, '>&', \*STDOUT);
	exec @command or die "$command[0]: $!\n";
}

sub wait_for
{
	my ($port, $log) = @_;
	foreach (1 .. 200)
	{
		return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		sleep 0.05;
	}
	open(my $in, '<', $log);
	die "nothing listens on port $port\n" . join('', $in ? <$in> : ());
}

sub DESTROY
{
	my ($self) = @_;
	return if $$ != $self->{owner};
	local $?;
	$self->stop_postgrest;
	if ($self->{nginx} && open(my $in, '<', "$self->{folder}/nginx.pid"))
	{
		# the process that was started is runuser's, where root started it
		chomp(my $master = <$in>);
		kill 'TERM', $master;
		waitpid($self->{nginx}, 0);
	}
}

# A psql script as the owner of the database; what it prints.
sub psql
{
	my ($self, $script) = @_;
	my $file = "$self->{folder}/script.sql";
	open(my $in, '>', $file) or die "$file: $!\n";
	print $in "SET client_min_messages = warning;\n$script\n";
	close $in or die "$file: $!\n";
	open(my $out, '-|', 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-f', $file) or die "psql: $!\n";
	my $text = do { local $/; <$out> };
	close $out or die "psql failed: $script\n";
	chomp $text;
	return $text;
}

# A token of these claims.
sub token
{
	my ($self, %claims) = @_;
	my $sent = join '.', map { encode_base64url($json->encode($_)) } { alg => 'HS256', typ => 'JWT' }, { exp => time + 600, %claims };
	return $sent . '.' . encode_base64url(hmac_sha256($sent, $secret));
}

# A request as its bytes: (method, path and query; token, headers => {}, body).
# Gives {status, headers, body, json}; headers are in lower case.
sub request
{
	my ($self, $method, $target, %how) = @_;
	my %headers = (Host => 'localhost', Connection => 'close', %{ $how{headers} // {} });
	$headers{Authorization} //= "Bearer $how{token}" if defined $how{token};
	my $body = $how{body};
	$body = $json->encode($body) if ref $body;
	$headers{'Content-Length'} //= length $body if defined $body;
	$headers{'Content-Type'} //= 'application/json' if defined $body;
	return $self->raw("$method $target HTTP/1.1\r\n" . join('', map { defined $headers{$_} ? "$_: $headers{$_}\r\n" : () } sort keys %headers)
		  . "\r\n" . ($body // ''), $how{port});
}

sub raw
{
	my ($self, $bytes, $port) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port // $self->{port}, Timeout => 10) or die "connect: $!\n";
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{ALRM} = sub { die "no answer in 30 s: " . substr($bytes, 0, 100) . "\n" };
	alarm 30;
	print $socket $bytes;
	my $text = do { local $/; <$socket> } // '';
	alarm 0;
	my ($head, $body) = split /\r\n\r\n/, $text, 2;
	my ($line, @lines) = split /\r\n/, $head // '';
	my %headers = map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value) } @lines;
	if (($headers{'transfer-encoding'} // '') eq 'chunked')
	{
		my ($chunked, $plain) = ($body, '');
		while ($chunked =~ s/^([0-9A-Fa-f]+)\r\n//) { $plain .= substr($chunked, 0, hex $1, ''); $chunked =~ s/^\r\n// }
		$body = $plain;
	}
	my ($status) = ($line // '') =~ m{^HTTP/1\.1 (\d+)};
	return { status => $status // 0, headers => \%headers, body => $body // '', json => scalar eval { $json->decode($body) } };
}

1;
