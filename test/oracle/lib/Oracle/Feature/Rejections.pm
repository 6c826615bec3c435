package Oracle::Feature::Rejections;

# What was put away is let through, or tried again.

use strict;
use warnings;

sub kinds { return qw(release replay) }

# Of some meter or of all, of some events or of all.
sub which {
	my ($s) = @_;
	my $rng = $s->{rng};
	my $ids = $rng->chance(40) && @{ $s->{sent} } ? [ map { $_->{id} // () } map { $rng->pick(@{ $s->{sent} }) } 1 .. 6 ] : undef;
	return { meter => $rng->chance(40) ? $s->any_meter : undef, ids => $ids };
}

sub make_release { return which(@_) }

sub make_replay { return which(@_) }

sub play_release {
	my ($p, $scenario, $step) = @_;
	return play($p, $scenario, $step, 'release_quarantine', q{status = 'quarantined'});
}

sub play_replay {
	my ($p, $scenario, $step) = @_;
	return play($p, $scenario, $step, 'replay_rejected', q{status <> 'quarantined'});
}

sub play {
	my ($p, $scenario, $step, $function, $condition) = @_;
	my $key = defined $step->{meter} ? $p->key($scenario, $step->{meter}) // return : undef;
	my $ids;
	if ($step->{ids}) {
		($ids) = $p->{dbh}->selectrow_array(qq{SELECT coalesce(array_agg(id), '{}')::text FROM meter.rejected_events
			WHERE organization_id = \$1 AND $condition AND payload ->> 'id' = ANY (\$2)}, undef, $p->{organization}, $step->{ids});
	}
	$p->engine("$function(%s, %s, %s)", $p->{organization}, $ids, $key);
	return $p->oracle("$function(%s, %s, %s)", $p->{organization}, $step->{ids} ? '{' . join(',', @{ $step->{ids} }) . '}' : undef, $key);
}

1;
