/*
 * known_subjects.c
 *		settings.require_known_subject: events of subjects nobody owns are
 *		rejected.
 *
 * A meter that would count or filter the event refuses it; an event that no
 * meter listens to is refused as a whole.  An event without a subject has none
 * that is known.
 */
#include "engine/batch.h"

#include "engine/customers.h"

/* The error of an event whose subject is not known. */
static MeterError *
unknown_subject(MeterText subject)
{
	MeterError	err;

	if (subject.data)
		meter_error_set(&err, "UNKNOWN_SUBJECT", "no customer has the subject \"%.*s\"", subject.len, subject.data);
	else
		meter_error_set(&err, "UNKNOWN_SUBJECT", "expected the subject of a customer, got none");
	meter_error_prepend(&err, "subject", 7);
	return meter_batch_error(&err);
}

/* Reject what belongs to nobody; see batch.h. */
void
meter_batch_require_known(MeterBatch *batch)
{
	int			n = batch->nseries + batch->nevents;
	MeterText  *subjects = palloc(Max(n, 1) * sizeof(MeterText));
	MeterText  *owners = palloc(Max(n, 1) * sizeof(MeterText));

	/* first those that meters saw, then those of the envelopes */
	for (int i = 0; i < batch->nseries; i++)
		subjects[i] = batch->series[i].subject;
	for (int i = 0; i < batch->nevents; i++)
		subjects[batch->nseries + i] = batch->events[i].subject;
	meter_customer_names(&batch->organization, subjects, n, DT_NOEND, false, owners);

	for (int i = 0; i < batch->nevents; i++)
	{
		MeterEvent *event = &batch->events[i];

		for (int j = event->first; j < event->first + event->ncontributions; j++)
		{
			MeterContribution *c = &batch->contributions[j];
			int			number = c->outcome == METER_OUTCOME_COUNTED ? c->series : batch->nseries + i;

			if ((c->outcome != METER_OUTCOME_COUNTED && c->outcome != METER_OUTCOME_FILTERED) ||
				owners[number].data)
				continue;
			/* whose it is was not looked up, and the envelope does not tell */
			if (c->outcome == METER_OUTCOME_FILTERED && c->plan->subject_path)
				continue;
			c->outcome = METER_OUTCOME_REJECTED;
			c->error = unknown_subject(subjects[number]);
		}
		if (event->ncontributions > 0)
			meter_event_settle(batch, event);
		else if (event->status == METER_STATUS_UNMATCHED && owners[batch->nseries + i].data == NULL)
		{
			event->status = METER_STATUS_REJECTED;
			event->error = unknown_subject(event->subject);
		}
	}
}
