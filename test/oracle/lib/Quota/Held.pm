package Quota::Held;

use strict;
use warnings;

sub kinds { return qw(n q) }

1;
