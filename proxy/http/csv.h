/* csv: HAProxy's table of statistics, for collectors that read that. */
#ifndef SLOTWAY_HTTP_CSV_H
#define SLOTWAY_HTTP_CSV_H

#include "flow/gather.h"
#include "http/stats.h"

/* Append it: a frontend, a row for each node, a backend. */
void csv_write(const struct stats *s, struct gather_part *out);

#endif
