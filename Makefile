# meter: usage metering inside PostgreSQL.
# PGXS does the building; everything below it is lists and shortcuts.
#
#   make, make install, make installcheck    as with every PGXS extension
#   make demo [KEEP=1]     private server, real data, figures checked
#   make serve [PORT=..]  the demo over HTTP, with PostgREST and nginx
#   make test [SUITES=..]  every test there is, on a private server
#   make bench             the speed table, kept in docs/benchmarks.md
#   make docs              docs/reference.md from the COMMENTs
#   make checkver          do all files agree on the version?
#   make test-versions     PostgreSQL 17 and 18 in roots of their own
#   make format            clang-format in place
#   make distclean         also stop the private servers and remove build/

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
	sql/schema/tenancy.sql \
	sql/functions/decimal.sql \
	sql/functions/state.sql \
	sql/functions/aggregates.sql \
	sql/functions/window.sql \
	sql/functions/expression.sql \
	sql/functions/filter.sql \
	sql/functions/json_schema.sql \
	sql/schema/catalog.sql \
	sql/schema/customers.sql \
	sql/schema/bindings.sql \
	sql/schema/thresholds.sql \
	sql/schema/catalog_views.sql \
	sql/schema/store.sql \
	sql/schema/outbox.sql \
	sql/schema/devices.sql \
	sql/functions/outbox.sql \
	sql/functions/relay.sql \
	sql/functions/organizations.sql \
	sql/functions/definitions.sql \
	sql/functions/recount.sql \
	sql/functions/versions.sql \
	sql/functions/retirement.sql \
	sql/functions/customers.sql \
	sql/functions/subscriptions.sql \
	sql/functions/bindings.sql \
	sql/functions/balances.sql \
	sql/functions/thresholds.sql \
	sql/functions/quotas.sql \
	sql/functions/devices.sql \
	sql/functions/readings.sql \
	sql/functions/engine.sql \
	sql/functions/inbox.sql \
	sql/functions/rejected.sql \
	sql/functions/corrections.sql \
	sql/functions/reprocess.sql \
	sql/functions/closing.sql \
	sql/functions/retention.sql \
	sql/functions/sweep.sql \
	sql/functions/jobs.sql \
	sql/functions/roles.sql \
	sql/functions/http.sql \
	sql/api/setup.sql \
	sql/api/views.sql \
	sql/api/writable.sql \
	sql/api/rpc_usage.sql \
	sql/api/rpc_definitions.sql \
	sql/api/meter_filters.sql \
	sql/api/meters.sql \
	sql/api/devices.sql \
	sql/api/device_readings.sql \
	sql/api/reporting.sql \
	sql/api/organization_meters.sql \
	sql/api/profiled_meters.sql \
	sql/schema/grants.sql

# setup makes the extension, the others stand alone behind it.
REGRESS        = setup $(filter-out setup,$(sort $(basename $(notdir $(wildcard test/sql/*.sql)))))
REGRESS_OPTS   = --inputdir=build/regress --outputdir=build/regress
REGRESS_PREP   = regress-input
ISOLATION      = $(sort $(basename $(notdir $(wildcard test/isolation/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=build/isolation --load-extension=meter

# Bitcode needs the server's own clang; nothing here gains from it.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell command -v $(PG_CONFIG) >/dev/null 2>&1 && $(PG_CONFIG) --pgxs))
ifneq ($(PGXS),)
include $(PGXS)

meter--$(EXTVERSION).sql: $(wildcard $(SQL_MODULES)) meter.control
	cat $(wildcard $(SQL_MODULES)) > $@

$(OBJS): $(wildcard src/*.h src/*/*.h)
else
# demo and test install what is missing; the others need it to be there.
all install uninstall installcheck:
	@echo "$(PG_CONFIG) names no PGXS: install postgresql-server-dev-15, or set PG_CONFIG" >&2; exit 1
clean distclean:
endif

# pg_regress looks for sql/ and expected/ in one folder; here sql/ is taken by
# the install script's modules, so it gets a folder of links.
regress-input:
	@mkdir -p build/regress build/isolation
	@ln -sfn $(CURDIR)/test/sql build/regress/sql
	@ln -sfn $(CURDIR)/expected build/regress/expected

demo:
	@test/demo/run

serve:
	@PORT=$(PORT) POSTGREST=$(POSTGREST) test/demo/serve

test:
	@test/run $(SUITES)

bench:
	@test/lib/install build
	@test/bench/run

docs:
	@test/lib/install build
	@test/lib/sandbox build
	@test/lib/sandbox start
	@eval "$$(test/lib/sandbox env)" && test/lib/reference >docs/reference.md.new
	@mv docs/reference.md.new docs/reference.md

checkver:
	@test/lib/checkver

test-versions:
	@test/lib/versions $(VERSIONS)

format:
	@test/lib/install format
	clang-format -i $(wildcard src/*.[ch] src/*/*.[ch])

distclean: remove-build
remove-build:
	@for variant in '' asan valgrind; do METER_VARIANT=$$variant test/lib/sandbox remove; done
	rm -rf build

.PHONY: regress-input demo serve test bench docs checkver test-versions format remove-build
