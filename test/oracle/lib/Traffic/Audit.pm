package Traffic::Audit;

# Ask the functions of audit.sql what is wrong, when nobody is at work.

use strict;
use warnings;
use Traffic::World;

my $day = 86_400;

# rng: which past instants are looked at again.
sub new {
	my ($class, $dbh, $world, $rng) = @_;
	return bless { dbh => $dbh, world => $world, rng => $rng, noted => [] }, $class;
}

sub ask {
	my ($self, $sql, @arguments) = @_;
	return @{ $self->{dbh}->selectcol_arrayref($sql, undef, @arguments) };
}

# Everything that can have been counted lies in it.
sub period {
	my ($self) = @_;
	my $base = $self->{world}{base};
	return (Traffic::World::timestamp($base - 3600), Traffic::World::timestamp($base + 3 * $day));
}

# The same, cut at the edges.
sub cut_period {
	my ($self) = @_;
	my @cut = sort { $a <=> $b } map { $self->{world}{base} + $self->{rng}->below(100_000_000) / 1000 } 1 .. 2;
	return map { Traffic::World::timestamp($_) } @cut;
}

# In a moment: is all there that was acknowledged, and as much of each meter
# counted as is stored?
sub quick {
	my ($self, @acknowledged) = @_;
	return ($self->ask('SELECT audit.acknowledge($1)', \@acknowledged), $self->ask('SELECT audit.totals()'));
}

# Everything there is to say about events and usage.
sub full {
	my ($self) = @_;
	return (
		$self->ask('SELECT audit.halves()'),
		$self->ask('SELECT audit.events()'),
		$self->ask('SELECT audit.rejected()'),
		$self->ask('SELECT audit.late()'),
		$self->ask('SELECT audit.usage($1, $2, true)', $self->period),
		$self->ask('SELECT audit.usage($1, $2, false)', $self->cut_period));
}

# Finish what was left to do, close what is due, then judge results.
sub closed {
	my ($self) = @_;
	$self->{dbh}->do('CALL meter.run_reprocess_jobs()');
	my @between = $self->ask('SELECT clock_timestamp()');
	$self->{dbh}->do('SELECT meter.close_windows()');
	push @between, $self->ask('SELECT clock_timestamp()');
	return (
		$self->ask('SELECT audit.jobs()'),
		$self->ask('SELECT audit.versions($1)', $between[1]),
		$self->ask('SELECT audit.results($1, $2, $3, $4)', @between, $self->period));
}

# Remember what usage is now.
sub note {
	my ($self) = @_;
	push @{ $self->{noted} }, $self->ask('SELECT audit.note($1, $2)', $self->period);
	return;
}

# What was noted last, and once before, is still so as of then.
sub past {
	my ($self) = @_;
	my @noted = @{ $self->{noted} } or return;
	my @meters = $self->ask('SELECT DISTINCT meter FROM audit.version ORDER BY 1');
	my @instants = ($noted[-1], $self->{rng}->pick(@noted));
	return map { $self->ask('SELECT audit.as_of($1, $2, $3, $4)', $_, $self->{rng}->pick(@meters), $self->period) } @instants;
}

# Count everything again: then each event is counted by the version in whose
# range it lies.
sub reprocessed {
	my ($self) = @_;
	for my $meter ($self->ask('SELECT DISTINCT meter FROM audit.version ORDER BY 1')) {
		$self->{dbh}->do(q{CALL meter.reprocess($1, $2, '-infinity', 'infinity', 'everything again')}, undef,
			$Traffic::World::organization, $meter);
	}
	return ($self->full, $self->closed, $self->ask(q{SELECT audit.versions('-infinity')}));
}

1;
