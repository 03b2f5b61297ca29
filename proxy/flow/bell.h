/* bell: waiting until a list has an element, without taking it: for pops from keys in several
 * slots, where no single node could pop from whichever comes first.
 *
 *   bell (one for each key and worker)  -- BLMOVE key key LEFT LEFT 0 --> node
 *     waiters: first -> second -> …        the reply rings it: the first waiter that has nothing
 *                                          else to do tries to pop
 *
 * The blocking move of the first element onto its own place changes nothing, and waits as BLPOP
 * does, through failovers and migrations. One waits for all clients of the worker, so an element
 * wakes one of them and not a thousand. */
#ifndef SLOTWAY_FLOW_BELL_H
#define SLOTWAY_FLOW_BELL_H

#include "resp/command.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bell;
struct bells;
struct worker;

/* Who waits; one that waits for several bells has several of these. */
struct bell_waiter {
    struct bell *bell; /* NULL: not waiting */
    struct bell_waiter *next, *prev;
    bool busy; /* trying already, because of another bell */
    /* The bell rang: try to pop, then call bell_on_tried. */
    void (*ring)(struct bell_waiter *waiter);
};

/* Wait for key, behind those who do already. cmd: of the client, while the table in force has it.
 */
void bell_join(struct worker *w, struct bell_waiter *waiter, const struct command *cmd,
               const char *key, size_t len, uint16_t slot);
void bell_leave(struct worker *w, struct bell_waiter *waiter);
/* The waiter that was called has tried. found: it got an element, so there may be more. */
void bell_on_tried(struct worker *w, struct bell *bell, bool found);

/* At the end of a turn in which bells_wanted was set: call waiters, send what waits. */
void bells_drive(struct worker *w);
/* Once in a while: bells that nobody waits for end; those that got an error try again. */
void bells_check(struct worker *w);
/* After the worker's clients and pools. */
void bells_free(struct worker *w);

#endif
