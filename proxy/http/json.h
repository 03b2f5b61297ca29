/* json: the statistics as JSON (docs/stats.md has the schema). */
#ifndef SLOTWAY_HTTP_JSON_H
#define SLOTWAY_HTTP_JSON_H

#include "http/stats.h"

/* Everything. Caller frees; *len is its length. NULL: out of memory. */
char *json_all(const struct stats *s, size_t *len);

/* What changes, for a stream of events, on one line: without history, configuration and the table
 * of figures; of events those that changed after `events`. */
char *json_snapshot(const struct stats *s, uint64_t events, size_t *len);

#endif
