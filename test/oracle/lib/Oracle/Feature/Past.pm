package Oracle::Feature::Past;

# Questions about what was known at an instant of the history; Oracle::History
# asks them where this is on.

use strict;
use warnings;

1;
