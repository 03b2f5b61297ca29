/* process: what all threads share, and changes of it that concern every worker. Main thread only,
 * but for the atomic fields of struct process (worker.h). */
#ifndef SLOTWAY_FLOW_PROCESS_H
#define SLOTWAY_FLOW_PROCESS_H

#include "flow/worker.h"

/* A new snapshot, whose reference is taken over, is in force from now on: workers, log and
 * discovery get it. */
void process_set_config(struct process *process, struct config *config);

/* Clients connected, those not yet taken by their worker included. Any thread. */
uint32_t process_clients(const struct process *process);

#endif
