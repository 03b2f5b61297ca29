/* script: bodies of the scripts that passed, so that a node that does not know one (NOSCRIPT) can
 * be given it without the client noticing. */
#ifndef SLOTWAY_FLOW_SCRIPT_H
#define SLOTWAY_FLOW_SCRIPT_H

#include "resp/resp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;
struct bufq;

#define SCRIPT_SHA_LEN 20
/* Does the script of this EVAL or EVALSHA say in its first line that it does not write ("#!lua
 * flags=no-writes")? */
bool script_is_read_only(const char *request, const struct resp_args *args);

/* Remember the body of an EVAL or SCRIPT LOAD; forget all at SCRIPT FLUSH. Other commands: nothing.
 */
void script_on_request(const char *request, const struct resp_args *args);
void script_forget_all(void);

/* Which scripts one connection's node was given or has run: a small set, all zero at first, to be
 * released with script_known_free. */
struct script_known {
    uint64_t *v;
    uint32_t flushes; /* SCRIPT FLUSH empties it */
};

/* For an EVALSHA that is about to be sent: if the node behind this connection may not know the
 * script and the body is known here, append "SCRIPT LOAD <body>" to q and return true. It goes
 * before the first EVALSHA of each script on a connection, because a NOSCRIPT found out later would
 * let what was pipelined behind the EVALSHA overtake it. */
bool script_prepare(struct worker *w, struct script_known *known, const char *data, size_t len,
                    struct bufq *q);
void script_known_free(struct script_known *known);

/* The digest that a request names, if it is an EVALSHA or EVALSHA_RO. */
bool script_name(const char *data, const struct resp_args *args, unsigned char sha[SCRIPT_SHA_LEN]);
/* script_prepare for the script of this digest. */
bool script_bring(struct worker *w, struct script_known *known,
                  const unsigned char sha[SCRIPT_SHA_LEN], struct bufq *q);

/* Is the body of the script with this digest (hexadecimal) known? */
bool script_has(const char *hex, size_t len);

/* Is the body of the script known that the EVALSHA request at data names? */
bool script_is_known(const char *data, size_t len);

#endif
