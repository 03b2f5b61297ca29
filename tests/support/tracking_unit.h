/* tracking_unit: what tests of CLIENT TRACKING begin with: a client that speaks RESP3. */
#ifndef SLOTWAY_TESTS_TRACKING_UNIT_H
#define SLOTWAY_TESTS_TRACKING_UNIT_H

#include "support/flow_unit.h"

#define FLUSH      ">2\r\n$10\r\ninvalidate\r\n_\r\n"
#define INVALID(k) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n" k "\r\n"

/* A checked fixture, with flow_end. */
void tracking_begin(void);
/* c sends CLIENT TRACKING ON with these options ("" or " NOLOOP"). */
void tracking_turn_on(const char *options);
/* A new lease to the node: its handshake, and what it is told. */
void tracking_leases(enum flow_node node, const char *told);

#endif
