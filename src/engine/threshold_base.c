/*
 * threshold_base.c
 *		Accounts computed from usage.
 */
#include "engine/threshold_private.h"
void
meter_account_compute(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	for (int i = 0; i < n; i++)
		meter_account_clear(accounts[i]);
}
