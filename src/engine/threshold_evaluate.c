/*
 * threshold_evaluate.c
 *		A new threshold held against what was used already.
 *
 * Of every account that has usage in its window of now, the value has come from
 * nothing to where it is, as far as the new threshold is concerned.
 *
 * The definitions lock keeps ingestion out, so usage can be asked first, for many
 * accounts at a time, and only the rows of those that have any are taken.  An
 * account whose series lie in two slices is looked at twice, and crosses nothing
 * the second time.
 */
#include "engine/threshold_private.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/locks.h"
#include "engine/spi.h"

/* So many series at a time: the more, the seldomer the rollups are read. */
#define SLICE_SERIES 50000

typedef struct Evaluation
{
	pg_uuid_t	organization;
	TimestampTz now;
	const MeterPlan *plan;		/* in force now */
	MeterEntry	meter;			/* with the threshold's watch alone */
	MeterWatch *watch;
	int			threshold;		/* its number among the watch's */
} Evaluation;

/* The meter of a threshold; NULL where there is no such threshold. */
static const MeterEntry *
find_meter(const pg_uuid_t *organization, int32 threshold_no)
{
	static MeterStatement statement = {
		"SELECT t.meter_id::text FROM meter.threshold AS t WHERE t.organization_id = $1 AND t.threshold_no = $2",
		2, {UUIDOID, INT4OID}
	};
	Datum		values[2];
	char	   *id;
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(threshold_no);
	meter_spi_execute(&statement, values, NULL, false);
	if (SPI_processed == 0)
		return NULL;
	id = TextDatumGetCString(meter_spi_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return meter_cache_meter(organization, id, strlen(id));
}

/* Find the threshold among the meter's; false where it is not to be evaluated. */
static bool
find_threshold(Evaluation *evaluation, const MeterEntry *meter, int32 threshold_no)
{
	for (int w = 0; w < meter->nwatches; w++)
	{
		MeterWatch *watch = meter->watches[w];

		for (int i = 0; i < watch->nthresholds; i++)
		{
			if (watch->thresholds[i].threshold_no != threshold_no || watch->thresholds[i].paused)
				continue;
			evaluation->meter = *meter;
			evaluation->watch = watch;
			evaluation->meter.nwatches = 1;
			evaluation->meter.nplain = watch->scope_id == NULL;
			evaluation->meter.watches = &evaluation->watch;
			evaluation->threshold = i;
			evaluation->plan = meter_entry_version(meter, evaluation->now);
			return evaluation->plan != NULL;
		}
	}
	return false;
}

/* The subjects whose usage may count, palloc'd; -1 for all. */
static int
find_subjects(const Evaluation *evaluation, MeterText **subjects)
{
	static MeterStatement statement = {
		"SELECT DISTINCT s.subject FROM meter.subscription AS p"
		" JOIN meter.customer_subject AS s ON s.organization_id = p.organization_id AND s.customer_id = p.customer_id"
		" WHERE p.organization_id = $1 AND (p.id::text = $2 OR EXISTS (SELECT FROM meter.subscription_product AS h"
		" WHERE h.organization_id = p.organization_id AND h.subscription_id = p.id AND h.product_id::text = $2))",
		2, {UUIDOID, TEXTOID}
	};
	const char *scope_id = evaluation->watch->scope_id;
	MeterText	scope = {scope_id, scope_id ? strlen(scope_id) : 0};
	Datum		values[2];
	int			n;

	if (scope_id == NULL)
		return -1;
	if (evaluation->watch->scope == METER_SCOPE_CUSTOMER)
		return meter_customer_subjects(&evaluation->organization, &scope, DT_NOEND, subjects);
	values[0] = UUIDPGetDatum(&evaluation->organization);
	values[1] = CStringGetTextDatum(scope_id);
	meter_spi_execute_once(&statement, values, NULL, true);
	n = (int) SPI_processed;
	*subjects = palloc(Max(n, 1) * sizeof(MeterText));
	for (int row = 0; row < n; row++)
	{
		MeterText	subject = meter_spi_get_text(row, 1);

		(*subjects)[row] = (MeterText) {pnstrdup(subject.data, subject.len), subject.len};
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* The accounts with usage among those of some series; palloc'd. */
static int
find_used(const Evaluation *evaluation, MeterSeries *series, int n, MeterAccount ***used)
{
	MeterAccounts *set = meter_accounts_begin(&evaluation->organization, false);
	const MeterSeries **list = palloc(n * sizeof(MeterSeries *));
	MeterAccount **accounts;
	int			naccounts;
	int			nused = 0;

	for (int i = 0; i < n; i++)
		list[i] = &series[i];
	meter_accounts_prepare(set, &evaluation->meter, list, n);
	for (int i = 0; i < n; i++)
	{
		MeterAccount **found;

		CHECK_FOR_INTERRUPTS();
		(void) meter_accounts_find(set, &evaluation->meter, evaluation->plan, &series[i], evaluation->now, &found);
	}
	naccounts = meter_accounts_all(set, &accounts);
	for (int i = 0; i < naccounts; i++)
	{
		/* a subscription that has not begun */
		if (meter_account_is_anchor(accounts[i]))
			accounts[i--] = accounts[--naccounts];
	}
	meter_account_compute(&evaluation->organization, accounts, naccounts);
	*used = palloc(Max(naccounts, 1) * sizeof(MeterAccount *));
	for (int i = 0; i < naccounts; i++)
	{
		if (accounts[i]->used)
			(*used)[nused++] = accounts[i];
	}
	return nused;
}

/* Have the rows of accounts, which say what was computed. */
static void
take_rows(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	MeterAccount *computed = palloc_extended(Max(n, 1) * sizeof(MeterAccount), MCXT_ALLOC_HUGE);

	meter_account_sort(accounts, n);
	for (int i = 0; i < n; i++)
		computed[i] = *accounts[i];
	meter_account_take(organization, accounts, n);
	for (int i = 0; i < n; i++)
	{
		accounts[i]->has_value = computed[i].has_value;
		accounts[i]->value = computed[i].value;
		accounts[i]->state = computed[i].state;
	}
}

/* Move the one threshold over the accounts of some series. */
static void
evaluate_series(const Evaluation *evaluation, MeterSeries *series, int n)
{
	MeterWatch	alone = *evaluation->watch;
	MeterBreaches breaches = {0};
	MeterAccount **accounts;
	MeterAccount *moved;

	n = find_used(evaluation, series, n, &accounts);
	take_rows(&evaluation->organization, accounts, n);
	alone.nthresholds = 1;
	alone.thresholds += evaluation->threshold;
	moved = palloc_extended(Max(n, 1) * sizeof(MeterAccount), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		moved[i] = *accounts[i];
		moved[i].watch = &alone;
		moved[i].fired += evaluation->threshold;
		meter_breaches_add(&breaches, &moved[i], NULL, i);
	}
	meter_account_write(&evaluation->organization, accounts, n);
	if (breaches.n > 0)
		meter_breaches_emit(&evaluation->organization, evaluation->now, &breaches);
}

/* The same for all series of a stream. */
static void
evaluate_stream(const Evaluation *evaluation, int32 stream_id, const MeterText *subjects, int nsubjects)
{
	MeterSeries *series;
	int			n = nsubjects < 0 ? meter_series_list(&evaluation->organization, stream_id, NULL, &series) :
		meter_series_list_of(&evaluation->organization, stream_id, subjects, nsubjects, &series);

	for (int first = 0; first < n; first += SLICE_SERIES)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter evaluation",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);

		evaluate_series(evaluation, series + first, Min(SLICE_SERIES, n - first));
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
}

/* Hold a threshold against what was used already; see threshold.h. */
void
meter_threshold_evaluate(const pg_uuid_t *organization, int32 threshold_no)
{
	Evaluation	evaluation = {.organization = *organization};
	const MeterEntry *meter;
	MeterText  *subjects;
	int			nsubjects;

	meter_lock_definitions_exclusive(organization);
	meter_cache_refresh(true);
	evaluation.now = GetCurrentTimestamp();
	meter = find_meter(organization, threshold_no);
	if (meter == NULL || !find_threshold(&evaluation, meter, threshold_no))
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	nsubjects = find_subjects(&evaluation, &subjects);
	for (int v = 0; v < meter->nversions && nsubjects != 0; v++)
	{
		bool		done = false;

		for (int before = 0; before < v; before++)
			done |= meter->versions[before]->stream_id == meter->versions[v]->stream_id;
		if (!done)
			evaluate_stream(&evaluation, meter->versions[v]->stream_id, subjects, nsubjects);
	}
	PopActiveSnapshot();
}
