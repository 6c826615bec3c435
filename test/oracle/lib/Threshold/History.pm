package Threshold::History;

# A history of a seed: meters, thresholds, customers and subscriptions, and the
# steps that bring events, in an order in which all of it can be played.
# Numbers are in hundredths, times in seconds since 1970.

use strict;
use warnings;
use POSIX ();
use Oracle::Random;
use Threshold::Value;

# Kinds of steps, functions and "create" (evaluate_on_create) that are left out.
my %without = map { $_ => 1 } split /,/, $ENV{METER_THRESHOLDS_WITHOUT} // '';

my %SECONDS = (minute => 60, hour => 3600, day => 86_400, month => 2_592_000, billing_period => 2_592_000);
my @SUBJECTS = ('ada', 'bob', 'cleo', 'Øyvind');
# The clock leaps at these in the zones below.
my @LEAPS = (1_774_746_000, 1_792_890_000, 1_772_953_200, 1_793_512_800);
my @ZONES = qw(UTC UTC Europe/Berlin America/New_York Asia/Kolkata Australia/Lord_Howe);

sub new {
	my ($class, $seed, $now) = @_;
	my $rng = Oracle::Random->new($seed + 77_000);
	my $self = bless { rng => $rng, seed => $seed, now => $now, sent => [], next_id => 1, next_name => 1, steps => [], meters => {},
		blocks => $seed % 2, style => $rng->pick(qw(small small middle money)), subjects => [ ($rng->shuffle(@SUBJECTS))[ 0 .. $rng->between(0, 2) ] ] }, $class;
	$self->{base} = $rng->chance(50) ? $now : $rng->pick(@LEAPS, $now - $rng->below(90) * 86_400);
	$self->make_meter($_) for $rng->chance($self->{blocks} ? 30 : 15) ? qw(m1 m2) : 'm1';
	my ($meter) = values %{ $self->{meters} };
	$self->{versions} = !$self->{blocks} && !$without{version} && keys %{ $self->{meters} } == 1 && !$meter->{keyed} && !$meter->{currencies} && $rng->chance(70);
	$self->{base} = $now - $rng->between(1, 60) * 86_400 if $self->{versions} && $self->{base} > $now;
	# an event of a batch that comes before a window moves that once, behind the batch
	$self->{singly} = grep { $_->{function} eq 'weighted_sum' } values %{ $self->{meters} };
	$self->make_steps;
	return $self;
}

sub time_text {
	my ($t) = @_;
	return POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $t);
}

# --------------------------------------------------------------------- meters

sub make_meter {
	my ($self, $key) = @_;
	my $rng = $self->{rng};
	my $function = $rng->pick(qw(sum sum sum sum count count avg min max unique_count latest weighted_sum percentile custom custom));
	$function = 'sum' if $without{$function};
	my $meter = { key => $key, function => $function, window => $self->make_window, dimensions => [ sort $rng->some(2, 'd', 'm') ],
		negative_allowed => $rng->chance(45), currencies => $rng->chance(20), filtered => $rng->chance(15), mapped => $rng->chance(10), keyed => $rng->chance(20) };
	$meter->{mode} = $rng->pick(qw(delta gauge)) if $function eq 'weighted_sum';
	$meter->{percent} = $rng->pick(50, 90, 25, 0, 100) if $function eq 'percentile';
	$self->{meters}{$key} = $meter;
	$self->{negative} ||= $meter->{negative_allowed};
	return;
}

sub make_window {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $size = $rng->pick(qw(minute hour hour day day day month month billing_period));
	return { size => $size, time_zone => $size eq 'minute' ? 'UTC' : $rng->pick(@ZONES), $size eq 'minute' && $rng->chance(50) ? (count => 5) : () };
}

# As meter.create_meter takes it.
sub definition {
	my ($meter) = @_;
	my $f = $meter->{function};
	my %def = (key => $meter->{key}, metric_key => 't', function => $f, window => $meter->{window},
		dimensions => { map { $_ => "\$.$_" } @{ $meter->{dimensions} } }, negative_allowed => $meter->{negative_allowed} ? \1 : \0);
	$def{unique_by_field} = 'k' if $f eq 'unique_count';
	$def{function_options} = { mode => $meter->{mode} } if $f eq 'weighted_sum';
	$def{function_options} = { percentile => $meter->{percent} / 100 } if $f eq 'percentile';
	$def{unit_currency_field} = 'cur' if $meter->{currencies};
	$def{account_mapping} = { type => 'id', event_property => 'who' } if $meter->{mapped};
	$def{dedup_key_path} = 'k' if $meter->{keyed};
	return { %def, %{ version($f, $meter->{filtered}, 'n') } };
}

# What of it versions change: whether it filters, and where the number is.
sub version {
	my ($function, $filtered, $field) = @_;
	return { filter_tree => $filtered ? { not => { field => '$.off', op => 'eq', value => \1 } } : undef,
		$function eq 'custom' ? (function_options => { expression => "$field * 2 + 1" }) : $function =~ /count/ ? () : (value_field => $field) };
}

# ----------------------------------------------------------------- thresholds

# About how far the meter's values go.
sub reach {
	my ($self, $meter) = @_;
	my $most = { small => 5, middle => 60, money => 100 }->{ $self->{style} };
	my $f = $meter->{function};
	return $f eq 'count' ? 25 : $f eq 'unique_count' ? 8 : $f =~ /^(sum|custom)$/ ? 10 * $most : $f eq 'weighted_sum' && $meter->{mode} eq 'delta' ? 5 * $most : $most;
}

sub make_threshold {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $meter = $self->{meters}{ $rng->pick(sort keys %{ $self->{meters} }) };
	my $reach = $self->reach($meter);
	my $block = $self->{blocks} && $meter->{function} ne 'weighted_sum' && $rng->chance(55);
	my $comparator = $block ? $rng->pick(qw(gte gte gt lte lt)) : $rng->pick(qw(gt gte gte gte lt lte lte eq));
	$comparator =~ s/^l/g/ if $block && $rng->chance(60);
	my %values = map { $self->value_near($reach, $meter) => 1 } 1 .. $rng->pick(1, 1, 2, 3, 4);
	my @values = $comparator =~ /^l/ ? sort { $b <=> $a } keys %values : $comparator eq 'eq' ? $rng->shuffle(sort keys %values) : sort { $a <=> $b } keys %values;
	my $t = { name => 't' . $self->{next_name}++, meter => $meter->{key}, comparator => $comparator, threshold_value => \@values,
		per_dimensions => @{ $meter->{dimensions} } && $rng->chance(35) ? 1 : 0, action_kind => $block ? 'block' : $rng->pick(qw(notify notify webhook suspend)), evaluate_on_create => $rng->chance(30) && !$without{create} ? 1 : 0 };
	$t->{recurring_step} = $self->unit * $rng->between(1, 10) if !$block && $comparator ne 'eq' && $rng->chance(30);
	$t->{action_event_type} = 'usage.alert' if $rng->chance(20);
	$t->{action_target} = 'https://example.com/hook' if $t->{action_kind} eq 'webhook' || $rng->chance(20);
	$t->{window} = $self->make_window if $rng->chance(30);
	$t->{scope} = $self->make_scope if $rng->chance(55);
	# often one that looks at what another looks at, or did
	my @others = grep { $_->{meter} eq $t->{meter} } @{ $self->{former} };
	@$t{qw(window scope per_dimensions)} = @{ $rng->pick(@others) }{qw(window scope per_dimensions)} if @others && $rng->chance(25);
	push @{ $self->{former} }, $t;
	if ($rng->chance(45)) {
		my $clear = $comparator eq 'eq' ? $self->value_near($reach, $meter) : $values[0] + ($comparator =~ /^l/ ? 1 : -1) * $self->unit * $rng->pick(1, 1, 2, 3, 6);
		$t->{clear_value} = $clear unless grep { $_ == $clear } @values;
	}
	$self->{thresholds}{ $t->{name} } = $t;
	return { kind => 'threshold', def => $t };
}

sub unit { return $_[0]{style} eq 'money' ? 250 : 100 }

sub value_near {
	my ($self, $reach, $meter) = @_;
	my $rng = $self->{rng};
	my $n = $rng->between($meter->{negative_allowed} ? -$reach / 2 : 1, $reach) * 100;
	return $n ? $n + ($rng->chance(10) ? 50 : 0) : $self->unit;
}

sub make_scope {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @kinds = ({ kind => 'meter' });
	push @kinds, { kind => 'customer', id => $rng->pick(keys_of($self->{customers}), $rng->pick(@{ $self->{subjects} })) };
	push @kinds, { kind => 'product', id => $rng->pick(keys_of($self->{products})) } if $self->{products};
	push @kinds, { kind => 'subscription', id => $rng->pick(keys_of($self->{subscriptions})) } if $self->{subscriptions};
	return $rng->pick(@kinds, $kinds[-1]);
}

sub keys_of { my ($hash) = @_; return sort keys %{ $hash // {} } }

# ------------------------------------------------------ customers and the like

# A customer, who has at least one of the subjects that are nobody's yet.
sub make_customer {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @free = grep { !$self->{owned}{$_} && !$self->{seen}{$_} } @{ $self->{subjects} };
	return if !@free;
	my $id = 'c' . $self->{next_name}++;
	my @aliases = @free[ 0 .. $rng->below(scalar @free) ];
	$self->{owned}{$_} = $id for @aliases;
	$self->{customers}{$id} = 1;
	return { kind => 'customer', def => { id => $id, name => $id, aliases => \@aliases } };
}

sub make_product {
	my ($self) = @_;
	my $code = 'p' . $self->{next_name}++;
	$self->{products}{$code} = 1;
	return { kind => 'product', code => $code };
}

# A subscription; of one customer they do not overlap.
sub make_subscription {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @customers = grep { !$self->{subscribed}{$_} } keys_of($self->{customers});
	return if !@customers || !$self->{products};
	my $customer = $rng->pick(@customers);
	my $id = sprintf '00000000-0000-4000-8000-%012d', $self->{next_name}++;
	my $far = $SECONDS{ $self->{meters}{m1}{window}{size} };
	my $started = $self->{base} - $rng->pick(40 * 86_400, $rng->below($far), $rng->below(2 * $far));
	my $ended = $rng->chance(30) ? $started + $rng->below(3 * $far) + 60 : undef;
	$self->{subscribed}{$customer} = 1 if !defined $ended;
	if (defined $ended && $rng->chance(50)) {

		# room for one that follows
		$self->{subscribed}{$customer} = 1;
		push @{ $self->{later} }, { customer => $customer, started_at => $ended };
	}
	$self->{subscriptions}{$id} = 1;
	return $self->subscription($id, $customer, $started, $ended);
}

sub subscription {
	my ($self, $id, $customer, $started, $ended) = @_;
	my $rng = $self->{rng};
	return { kind => 'subscription', def => { id => $id, customer => $customer, started_at => $started, ended_at => $ended,
			products => [ $rng->pick(keys_of($self->{products})) ], period => { size => $rng->pick(qw(month month week day)) },
			time_zone => $rng->pick(@ZONES) } };
}

# --------------------------------------------------------------------- events

# A time in some window near the base, on a boundary now and then.
sub make_time {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $size = $SECONDS{ $self->{meters}{m1}{window}{size} };
	my $t = $self->{base} + $rng->pick(0, 0, 0, -1, 1) * $rng->below($size) - $rng->below(int($size / 4) + 1);
	return $t if $rng->chance(70);
	$t -= $t % $rng->pick(60, 3600, 1800, 86_400);
	return $t + $rng->pick(0, 0, -1, 1);
}

sub make_data {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $n = { small => 100 * $rng->between(1, 5), middle => 100 * $rng->between(1, 60), money => $rng->between(1, 10_000) }->{ $self->{style} };
	$n = -$n if $rng->chance($self->{negative} ? 30 : 3);
	$n = 0 if $rng->chance(3);
	my %data = (n => $n, n2 => $n * 3 % 10_000, k => 'k' . $rng->below($rng->pick(6, 400)), who => $rng->pick(@{ $self->{subjects} }));
	$data{d} = $rng->pick(qw(a b)) if $rng->chance(85);
	$data{m} = $rng->pick(qw(x y)) if $rng->chance(85);
	$data{cur} = $rng->pick(qw(EUR EUR USD)) if $rng->chance(96);
	$data{off} = 1 if $rng->chance(10);
	return \%data;
}

sub data_json {
	my ($data, @without) = @_;
	my %left = %$data;
	delete @left{@without};
	return '{' . join(',', map { qq("$_":) . (/^n/ ? Threshold::Value::text($left{$_}) : $_ eq 'off' ? 'true' : qq("$left{$_}")) } sort keys %left) . '}';
}

# A new event, or one sent before, or its key with something else in it.
sub make_event {
	my ($self) = @_;
	my $rng = $self->{rng};
	my @sent = grep { !defined $_->{meter} } @{ $self->{sent} };
	my $old = @sent ? $rng->pick(@sent) : undef;
	return $old if $old && $rng->chance(7);
	# Where a meter has keys of its own, an id that comes twice in a batch with different
	# payloads stays a conflict even if the first of them came to nothing.
	my $event = $old && $rng->chance(4) && !(grep { $_->{keyed} } values %{ $self->{meters} }) ? { %$old, data => $self->make_data }
	  : { id => 'e' . $self->{next_id}++, source => 's', subject => $rng->pick(@{ $self->{subjects} }), time => $self->make_time, data => $self->make_data };
	return $self->written($event);
}

# A report to one meter, as an event.
sub make_report {
	my ($self, $meter) = @_;
	my $rng = $self->{rng};
	my @old = grep { $_->{source} eq 'report_usage' && $_->{meter} eq $meter } @{ $self->{sent} };
	return $rng->pick(@old) if @old && $rng->chance(8);
	my $event = { id => 'r' . $self->{next_id}++, source => 'report_usage', meter => $meter, subject => $rng->pick(@{ $self->{subjects} }), time => $self->make_time, data => $self->make_data };
	$event->{data}{who} = $event->{subject};
	return $self->written($event);
}

sub written {
	my ($self, $event) = @_;
	my $data = data_json($event->{data});
	$event->{data_json} = $data;
	$event->{payload} = join '|', $event->{subject}, $event->{time}, $data;
	my $time = time_text($event->{time});
	$event->{json} = qq({"id":"$event->{id}","source":"$event->{source}","type":"t","subject":"$event->{subject}","time":"$time","data":$data});
	$self->{seen}{ $event->{subject} } = $self->{seen}{ $event->{data}{who} } = 1;
	push @{ $self->{sent} }, $event;
	return $event;
}

# ---------------------------------------------------------------------- steps

sub make_steps {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $steps = $self->{steps};
	my $wanted = $rng->between(1, 6);
	push @$steps, $self->make_customer if $rng->chance(60);
	push @$steps, $self->make_product, $self->make_subscription if $self->{customers} && $rng->chance(70);
	push @$steps, $self->make_threshold for 1 .. $rng->between(1, $wanted);
	my $budget = $rng->chance(6) ? $rng->between(150, 300) : $rng->between(10, 90);
	while ($budget > 0) {
		my $send = $self->make_send(\$budget);
		push @$steps, $rng->chance(8) ? { %$send, rollback => 1 } : (), $send;
		push @$steps, $self->make_step for 1 .. $rng->pick(0, 0, 1, 2);
	}
	return;
}

sub make_send {
	my ($self, $budget) = @_;
	my $rng = $self->{rng};
	my @reported = grep { !$self->{versions} && $self->{meters}{$_}{function} !~ /^(count|unique_count|custom)$/ } sort keys %{ $self->{meters} };
	my $how = $rng->pick(qw(ingest ingest ingest inbox_json inbox_columns inbox_insert), @reported ? 'report' : ());
	my $n = $$budget > 100 ? $rng->between(80, 200) : $rng->chance(35) ? 1 : $rng->between(1, 25);
	$n = $rng->between(1, 4) if $how eq 'report';
	$n = 1 if $self->{singly};
	$n = $$budget if $n > $$budget;
	$$budget -= $n;
	my $meter = @reported ? $rng->pick(@reported) : undef;
	return { kind => 'send', how => $how, events => [ map { $how eq 'report' ? $self->make_report($meter) : $self->make_event } 1 .. $n ] };
}

# A version for the past, behind which events are counted anew.
sub make_version {
	my ($self) = @_;
	my $rng = $self->{rng};
	my ($event) = grep { $_->{time} < $self->{now} - 60 } $rng->shuffle(@{ $self->{sent} });
	my $since = $event ? $event->{time} + $rng->pick(0, 0, 1) : $self->{now} - 3600;
	return if grep { $_ == $since } @{ $self->{since} };
	push @{ $self->{since} }, $since;
	return { kind => 'version', meter => 'm1', since => $since, filtered => $rng->below(2), field => $rng->pick(qw(n n2)) };
}

sub make_step {
	my ($self) = @_;
	my $rng = $self->{rng};
	my $kind = $rng->pick(qw(void void void amend amend threshold pause pause delete customer subscription subscription later), $self->{versions} ? qw(version version version version) : ());
	my ($name) = $rng->shuffle(keys_of($self->{thresholds}));
	return if $without{$kind};
	if ($kind =~ /^(void|amend)$/) {
		return if !@{ $self->{sent} };
		my $event = $rng->pick(@{ $self->{sent} });
		my $data = $self->make_data;
		@$data{qw(k who)} = @{ $event->{data} }{qw(k who)};
		my $step = { kind => $kind, event => $event, data => $data };
		return $rng->chance(10) ? ({ %$step, rollback => 1 }, $step) : $step;
	}
	return keys %{ $self->{thresholds} } < 6 ? $self->make_threshold : () if $kind eq 'threshold';
	return $self->make_version if $kind eq 'version';
	if ($kind eq 'pause' && defined $name) {
		my $paused = $self->{paused}{$name} = !$self->{paused}{$name};
		return { kind => $paused ? 'pause' : 'resume', name => $name };
	}
	if ($kind eq 'delete' && defined $name && $rng->chance(40)) {
		delete $self->{thresholds}{$name};
		return { kind => 'delete', name => $name };
	}
	return $self->make_customer if $kind eq 'customer';
	return ($self->{products} ? () : $self->make_product, $self->make_subscription) if $kind eq 'subscription';
	if ($kind eq 'later' && @{ $self->{later} // [] }) {
		my $later = shift @{ $self->{later} };
		my $id = sprintf '00000000-0000-4000-8000-%012d', $self->{next_name}++;
		$self->{subscriptions}{$id} = 1;
		return $self->subscription($id, @$later{qw(customer started_at)}, undef);
	}
	return;
}

1;
