/* pause: CLIENT PAUSE: for a time, requests of all of slotway's clients are held back, those that
 * may write or every one that would go to a node. What is held back stays in its client's input. */
#ifndef SLOTWAY_FLOW_PAUSE_H
#define SLOTWAY_FLOW_PAUSE_H

#include "resp/command.h"
#include <stdbool.h>
#include <stdint.h>

struct client;
struct process;
struct worker;

/* Any worker's thread. until: µs of the workers' clock. As in Redis, a second pause can make the
 * first one longer or hold back more, not less. */
void pause_start(struct process *process, uint64_t now, uint64_t until, bool all);
void pause_end(struct process *process);

/* May this request change data? Scripts that say of themselves that they do not may not. */
bool pause_may_write(const struct command *cmd, const char *request, const struct resp_args *args);

/* All that wait in this worker look again whether they have to. */
void pause_look_again(struct worker *w);

/* The client waits; it does no longer (it was woken, or closed). */
void pause_hold(struct client *c);
void pause_release(struct client *c);

#endif
