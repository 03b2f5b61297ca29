/* local_config: changes of slotway's own configuration by a command: CONFIG SET and PROXY CONFIG
 * SET. They go through the main thread, which owns the newest snapshot. */
#ifndef SLOTWAY_FLOW_LOCAL_CONFIG_H
#define SLOTWAY_FLOW_LOCAL_CONFIG_H

#include "config.h"
#include "flow/local_call.h"
#include "flow/request.h"

/* Pairs of name and value; one block of memory, so free() frees it all. */
struct local_config_change {
    struct config_error error;
    const char *complaint; /* what an error begins with: static text */
    char *end;             /* of the words copied so far */
    uint32_t n;            /* pairs */
    const char *words[];
};

/* No pair yet, room for all arguments from `first` on. The caller frees. */
struct local_config_change *local_config_change_new(const struct local_call *call, uint32_t first,
                                                    const char *complaint);
/* Add the pair in arguments i and i + 1. False, and nothing is added: one of them has a NUL byte,
 * where a directive's text would end. */
bool local_config_change_add(struct local_config_change *change, const struct local_call *call,
                             uint32_t i);

/* Make the change, all of it or nothing, and answer r (which is in its client's FIFO and on no
 * other list) when every worker has it. Takes the change over. */
void local_config_submit(struct worker *w, struct request *r, struct local_config_change *change);

#endif
