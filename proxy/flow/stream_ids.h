/* stream_ids: XREAD BLOCK with "$": the last id that a stream has now, put in its place before the
 * command is sent. A node would read "$" anew each time that the command is sent again, and what
 * was added in between would be missed. */
#ifndef SLOTWAY_FLOW_STREAM_IDS_H
#define SLOTWAY_FLOW_STREAM_IDS_H

#include "flow/client.h"
#include "resp/command.h"
#include <stdbool.h>

/* Does this command, which blocks, name "$"? */
bool stream_ids_are_open(const struct command *cmd, const char *data, const struct resp_args *args);

/* Issue it: the ids are asked for, and then it is sent to slot, over a connection of its own. */
void stream_ids_execute(struct client *c, const struct command *cmd, uint16_t slot, char *data,
                        size_t len, const struct resp_args *args);

#endif
