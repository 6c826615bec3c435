package Oracle::Scenario;

# A history made up at random: meters, steps (batches of events by different
# ways in, meters made between them) and calls of usage.  Nothing here knows a
# database; a scenario is plain data, so that it can be cut down to the part
# that shows an error.
#
# Inside an event's data a scalar is a piece of JSON text as it will be
# sent ('1.50', '"eu"', 'null'), so that the exact digits are in our hands.

use strict;
use warnings;
use POSIX ();
use Oracle::Random;
use Oracle::Features;

my @ZONES = qw(UTC Asia/Kolkata America/New_York Australia/Lord_Howe Pacific/Chatham America/Havana);

# Instants with something special about them: clock changes, leap days, turns
# of a quarter or a year in some zone.
my @CENTRES = (
	'2025-03-09 07:00:00', '2025-11-02 06:00:00',    # New York
	'2025-04-05 15:00:00', '2024-10-05 15:30:00',    # Lord Howe, half an hour
	'2025-04-05 14:00:00', '2024-09-28 14:00:00',    # Chatham, +12:45
	'2024-11-03 05:00:00', '2025-03-09 05:00:00',    # Havana, at midnight
	'2024-02-29 12:00:00', '2024-12-31 18:30:00', '2025-06-30 23:59:59', '2023-07-12 10:11:12');

our %SECONDS = (minute => 60, hour => 3600, day => 86400, week => 7 * 86400,
	month => 30 * 86400, quarter => 91 * 86400, year => 365 * 86400);

# Where each field stands in the data, what it holds.
my %FIELDS = (
	model  => { path => '$.model',      values => [ map { quote($_) } 'small', 'large', 'x large', 'sm', '', 'né"w\\' ] },
	region => { path => '$.geo.region', values => [ map { quote($_) } qw(eu us ap eu-west) ] },
	tier   => { path => 'tier',         values => [qw(1 2 3 10)] },
	load   => { path => '$.load',       values => [qw(0 0.5 -1 7.25 100)] },
	flag   => { path => '$.flag',       values => [qw(true false)] },
	tags   => { path => '$.tags',       values => [ [], ['"a"'], [ '"a"', '"b"' ], [ '"c"' ] ] });

# What meters may derive: dimensions only.
my %DERIVED = (
	score => [qw(0 1 10 2.5)],
	band  => [ map { quote($_) } qw(hi lo small) ]);

# JSON text of a structure whose scalars are JSON text already.  With a
# generator the members come in any order, and one may stand twice: the last
# one counts.
sub encode {
	my ($v, $rng) = @_;
	if (ref $v eq 'HASH') {
		my @keys = sort keys %$v;
		@keys = $rng->shuffle(@keys) if $rng;
		my @members = map { '"' . $_ . '":' . encode($v->{$_}, $rng) } @keys;
		unshift @members, '"' . $keys[0] . '":"first of two"' if $rng && @keys && $rng->chance(2);
		return '{' . join(',', @members) . '}';
	}
	return '[' . join(',', map { encode($_, $rng) } @$v) . ']' if ref $v eq 'ARRAY';
	return $v;
}

# A string as JSON text.
sub quote {
	my ($s) = @_;
	$s =~ s/(["\\])/\\$1/g;
	return qq("$s");
}

# Microseconds since 1970 of 'YYYY-MM-DD HH:MM:SS' in UTC.
sub instant {
	my ($text) = @_;
	my ($y, $mo, $d, $h, $mi, $s) = $text =~ /\d+/g;
	my $month = ($mo + 9) % 12;
	my $year = $y - ($mo < 3 ? 1 : 0);
	my $days = 365 * $year + int($year / 4) - int($year / 100) + int($year / 400)
	  + int(($month * 306 + 5) / 10) + $d - 1 - 719468;
	return 1_000_000 * ($days * 86400 + $h * 3600 + $mi * 60 + $s);
}

# An instant as RFC 3339 text, with the fraction it needs.
sub time_text {
	my ($micros, $offset) = @_;
	return undef unless defined $micros;
	my $seconds = POSIX::floor($micros / 1_000_000) + ($offset // 0) * 60;
	my $fraction = $micros % 1_000_000;
	my $text = POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $seconds);
	$text .= sprintf('.%06d', $fraction) if $fraction;
	return $text . 'Z' unless $offset;
	return $text . sprintf('%s%02d:%02d', $offset < 0 ? '-' : '+', abs($offset) / 60, abs($offset) % 60);
}

sub new {
	my ($class, $seed) = @_;
	my $rng = Oracle::Random->new($seed);
	my $self = bless {
		rng      => $rng,
		centre   => instant($rng->pick(@CENTRES)),
		spread   => $rng->pick(120, 4 * 3600, 3 * 86400, 60 * 86400, 400 * 86400),
		style    => $rng->pick(qw(integer money long mixed)),
		subjects => [ ($rng->shuffle('ada', 'bob', 'Cleo & Co', "o'neil", 'Øyvind'))[ 0 .. $rng->between(1, 3) ] ],
		times    => [],
		sent     => [],
		reported => [],
		next_id  => 1,
	}, $class;
	Oracle::Features::hook('begin', $self);
	$self->make_meters;
	$self->make_steps;
	return { seed => $seed, meters => $self->{meters}, steps => $self->{steps}, calls => $self->make_calls };
}

sub zones { return @ZONES }

# ---------------------------------------------------------------- definitions

sub make_meters {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @types = $rng->chance(50) ? ('api.call') : ('api.call', 'disk.write');
	$self->{types} = [ @types, $rng->chance(20) ? ('nobody.listens') : () ];
	$self->{meters} = [ map { $self->make_meter("meter-$_", $rng->pick(@types)) } 1 .. $rng->between(1, 3) ];
	return;
}

sub make_meter {
	my ($self, $key, $type) = @_;
	my $rng = $self->{rng};
	my $function = $rng->pick(qw(sum sum count avg min max latest unique_count), Oracle::Features::hook('functions'));
	my %def = (key => quote($key), name => quote("Meter $key"), metric_key => quote($type), function => quote($function));

	if ($function eq 'unique_count') {
		$def{unique_by_field} = quote($rng->pick('$.user', 'user'));
	}
	elsif ($function ne 'count' && $function ne 'custom') {
		$def{value_field} = quote($rng->pick('$.value', 'value', '$.value', '$.usage.amount', '$."odd key"'));
		$def{negative_allowed} = 'true' if $rng->chance(60);
	}
	my @dimensions = $rng->some(3, qw(model region tier flag));
	$def{dimensions} = { map { $_ => quote($FIELDS{$_}{path}) } @dimensions } if @dimensions;
	$def{filter_tree} = $self->make_filter(3) if $rng->chance(40);
	$def{dedup_key_path} = quote('$.key') if $rng->chance(12);
	$def{unit_currency_field} = quote('$.currency') if $rng->chance(15);
	if ($rng->chance(50)) {
		my %window = (size => quote($rng->pick(qw(hour day week month quarter year))), time_zone => quote($rng->pick(@ZONES)));
		$window{week_start} = quote($rng->pick(qw(monday sunday saturday))) if $rng->chance(40);
		$def{window} = \%window;
	}
	Oracle::Features::hook('meter', $self, \%def);
	return \%def;
}

# A filter tree; with names the leaves name dimensions rather than paths.
sub make_filter {
	my ($self, $depth, @names) = @_;
	my $rng = $self->{rng};
	if ($depth > 1 && $rng->chance(55)) {
		my $kind = $rng->pick(qw(and or not));
		return { not => $self->make_filter($depth - 1, @names) } if $kind eq 'not';
		return { $kind => [ map { $self->make_filter($depth - 1, @names) } 1 .. $rng->between(1, 3) ] };
	}
	my $name = $rng->pick(@names ? @names : keys_sorted(\%FIELDS));
	my $values = $name eq 'subject' ? [ map { quote($_) } @{ $self->{subjects} } ] : $DERIVED{$name} // $FIELDS{$name}{values};
	my $value = $rng->pick(@$values);
	my @ops = qw(eq neq in nin exists);
	push @ops, qw(gt gte lt lte) if $name =~ /tier|load|model|score/;
	push @ops, qw(contains starts_with ends_with matches) if $name =~ /model|region|subject|band/;
	@ops = qw(eq neq exists) if $name eq 'flag';
	@ops = qw(contains contains exists) if $name eq 'tags';
	my $op = $rng->pick(@ops);
	my %leaf = (field => quote(@names ? $name : $FIELDS{$name}{path}), op => quote($op));
	if ($op eq 'exists') {
		$leaf{value} = $rng->pick(qw(true false));
	}
	elsif ($op =~ /in$/) {
		$leaf{value} = [ map { $rng->pick(@$values) } 1 .. $rng->between(1, 3) ];
	}
	elsif ($name eq 'tags') {
		$leaf{value} = $rng->pick('"a"', '"b"', '"zz"');
	}
	elsif ($op eq 'matches') {
		$leaf{value} = $rng->pick('"^s"', '"e$"', '"[a-e]+"', '"l.r"', '"^(eu|us)$"');
	}
	elsif ($op =~ /with$|contains/) {
		$leaf{value} = $rng->pick('"s"', '"eu"', '"-west"', '"e"', '" "', '""');
	}
	else {
		$leaf{value} = $value;
	}
	return \%leaf;
}

sub keys_sorted { return sort keys %{ $_[0] } }

# --------------------------------------------------------------------- events

sub make_time {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $times = $self->{times};
	return $rng->pick(@$times) if @$times && $rng->chance(15);
	my $t = $self->{centre} + ($rng->below(2 * $self->{spread}) - $self->{spread}) * 1_000_000;
	my $form = $rng->below(10);
	if    ($form < 4) { $t += $rng->below(1_000_000) }
	elsif ($form < 6) { $t -= $t % 3_600_000_000 }
	elsif ($form < 7) { $t = $t - $t % 3_600_000_000 + $rng->pick(-1, 1, 1_800_000_000, 900_000_000) }
	push @$times, $t;
	return $t;
}

# A good value, as JSON text.
sub make_value {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $style = $self->{style} eq 'mixed' ? $rng->pick(qw(integer money long exponent)) : $self->{style};
	my $v =
	    $style eq 'integer' ? $rng->below(1000)
	  : $style eq 'money'   ? $rng->below(10000) . '.' . sprintf('%02d', $rng->below(100))
	  : $style eq 'long'    ? $rng->pick('0', $rng->digits($rng->between(1, 30))) . '.' . $rng->digits($rng->between(1, 30))
	  :                       $rng->pick('1e3', '1.5E-7', '25e+2', '-0', '0.10', '1e30', '123456789012345678901234567890');
	$v = "-$v" if $v !~ /^-/ && $rng->chance(12);
	$v = quote($v) if $rng->chance(10);
	return $v;
}

sub make_data {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $value = $self->make_value;
	$value = $rng->pick('"12abc"', '""', 'null', 'true', [], {}, '"NaN"', '"Infinity"', '1e400', '"1e-400"', '" 5"') if $rng->chance(5);
	my %data = (value => $value, 'odd key' => $self->make_value, usage => { amount => $self->make_value });
	delete $data{value} if $rng->chance(2);
	for my $name (keys_sorted(\%FIELDS)) {
		next if $rng->chance(12);
		my $v = $rng->pick(@{ $FIELDS{$name}{values} });
		$v = $rng->pick('null', '"2"', '7', 'false') if $rng->chance(4);
		if ($name eq 'region') { $data{geo} = { region => $v } }
		else                   { $data{$name} = $v }
	}
	$data{user} = quote('user ' . $rng->below(6)) unless $rng->chance(3);
	$data{key} = quote('key-' . $rng->below(30));
	$data{currency} = $rng->pick('"EUR"', '"EUR"', '"USD"', '"JPY"') unless $rng->chance(3);
	Oracle::Features::hook('data', $self, \%data);
	return \%data;
}

sub make_event {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $old = @{ $self->{sent} } ? $rng->pick(@{ $self->{sent} }) : undef;
	my $event;

	if ($old && $rng->chance(8)) {

		# sent again, the same value written in another way
		$event = {%$old};
		$event->{offset} = $rng->pick(0, 330, -300, 765);
	}
	elsif ($old && $rng->chance(5)) {

		# the same key, something else in it
		$event = {%$old};
		my $what = $rng->below(3);
		if    ($what == 0) { $event->{data}    = $self->make_data }
		elsif ($what == 1) { $event->{subject} = $rng->pick(@{ $self->{subjects} }) }
		else               { $event->{time}    = $self->make_time if defined $event->{time} }
	}
	else {
		$event = {
			id      => 'e' . $self->{next_id}++,
			source  => $rng->pick('app', 'app', 'batch'),
			type    => $rng->pick(@{ $self->{types} }),
			subject => $rng->pick(@{ $self->{subjects} }),
			time    => $self->make_time,
			offset  => $rng->chance(20) ? $rng->pick(330, -300, 630, 825) : 0,
			data    => $self->make_data,
		};

		# the same id from elsewhere is another event
		$event->{id} = $old->{id} if $old && !$self->{once} && $rng->chance(2);

		# what may be left out, and what aims at one meter
		delete $event->{$_} for grep { $rng->chance(1.5) } qw(id source subject), $self->{timeless} ? 'time' : ();
		my ($meter) = grep { $_->{metric_key} eq quote($event->{type}) } $rng->shuffle(@{ $self->{early} });
		$event->{meter} = $meter->{key} =~ s/"//gr if $meter && $rng->chance(3);
	}
	push @{ $self->{sent} }, $event;
	return written($event, $rng);
}

# The event with its JSON text, members in any order where there is a generator.
sub written {
	my ($event, $rng) = @_;
	my %envelope = (data => $event->{data}, map { $_ => quote($event->{$_}) } grep { defined $event->{$_} } qw(id source type subject meter));
	$envelope{time} = quote(time_text($event->{time}, $event->{offset})) if defined $event->{time};
	$envelope{specversion} = '"1.0"' if $rng && $rng->chance(30);
	return {%$event, json => encode(\%envelope, $rng), data_json => encode($event->{data}, $rng)};
}

# A report to one meter; sometimes the same again.
sub make_report {
	my ($self) = @_;
	my $rng = $self->{rng};
	return $rng->pick(@{ $self->{reported} }) if @{ $self->{reported} } && $rng->chance(10);
	my $def = $rng->pick(@{ $self->{early} });
	my $data = $self->make_data;
	delete @$data{ 'value', 'odd key', 'usage', 'geo', 'tags', grep { $data->{$_} eq 'null' } keys %$data };
	my $report = {
		id      => 'r' . $self->{next_id}++,
		meter   => $rng->pick(@$def{qw(key name)}),
		value   => $rng->chance(3) ? $rng->pick('"12abc"', 'true', '[]') : $self->make_value,
		subject => $rng->pick(@{ $self->{subjects} }),
		time    => !$self->{timeless} || $rng->chance(97) ? $self->make_time : undef,
		data    => $data,
	};
	push @{ $self->{reported} }, $report;
	return $report;
}

sub report_json {
	my ($report) = @_;
	my %json = (value => $report->{value}, meterName => $report->{meter}, customerId => quote($report->{subject}));
	$json{timestamp} = quote(time_text($report->{time})) if defined $report->{time};
	$json{metadata} = $report->{data} if %{ $report->{data} };
	return encode(\%json);
}

# ---------------------------------------------------------------------- steps

sub make_steps {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @late = @{ $self->{meters} } > 1 && $rng->chance(20) ? ($#{ $self->{meters} }) : ();

	# a level depends on when it changed, to the microsecond: whose clock would that be?
	$self->{timeless} = encode($self->{meters}) !~ /"weighted_sum"/;
	$self->{early} = [ grep { my $def = $_; !grep { $self->{meters}[$_] == $def } @late } @{ $self->{meters} } ];
	my @steps = map { { kind => 'meter', meter => $_ } } grep { my $i = $_; !grep { $_ == $i } @late } 0 .. $#{ $self->{meters} };
	my $budget = $rng->between(15, 90);
	while ($budget > 0) {
		my $kind = $rng->pick(qw(ingest ingest ingest ingest inbox_json inbox_columns report));
		my $n = $rng->chance(25) ? 1 : $rng->between(1, $kind eq 'report' ? 12 : 50);
		$n = $budget if $n > $budget;
		$budget -= $n;
		my $step = { kind => $kind, events => [ map { $kind eq 'report' ? $self->make_report : $self->make_event } 1 .. $n ] };
		if ($rng->chance(10)) {

			# undone, then done again
			push @steps, {%$step, rollback => 1};
		}
		push @steps, $step;
		push @steps, { kind => 'meter', meter => shift @late } if @late && $rng->chance(50);
	}
	push @steps, map { { kind => 'meter', meter => $_ } } @late;

	# what comes between, in its order
	my $at = 0;
	for my $step (Oracle::Features::hook('steps', $self)) {
		$at = $rng->between($at, scalar @steps);
		splice @steps, $at++, 0, $step;
	}
	$self->{steps} = \@steps;
	return;
}

# ---------------------------------------------------------------------- calls

sub make_edge {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $t = $rng->pick($self->{centre}, @{ $self->{times} });
	my $form = $rng->below(10);
	return $t if $form < 2;
	return $t + $rng->pick(-1, 1) if $form < 3;
	$t += ($rng->below(2 * $self->{spread}) - $self->{spread}) * 1_000_000;
	return $t - $t % 3_600_000_000 if $form < 6;
	return $t - $t % 86_400_000_000 if $form < 7;
	return $t + $rng->below(1_000_000);
}

# A question about usage.
sub make_call {
	my ($self) = @_;
	my $rng = $self->{rng};
	my ($from, $to);
	do { ($from, $to) = sort { $a <=> $b } $self->make_edge, $self->make_edge } while $from == $to;
	($from, $to) = map { $self->{centre} + $_ * 1_000_000 * ($self->{spread} + $rng->below(86400)) } -1, 1 if $rng->chance(20);
	my $m = $rng->below(scalar @{ $self->{meters} });
	my $def = $self->{meters}[$m];
	my @dimensions = sort keys %{ $def->{dimensions} // {} };
	my $seconds = ($to - $from) / 1_000_000;

	# few windows enough, for the oracle's sake
	my @sizes = grep { $seconds / $SECONDS{$_} < 100 } sort keys %SECONDS;
	($from, $to) = map { (int(time / 86400) + $_) * 86_400_000_000 } -1, 2 if $rng->chance(3);    # events without a time
	my %call = (meter => $m, by_id => $rng->chance(20), from => time_text($from), to => time_text($to));
	$call{window_size} = $rng->pick(@sizes) if @sizes && $rng->chance(65);
	$call{subject} = $rng->chance(5) ? 'nobody' : $rng->pick(@{ $self->{subjects} }) if $rng->chance(30);
	$call{group_by} = [ $rng->some(3, @dimensions, 'subject') ] if $rng->chance(50);
	$call{time_zone} = $rng->pick(@ZONES) if $rng->chance(50);
	$call{filter} = encode($self->make_filter(2, @dimensions, 'subject')) if $rng->chance(25);
	Oracle::Features::hook('call', $self, \%call, $def);
	return \%call;
}

sub make_calls {
	my ($self) = @_;
	return [ map({ $self->make_call } 1 .. 8), Oracle::Features::hook('calls', $self) ];
}

1;
