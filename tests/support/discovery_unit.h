/* discovery_unit: a struct discovery that was not started, so that nothing happens by itself, and
 * connections of its endpoints that lead to a listener of the test's. */
#ifndef SLOTWAY_TESTS_DISCOVERY_UNIT_H
#define SLOTWAY_TESTS_DISCOVERY_UNIT_H

#include "cluster/discovery_state.h"
#include "support/unit.h"

extern struct discovery *d;

/* A checked fixture: no endpoints, nothing published, the default configuration. */
void discovery_begin(void);
void discovery_end(void);

/* Another configuration: lines of a file. */
void discovery_reconfigure(const char *text);

/* e is connected and has answered; the connection is up: questions can be sent on it. */
void discovery_connect(struct endpoint *e);

#endif
