/* fanout: one request that becomes several, and several replies that become one.
 *
 *   parent on the client's FIFO
 *     |-- child 0 -> node A   reply held in the child's place
 *     |-- child 1 -> node B
 *     '-- child 2 -> node A   when all are there: merged into the parent's reply */
#ifndef SLOTWAY_FLOW_FANOUT_H
#define SLOTWAY_FLOW_FANOUT_H

#include "flow/request.h"
#include "resp/command.h"
#include <stdbool.h>
#include <stdint.h>

struct client;
struct worker;

/* A child's reply once it is complete. */
struct fanout_reply {
    struct bufq q;
    uint16_t slot;           /* the slot that the child was sent by */
    struct request *request; /* the child, NULL when it has been answered */
};

struct fanout {
    struct request *parent;
    uint8_t merge; /* enum command_merge */
    uint8_t local; /* enum command_local: code of a special merge */
    uint32_t children;
    uint32_t missing; /* replies still to come */
    uint32_t nplan;   /* keys of the request, for COMMAND_MERGE_KEYS */
    uint32_t *plan;   /* key -> child */
    struct fanout_reply *replies;
    char *failure; /* the first error line ("-ERR …\r\n"), NULL: none */
    size_t failure_len;
    void *state; /* for special merges: freed with free() */
    /* Instead of a merge: called when nothing is missing, and once more when the client leaves or
     * is to wait no longer. It asks further, or ends the fan-out. */
    void (*then)(struct worker *w, struct fanout *f);
};

/* What one node has answered already: a command for all masters, or PUBLISH, inside a transaction,
 * which that node has executed with it. */
struct fanout_given {
    uint16_t node;
    const char *data;
    size_t len;
};

/* MGET, MSET, DEL …: keys (their positions in args) in more than one slot. slots: of each key. */
void fanout_split(struct client *c, const struct command *cmd, char *request,
                  const struct resp_args *args, const struct command_keys *keys,
                  const uint16_t *slots);

/* The same bytes to every master (but the one of w->given, whose reply is there). With no master
 * known the client gets an error. state: see above, owned by the fan-out from now on. */
void fanout_all(struct client *c, const struct command *cmd, char *data, size_t len, void *state);

/* The same bytes to the owners of these slots, each over a connection of its own on which it waits.
 * lead: see struct request. request, args: the client's own bytes. */
void fanout_leases(struct client *c, const struct command *cmd, const uint16_t *slots, uint32_t n,
                   uint32_t lead, char *data, size_t len, const char *request,
                   const struct resp_args *args);

/* One child to the shard that owns `slot` (or to nobody, if w->given has the reply), whose reply a
 * special merge rewrites. */
void fanout_one(struct client *c, const struct command *cmd, uint16_t slot, char *data, size_t len,
                void *state);

/* --- for those who take several steps: `then` of struct fanout --- */
/* A fan-out with `children` places and nothing asked yet. c NULL: for slotway itself. state: as
 * above. */
struct fanout *fanout_begin(struct worker *w, struct client *c, const struct command *cmd,
                            uint32_t children, void *state,
                            void (*then)(struct worker *w, struct fanout *f));
/* Send a part, in place i, whose former reply is forgotten. flags: REQUEST_… of the part. `then`
 * may be called before this returns, unless the caller keeps `missing` above 0. */
void fanout_ask(struct worker *w, struct fanout *f, uint32_t i, uint16_t slot, uint32_t flags,
                char *data, size_t len);
/* The answer (emptied), if there is still somebody to answer. Frees f. */
void fanout_end(struct worker *w, struct fanout *f, struct bufq *out);

/* --- called by backends and the router --- */
void fanout_on_reply(struct worker *w, struct request *child, struct chunk *chunk, char *data,
                     size_t len);
void fanout_on_part(struct worker *w, struct request *child, struct chunk *chunk, char *data,
                    size_t len);
/* What a part depends on, and was sent in front of it, was refused: this error is the answer,
 * though the part's own reply is still to come. */
void fanout_on_lead_refused(const struct request *child, const char *line, size_t len);
/* visit(w, child, arg) for each part that is not answered yet; it may answer them. */
void fanout_each(struct worker *w, struct fanout *f,
                 void (*visit)(struct worker *w, struct request *child, void *arg), void *arg);
/* The client is gone: parts that have connections of their own are given up. */
void fanout_abandon(struct worker *w, struct fanout *f);
/* An error of slotway's own instead of a reply. */
void fanout_on_failure(struct worker *w, struct request *child, const char *text);

#endif
