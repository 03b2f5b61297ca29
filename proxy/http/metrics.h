/* metrics: the statistics in Prometheus' text format. */
#ifndef SLOTWAY_HTTP_METRICS_H
#define SLOTWAY_HTTP_METRICS_H

#include "flow/gather.h"
#include "http/stats.h"

void metrics_write(const struct stats *s, struct gather_part *out);

#endif
