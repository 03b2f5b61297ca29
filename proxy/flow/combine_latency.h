/* combine_latency: LATENCY HISTOGRAM, LATEST and HISTORY over all masters. */
#ifndef SLOTWAY_FLOW_COMBINE_LATENCY_H
#define SLOTWAY_FLOW_COMBINE_LATENCY_H

#include "flow/fanout.h"

/* Writes what one server would have answered that had done all their work: calls and buckets of
 * each command added up; each event once, with its latest and its greatest latency; an event's
 * history in the order of time. False: a reply is not what that command answers. */
bool combine_latency(struct worker *w, struct fanout *f, struct bufq *out);

#endif
