/* gather: ask every worker something, and finish a request with what all of them said.
 *
 *   asking worker --post--> each worker: collect() into a part of its own
 *                  <--post-- the last one: finish() with all parts */
#ifndef SLOTWAY_FLOW_GATHER_H
#define SLOTWAY_FLOW_GATHER_H

#include "flow/request.h"
#include <stddef.h>
#include <stdint.h>

struct client;
struct command;
struct worker;

/* What one worker said: bytes that grow. data is the gather's own. */
struct gather_part {
    char *data;
    size_t len;
    size_t cap;
    int64_t n; /* a number beside the bytes: how many were killed, entries … */
};

struct gather {
    struct request *request; /* its client may be gone: request->client NULL */
    void *question;          /* what gather_start was given; freed with free() at the end */
    uint32_t nparts;
    struct gather_part *parts; /* one per worker, by worker id */
    /* Runs in each worker's thread. */
    void (*collect)(struct worker *w, const void *question, struct gather_part *part);
    /* Runs in the asking worker's thread: writes the reply. Not called if the client is gone. */
    void (*finish)(struct worker *w, struct gather *g, struct bufq *out);
    struct worker *asker;
    _Atomic uint32_t missing;
};

/* Ask all workers on behalf of c; puts a place into its FIFO. question: malloc'ed or NULL, taken
 * over. */
void gather_start(struct client *c, const struct command *cmd, void *question,
                  void (*collect)(struct worker *w, const void *question, struct gather_part *part),
                  void (*finish)(struct worker *w, struct gather *g, struct bufq *out));

/* The same in two steps, when another thread has something to do before the workers are asked:
 * gather_for in the thread of the client's worker w, for a request that is in the client's FIFO and
 * on no other list; gather_ask in any thread. */
struct gather *gather_for(struct worker *w, struct request *r, void *question,
                          void (*collect)(struct worker *w, const void *question,
                                          struct gather_part *part),
                          void (*finish)(struct worker *w, struct gather *g, struct bufq *out));
void gather_ask(struct gather *g);

void gather_append(struct gather_part *part, const void *data, size_t len);
void gather_printf(struct gather_part *part, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
