/* crosspop: BLPOP, BRPOP and BLMPOP whose keys are in several slots (cross-slot yes).
 *
 *   LPOP key 1, LPOP key 2 …  one after the other, in the order of the keys
 *     | an element: the answer
 *     ' nothing: wait at the bells of all keys (bell.h); one rings: once more from the first key
 *
 * An element leaves its list only by the pop of a client that is there. If that client goes away
 * while the pop is under way, the element is put back where it was. */
#ifndef SLOTWAY_FLOW_CROSSPOP_H
#define SLOTWAY_FLOW_CROSSPOP_H

#include "flow/client.h"
#include "resp/command.h"
#include <stdbool.h>

/* Is it one of the commands that this is for? */
bool crosspop_serves(const struct command *cmd);

/* Issue it. keys: positions in args, slots: of each. */
void crosspop_execute(struct client *c, const struct command *cmd, char *data,
                      const struct resp_args *args, const struct command_keys *keys,
                      const uint16_t *slots);

#endif
