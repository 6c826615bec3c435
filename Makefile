# meter: usage metering inside PostgreSQL.
# PGXS does the building; everything below it is lists and shortcuts.

EXTENSION  = meter
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" meter.control)
MODULE_big = meter
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built = meter--$(EXTVERSION).sql

PG_CPPFLAGS = -I$(CURDIR)/src
PG_CFLAGS   = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-declaration-after-statement

# The install script is these modules, in this order.
SQL_MODULES = \
	sql/schema/setup.sql \
	sql/functions/decimal.sql \
	sql/functions/state.sql \
	sql/functions/aggregates.sql \
	sql/functions/window.sql \
	sql/functions/expression.sql \
	sql/functions/filter.sql \
	sql/functions/json_schema.sql \
	sql/schema/catalog.sql \
	sql/schema/store.sql \
	sql/functions/definitions.sql \
	sql/functions/engine.sql \
	sql/functions/inbox.sql \
	sql/schema/grants.sql

# Bitcode needs the server's own clang; nothing here gains from it.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

meter--$(EXTVERSION).sql: $(wildcard $(SQL_MODULES)) meter.control
	cat $(wildcard $(SQL_MODULES)) > $@

$(OBJS): $(wildcard src/*.h src/*/*.h)
