/*
 * replay.h
 *		Rejected events, and those in quarantine, tried again.
 */
#ifndef METER_ENGINE_REPLAY_H
#define METER_ENGINE_REPLAY_H

#include "compat.h"

#include "utils/uuid.h"

#include "values/error.h"

typedef struct MeterReplayRequest
{
	pg_uuid_t	organization;
	bool		release;		/* what is in quarantine; else what was refused */
	bool		named;			/* only the rejections of these numbers */
	int64	   *ids;
	int			nids;
	const char *meter;			/* only those of this meter: key or id, or NULL */
} MeterReplayRequest;

/* Called for each rejection; err is NULL where there is nothing to say. */
typedef void (*MeterReplayEmit) (void *arg, int64 id, const char *status, const MeterError *err);

/* Try them, between SPI_connect and SPI_finish.  Raises 42704 where there is no
 * such organization or meter. */
extern void meter_replay(const MeterReplayRequest *request, MeterReplayEmit emit, void *arg);

#endif							/* METER_ENGINE_REPLAY_H */
