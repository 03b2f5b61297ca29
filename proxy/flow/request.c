/* request: one command on its way to a node and its reply on the way back.
 * Allocation, and the reply that is held until its turn. */
#include "flow/request.h"
#include "flow/blocking.h"
#include "flow/busy.h"
#include "flow/transaction.h"
#include "flow/worker.h"
#include <stddef.h>

/* Copied, because gcc makes a memset of this size a "rep stos", which takes some 40 cycles. */
static const struct request request_blank = {.slot = SLOT_NONE, .target = NODE_NONE};

struct request *request_new(struct worker *w, struct client *c, const struct command *cmd)
{
    struct request *r = slab_alloc(&w->requests);
    const char *next = w->requests.free;
    PREFETCH(next);
    PREFETCH(next + 64);
    PREFETCH(next + 128);
    memcpy(r, &request_blank, offsetof(struct request, inline_reply));
    r->client = c;
    r->cmd = cmd;
    r->started = w->now;
    return r;
}

/* What few requests have. */
static OUTLINED void request_release(struct worker *w, struct request *r)
{
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_end(w, r);
    else if (r->flags & REQUEST_SCRIPT)
        busy_on_end(w);
    bufq_clear(&w->chunks, &r->reply);
    bufq_clear(&w->chunks, &r->data);
    if (r->exec)
        transaction_free_exec(w, r->exec);
}

void request_free(struct worker *w, struct request *r)
{
    if (UNLIKELY((r->flags & (REQUEST_BLOCKING | REQUEST_SCRIPT)) || r->reply.head ||
                 r->data.head || r->exec))
        request_release(w, r);
    slab_free(&w->requests, r);
}

static OUTLINED void request_hold_long(struct worker *w, struct request *r, struct chunk *chunk,
                                       char *data, size_t len)
{
    if (r->inline_len) {
        bufq_append(&w->chunks, &r->reply, r->inline_reply, r->inline_len);
        r->inline_len = 0;
    }
    if (!r->reply.head && len < CHUNK_SPAN_MIN)
        bufq_append_exact(&w->chunks, &r->reply, data, len);
    else
        bufq_append_from(&w->chunks, &r->reply, chunk, data, len);
}

void request_hold(struct worker *w, struct request *r, struct chunk *chunk, char *data, size_t len)
{
    if (r->reply.head || r->inline_len + len > REQUEST_INLINE) {
        request_hold_long(w, r, chunk, data, len);
        return;
    }
    memcpy(r->inline_reply + r->inline_len, data, len);
    r->inline_len = (uint8_t)(r->inline_len + len);
}

void request_forget_reply(struct worker *w, struct request *r)
{
    r->inline_len = 0;
    r->reply_len = 0;
    bufq_clear(&w->chunks, &r->reply);
}
