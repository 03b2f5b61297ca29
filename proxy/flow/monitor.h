/* monitor: MONITOR: every command that passes through this slotway, through all its workers, as a
 * line in Redis' format for each client that watches.
 *
 *   dispatch -> lines of this turn --end of turn--> watching clients of this worker
 *                                  '--mailbox-----> of each other worker that has some
 *   master -> MONITOR on a lease -> lines of scripts ("[0 lua]"), which only nodes see
 *
 * While nobody watches it costs nothing: it hangs on worker->careful. */
#ifndef SLOTWAY_FLOW_MONITOR_H
#define SLOTWAY_FLOW_MONITOR_H

#include "flow/client.h"
#include "resp/command.h"
#include <stdbool.h>

struct monitor;

struct monitor *monitor_new(void);
void monitor_free(struct worker *w); /* its clients are gone */

/* Does any client of the process watch? Any thread. */
bool monitor_is_on(const struct worker *w);

/* c is about to run cmd, which passed Redis' checks: write it down for those who watch. */
void monitor_feed(struct client *c, const struct command *cmd, const char *request,
                  const struct resp_args *args);
/* At the end of a turn: give what was written down to those who watch. */
void monitor_flush(struct worker *w);

/* c watches no more. Does nothing if it did not. */
void monitor_end(struct client *c);
/* A command of a client that watches. True: it was answered. */
bool monitor_on_command(struct client *c, const struct command *cmd);

/* Once in a while and at a new topology: each master's scripts are listened to while anybody of
 * this worker watches. */
void monitor_follow(struct worker *w);
/* A master has confirmed that it is listened to: if it was the last one, MONITOR is answered. */
void monitor_answer(struct worker *w);

#endif
