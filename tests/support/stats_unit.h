/* stats_unit: figures of a made-up cluster in which every list has all that it can have: what tests
 * of the outputs of the statistics begin with. */
#ifndef SLOTWAY_TESTS_STATS_UNIT_H
#define SLOTWAY_TESTS_STATS_UNIT_H

#include "support/stats_world.h"
#include "support/unit.h"

extern struct stats *s;

/* A checked fixture: three masters with a replica each, password "sesame". */
void stats_begin(void);
void stats_end(void);

/* The parts of stats_begin: s with so many masters, and its lists. */
void stats_fill(unsigned masters);
void stats_fill_lists(void);

#endif
