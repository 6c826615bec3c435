package Oracle::Feature::Versions;

# Meters that change: at once, later on, for the past; drafts, and versions taken
# back before they take effect.

use strict;
use warnings;
use Oracle::Features;
use Oracle::Scenario;

my %PARTS = (
	filter_tree       => ['filter_tree'],
	window            => ['window'],
	late_event_policy => ['late_event_policy'],
	function          => [qw(function value_field unique_by_field function_options)],
	negative_allowed  => ['negative_allowed'],
	unit_label        => ['unit_label'],
	profiles          => ['profiles'],
	unit_currency_field => ['unit_currency_field'],
	description       => ['description'],
	whole             => [qw(function value_field unique_by_field function_options filter_tree window late_event_policy negative_allowed
		  dimensions unit_currency_field data_fields derived_fields custom_fields profiles account_mapping event_schema)]);
my @SIMPLE = qw(filter_tree late_event_policy window negative_allowed unit_label description);
my @ORDINARY = qw(filter_tree filter_tree function function late_event_policy window negative_allowed unit_label profiles unit_currency_field description);

sub quote { return Oracle::Scenario::quote(@_) }

sub begin {
	my ($s) = @_;
	$s->{effective} = [];
	$s->{changed} = [];
	return;
}

sub kinds { return qw(update update update publish archive) }

# Another definition for some keys of a meter; null where it has none.
sub patch {
	my ($s, $m) = @_;
	my $rng = $s->{rng};
	my $old = $s->{meters}[$m];
	$s->{fielded}[$m] //= grep { $old->{$_} } qw(data_fields derived_fields custom_fields);
	my @parts = $rng->chance(15) ? 'whole' : map { $rng->pick($s->{fielded}[$m] ? @SIMPLE : @ORDINARY) } 1 .. $rng->between(1, 2);

	# what is calculated needs the fields of its own definition
	local $s->{plain} = $parts[0] ne 'whole';
	my $new = $s->make_meter(map { s/"//gr } @$old{qw(key metric_key)});
	$s->{fielded}[$m] = 1 if grep { $new->{$_} } qw(data_fields derived_fields custom_fields);
	$new->{unit_label} = quote($rng->pick(qw(GB MB)));
	$new->{description} = quote('Version ' . $s->{next_id}++);
	$new->{value_field} = quote('$.value') if $new->{value_field} && $parts[0] ne 'whole';
	$s->{changed}[$m]{window} = 1 if grep { /^(window|profiles|whole)$/ } @parts;
	return { map { $_ => $new->{$_} // 'null' } map { @{ $PARTS{$_} } } @parts };
}

sub encode { return Oracle::Scenario::encode(@_) }

# When a version takes effect: nothing for at once.
sub effective {
	my ($s) = @_;
	my $rng = $s->{rng};
	return if $rng->chance(35);
	my $t = $s->{now} + $rng->pick(1, 1, -1, -1, -1) * $rng->below($rng->pick(7200, 3 * 86400, 60 * 86400)) * 1_000_000;
	$t -= $t % $rng->pick(60_000_000, 3_600_000_000, 86_400_000_000) if $rng->chance(40);
	$t = $s->moment // $t if $rng->chance(20);
	$t = $rng->pick(@{ $s->{times} }) + $rng->pick(0, 1) if @{ $s->{times} } && $rng->chance(25);
	$t = $rng->pick(@{ $s->{effective} }) if @{ $s->{effective} } && $rng->chance(8);
	push @{ $s->{effective} }, $t;
	push @{ $s->{times} }, $t;
	return $t;
}

sub make_update {
	my ($s) = @_;
	my $rng = $s->{rng};
	my $m = $s->any_meter;
	my $patch = patch($s, $m);
	my $draft = $rng->chance(20);
	my $effective = $draft ? undef : effective($s);
	$patch->{save_as_draft} = 'true' if $draft;
	$patch->{effective_at} = quote(Oracle::Scenario::time_text($effective)) if defined $effective;
	$patch->{reprocess} = 'true' if defined $effective && $effective < $s->{now} && Oracle::Features::is_on('Reprocess') && $rng->chance(90);
	return { meter => $m, patch => $patch, lock => $rng->chance(15) ? $rng->pick(0, 0, 1) : undef };
}

sub make_publish {
	my ($s) = @_;
	my $rng = $s->{rng};
	my $effective = effective($s) // $s->{now} + 86_400_000_000;
	my $reprocess = Oracle::Features::is_on('Reprocess') && $effective < $s->{now} ? 'true' : 'false';
	return { meter => $s->any_meter, effective_at => Oracle::Scenario::time_text($effective), reprocess => $reprocess };
}

sub make_archive { return { meter => $_[0]->any_meter } }

# --------------------------------------------------------------------- playing

# The number of a version in some state, by the oracle.
sub number {
	my ($p, $key, $condition) = @_;
	my ($n) = $p->{dbh}->selectrow_array(qq{SELECT max(version) FROM oracle.meter m
		WHERE organization_id = \$1 AND key = \$2 AND $condition}, undef, $p->{organization}, $key);
	return $n;
}

sub play_update {
	my ($p, $scenario, $step) = @_;
	my $dbh = $p->{dbh};
	my $key = $p->key($scenario, $step->{meter}) // return;
	my %patch = %{ $step->{patch} };
	if (defined $step->{lock}) {
		my ($present) = $dbh->selectrow_array('SELECT (oracle.range_at($1, $2, clock_timestamp())).version', undef, $p->{organization}, $key);
		$patch{version} = $present + $step->{lock};
	}
	my $before = $p->clock;
	my $document = $p->engine("update_meter(%s, %s, %s) ->> 'effective_from'", $p->{organization}, $key, encode(Oracle::Play::public(\%patch)));
	my $at = $p->clock;
	if (defined $document && !$patch{effective_at} && !$patch{save_as_draft}) {
		($at) = $dbh->selectrow_array('SELECT $1::timestamptz WHERE $1::timestamptz BETWEEN $2 AND $3', undef, $document, $before, $at);
		return $p->differ('update_meter', "at once, but effective from $document") unless defined $at;
	}
	return $p->oracle('update_meter(%s, %s, %s, %s)', $p->{organization}, $key, encode(\%patch), $at);
}

sub play_publish {
	my ($p, $scenario, $step) = @_;
	my $key = $p->key($scenario, $step->{meter}) // return;
	my @arguments = ($p->{organization}, $key, number($p, $key, q{state = 'draft'}) // 99, @$step{qw(effective_at reprocess)});
	return $p->both('publish_meter_version(%s, %s, %s, %s, %s)', @arguments);
}

# A draft, or else the last version, which may not be in effect yet.
sub play_archive {
	my ($p, $scenario, $step) = @_;
	my $key = $p->key($scenario, $step->{meter}) // return;
	my $n = number($p, $key, q{state = 'draft'}) // number($p, $key, q{version = (SELECT r.version FROM oracle.version_range r
		WHERE r.organization_id = m.organization_id AND r.meter = m.key AND r.effective_to = 'infinity' AND r.known_to = 'infinity')});
	$p->engine('archive_meter_version(%s, %s, %s, %s)', $p->{organization}, $key, $n, 'no longer wanted');
	return $p->oracle('archive_meter_version(%s, %s, %s)', $p->{organization}, $key, $n);
}

# What is known of the ranges, now and at any instant.
sub compare {
	my ($p, $scenario) = @_;
	return $p->compare('version ranges',
		q{SELECT m.key, v.version, r.effective_from, r.effective_to, i
		  FROM meter.version_range r JOIN meter.meter_version v USING (organization_id, version_id) JOIN meter.meter m ON m.organization_id = v.organization_id AND m.id = v.meter_id,
			   unnest($2::timestamptz[]) i
		  WHERE r.organization_id = $1 AND r.known_from <= i AND i < r.known_to},
		q{SELECT r.meter, r.version, r.effective_from, r.effective_to, i
		  FROM oracle.version_range r, unnest($2::timestamptz[]) i
		  WHERE r.organization_id = $1 AND oracle.known(r.known_from, r.known_to, i)}, $p->{organization}, $p->{instants});
}

1;
