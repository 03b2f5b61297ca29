/* stream_ids: what "$" means in XREAD BLOCK, for when it has to be sent again: a node would read
 * "$" anew, and what was added in between would be missed.
 *
 *   XINFO STREAM key (for each "$"), XREAD    in one write, over the connection of the wait
 *
 * The answers to XINFO come before that to XREAD and are kept; when XREAD is sent again, the ids
 * take the place of "$". */
#ifndef SLOTWAY_FLOW_STREAM_IDS_H
#define SLOTWAY_FLOW_STREAM_IDS_H

#include "base/chunk.h"
#include "flow/request.h"
#include "resp/resp.h"
#include <stdbool.h>

struct stream_ids; /* owner: the client's session */

/* NULL: this command, which blocks, does not name "$". Else what will be known of its streams, and
 * in *out the requests that ask for it, *lead of them. */
struct stream_ids *stream_ids_new(struct worker *w, const struct command *cmd, const char *data,
                                  const struct resp_args *args, struct bufq *out, uint32_t *lead);
void stream_ids_free(struct stream_ids *s);

/* The answer to the i-th of them. */
void stream_ids_learn(struct stream_ids *s, uint32_t i, const char *data, size_t len);
bool stream_ids_are_known(const struct stream_ids *s);

/* Append the request at data, of which args are the arguments, with ids for "$". */
void stream_ids_put(struct worker *w, const struct stream_ids *s, const char *data, size_t len,
                    const struct resp_args *args, struct bufq *out);

#endif
