package Oracle::Feature::Corrections;

# Events that are taken back, or replaced by others; some twice, some that never
# came.

use strict;
use warnings;
use Oracle::Scenario;

sub kinds { return qw(void void void amend amend) }

# The type and the key of an event sent, often by the latest batch.
sub make_void {
	my ($s) = @_;
	my $rng = $s->{rng};
	my $event = $s->any_sent // return;
	my $key = $rng->chance(3) ? 'never sent' : $event->{id};
	$key = $event->{data}{key} =~ s/"//gr if ref $event->{data} && $rng->chance(5) && keyed($s, $event);
	return { type => $event->{type}, key => $key };
}

# Has a meter of the event's type keys of its own?
sub keyed {
	my ($s, $event) = @_;
	return scalar grep { $_->{dedup_key_path} && $_->{metric_key} eq Oracle::Scenario::quote($event->{type}) } @{ $s->{meters} };
}

sub make_amend {
	my ($s) = @_;
	my $step = make_void($s) // return;
	$step->{data} = Oracle::Scenario::encode($s->make_data);
	return $step;
}

sub play_void {
	my ($p, $scenario, $step) = @_;
	return $p->both('void_event(%s, %s, %s, %s)', $p->{organization}, @$step{qw(type key)}, 'sent by mistake');
}

sub play_amend {
	my ($p, $scenario, $step) = @_;
	return $p->both('amend_event(%s, %s, %s, %s, %s)', $p->{organization}, @$step{qw(type key)}, 'was wrong', $step->{data});
}

1;
