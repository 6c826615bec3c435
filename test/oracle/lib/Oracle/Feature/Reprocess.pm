package Oracle::Feature::Reprocess;

# Ranges counted anew, closed windows among them.

use strict;
use warnings;
use Oracle::Scenario;

sub kinds { return qw(reprocess) }

sub make_reprocess {
	my ($s) = @_;
	my $rng = $s->{rng};
	my ($from, $to) = sort { $a <=> $b } map { $s->make_edge } 1 .. 2;
	$to++ if $from == $to;
	($from, $to) = map { $s->{now} + $_ * 200 * 86_400_000_000 } -1, 1 if $rng->chance(30);
	return { meter => $s->any_meter, from => Oracle::Scenario::time_text($from), to => Oracle::Scenario::time_text($to), alone => 1 };
}

# A procedure that commits: in no transaction.
sub play_reprocess {
	my ($p, $scenario, $step) = @_;
	my $key = $p->key($scenario, $step->{meter}) // return;
	my @arguments = ($p->{organization}, $key, @$step{qw(from to)});
	$p->command('CALL meter.reprocess(%s, %s, %s, %s, %s)', @arguments, 'definition corrected');
	return $p->oracle('reprocess(%s, %s, %s, %s)', @arguments);
}

1;
