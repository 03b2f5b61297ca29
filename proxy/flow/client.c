/* client: one application's connection: its unread requests, its FIFO of requests, its replies.
 * What a command needs (nodes, several nodes, slotway itself) is decided in dispatch.c. */
#include "flow/client.h"
#include "base/event.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/blocking.h"
#include "flow/dispatch.h"
#include "flow/fanout.h"
#include "flow/lease.h"
#include "flow/local_address.h"
#include "flow/pause.h"
#include "flow/session.h"
#include "flow/tracking.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdarg.h>
#include <stdlib.h>

/* A rest of input up to this size is put before the next read in the shared buffer; a longer one
 * stays where it is and is read behind. */
#define CLIENT_REST_COPIED (16 * 1024)
/* Read no further than this ahead of a window that is closed because nodes have yet to answer. */
#define CLIENT_READ_AHEAD (256 * 1024)
/* A scan that got this far is worth keeping until more input comes. */
#define CLIENT_SCAN_KEPT 4096
#define CLIENT_READ_MAX  (1024 * 1024)
/* A reply that was held is copied behind the others up to this size: cheaper than an iovec. */
#define CLIENT_REPLY_COPIED 4096
/* Parts of a longer reply are kept back until so much of it is there, so that losing the node in
 * the middle of a shorter one costs a retry and not the client. */
#define CLIENT_COMMIT_MIN      (128 * 1024)
#define CLIENT_SWALLOWED_READS 16
/* What the first reply to a write is expected to be. The first read is expected to fill the whole
 * window, so a new client has one read in flight until its size is known, then four, sixteen … */
#define CLIENT_WRITE_ESTIMATE (16 * 1024)

#define CLIENT_ENDING (CLIENT_EOF | CLIENT_CLOSING | CLIENT_CLOSING_IDLE)

static const struct stream_ops client_ops;

/* --- life --- */

void client_open(struct worker *w, int fd, bool unix_socket)
{
    struct client *c = slab_alloc(&w->clients_slab);
    memset(c, 0, sizeof *c);
    c->worker = w;
    c->id = atomic_fetch_add_explicit(&w->process->next_client_id, 1, memory_order_relaxed);
    c->flags = (*w->config->requirepass ? 0 : CLIENT_AUTHENTICATED) |
               (unix_socket ? CLIENT_UNIX : 0) | (w->draining ? CLIENT_CLOSING : 0);
    c->estimate[0] = CLIENT_WRITE_ESTIMATE;
    c->estimate[1] = (uint32_t)(w->window < UINT32_MAX ? w->window : UINT32_MAX);
    c->created = c->active = w->seconds;
    c->key_slot = SLOT_NONE;
    c->next = w->clients;
    if (c->next)
        c->next->prev = c;
    w->clients = c;
    counters_add(&w->counters, COUNTER_clients_accepted, 1);
    counters_add(&w->counters, COUNTER_clients, 1);
    stream_open(&c->stream, w, fd, &client_ops, false, false);
}

static void client_drop_input(struct client *c)
{
    if (c->in)
        chunk_unref(&c->worker->chunks, c->in);
    c->in = NULL;
    c->in_begin = c->in_end = c->in_need = 0;
}

static void client_drop_partial(struct client *c)
{
    if (!c->partial)
        return;
    resp_args_free(c->partial);
    free(c->partial);
    c->partial = NULL;
}

/* The node is to stop working on a request that has a connection of its own. */
static void client_abandon(struct worker *w, struct request *r)
{
    if (r->flags & REQUEST_DONE)
        request_free(w, r);
    else if (r->fanout)
        fanout_abandon(w, r->fanout);
    else if (r->flags & REQUEST_LEASE)
        lease_abandon(r);
}

/* Requests under way lose their client: whoever holds them swallows their replies. */
static void client_orphan_requests(struct client *c)
{
    struct request *next;
    for (struct request *r = c->head; r; r = next) {
        next = r->client_next;
        r->client = NULL;
        r->client_next = NULL;
        client_abandon(c->worker, r);
    }
    c->head = c->tail = NULL;
    c->in_flight = 0;
}

void client_note_closed(const struct client *c, enum event_severity severity, const char *why)
{
    char address[LOCAL_ADDRESS_LEN];
    local_address_peer(c, address);
    event_note(EVENT_CLIENT, severity, "client %s closed: %s", address, why);
}

void client_close(struct client *c)
{
    struct worker *w = c->worker;
    if (c->flags & CLIENT_GONE)
        return;
    c->flags |= CLIENT_GONE;
    client_orphan_requests(c);
    pause_release(c);
    client_drop_input(c);
    client_drop_partial(c);
    session_free(c);
    stream_close(&c->stream);
    if (c->prev)
        c->prev->next = c->next;
    else
        w->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next = w->closing;
    w->closing = c;
    counters_add(&w->counters, COUNTER_clients_closed, 1);
    counters_add(&w->counters, COUNTER_clients, (uint64_t)-1);
    atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
}

void client_bury(struct worker *w)
{
    while (w->closing) {
        struct client *c = w->closing;
        w->closing = c->next;
        slab_free(&w->clients_slab, c);
    }
}

/* --- the window --- */

/* May one more request be issued now? */
static inline bool client_may_issue(const struct client *c)
{
    const struct worker *w = c->worker;
    if (c->flags & (CLIENT_BARRIER | CLIENT_CLOSING | CLIENT_GONE | CLIENT_PAUSED))
        return false;
    if (!c->head)
        return c->stream.unsent < w->window;
    return c->cost + c->stream.unsent < w->window && c->in_flight < w->max_pipeline;
}

/* What most clients do not have. */
static OUTLINED void client_mark(const struct client *c, struct request *r)
{
    if (c->flags & (CLIENT_REPLY_OFF | CLIENT_SKIP_NOW))
        r->flags |= REQUEST_NOREPLY;
    if (c->flags & CLIENT_TRACKING)
        tracking_mark(c, r);
}

void client_push(struct client *c, struct request *r, uint32_t replies)
{
    uint64_t cost = (uint64_t)c->estimate[(r->flags & REQUEST_READONLY) != 0] * replies;
    r->cost = cost > UINT32_MAX ? UINT32_MAX : (uint32_t)cost;
    c->cost += r->cost;
    if (c->flags & (CLIENT_REPLY_OFF | CLIENT_SKIP_NOW | CLIENT_TRACKING))
        client_mark(c, r);
    if (c->tail)
        c->tail->client_next = r;
    else
        c->head = r;
    c->tail = r;
    c->in_flight++;
}

/* A client that has read something large is expected to do so again, until smaller replies have
 * made the expectation small. */
static OUTLINED void client_learn_large(struct client *c, const struct request *r)
{
    if (r->reply_len >= REQUEST_BULK_MIN && (r->flags & REQUEST_READONLY))
        c->flags |= CLIENT_LARGE_READS;
    else if (c->estimate[1] < REQUEST_BULK_MIN)
        c->flags &= ~(uint32_t)CLIENT_LARGE_READS;
}

/* r's reply is complete: learn from its size. A larger one counts at once, a smaller one in part.
 */
static void client_learn(struct client *c, const struct request *r)
{
    uint32_t *estimate = &c->estimate[(r->flags & REQUEST_READONLY) != 0];
    size_t size = r->reply_len;
    if (r->flags & REQUEST_LOCAL)
        return;
    if (r->lead)
        size /= r->lead; /* EXEC: of one of its commands */
    if (size < *estimate / 4)
        size = *estimate / 4;
    *estimate = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    if (UNLIKELY(size >= REQUEST_BULK_MIN || (c->flags & CLIENT_LARGE_READS)))
        client_learn_large(c, r);
}

/* --- replies --- */

/* Closing a socket with unread input resets the connection, and the peer may lose the last reply:
 * read what has come. */
static void client_swallow_input(struct client *c)
{
    struct chunk *chunk = worker_read_chunk(c->worker);
    for (int i = 0; i < CLIENT_SWALLOWED_READS; i++)
        if (stream_read(&c->stream, chunk->data, chunk->cap) < (ssize_t)chunk->cap)
            return;
}

static OUTLINED void client_check_output(struct client *c)
{
    struct worker *w = c->worker;
    if (c->stream.unsent <= w->config->client_output_limit)
        return;
    log_limited(LOG_LEVEL_WARNING,
                "Client id=%llu closed: %zu bytes of replies unread, client-output-limit is %llu",
                (unsigned long long)c->id, c->stream.unsent,
                (unsigned long long)w->config->client_output_limit);
    client_note_closed(c, EVENT_WARNING, "its replies are not read: client-output-limit");
    counters_add(&w->counters, COUNTER_clients_closed_output, 1);
    client_close(c);
}

/* Nothing more will come and nothing is owed: close. */
static void client_check_end(struct client *c)
{
    if ((c->flags & CLIENT_ENDING) && !(c->flags & CLIENT_GONE) && !c->head &&
        c->stream.unsent == 0) {
        client_swallow_input(c);
        client_close(c);
    }
}

static OUTLINED void client_emit_queue(struct client *c, struct request *r)
{
    if (c->stream.unsent > 0 && r->reply.head == r->reply.tail &&
        r->reply.len <= CLIENT_REPLY_COPIED) {
        stream_append(&c->stream, r->reply.head->data, r->reply.len);
        bufq_clear(&c->worker->chunks, &r->reply);
    } else {
        stream_splice(&c->stream, &r->reply);
    }
}

static inline void client_emit_held(struct client *c, struct request *r)
{
    struct bufq *out = &c->stream.out;
    if ((r->flags & REQUEST_NOREPLY) || request_held(r) == 0)
        return;
    r->flags |= REQUEST_COMMITTED;
    if (!r->inline_len) {
        client_emit_queue(c, r);
        return;
    }
    /* All of it is copied: a few moves, where gcc makes "rep movs" of an unknown small length. */
    memcpy(bufq_reserve(&c->worker->chunks, out, REQUEST_INLINE), r->inline_reply, REQUEST_INLINE);
    bufq_commit(out, r->inline_len);
    stream_appended(&c->stream, r->inline_len);
    r->inline_len = 0;
}

static void client_pop(struct client *c)
{
    struct request *r = c->head;
    c->head = r->client_next;
    PREFETCH(c->head);
    if (!c->head)
        c->tail = NULL;
    c->in_flight--;
    c->cost -= r->cost;
    c->answered = r->started;
    counters_add(&c->worker->counters, COUNTER_replies, 1);
    request_free(c->worker, r);
}

/* Is a reply on its way in parts, so that nothing may come between? */
static bool client_is_midway(const struct client *c)
{
    return (c->flags & CLIENT_ASSEMBLING) ||
           (c->head &&
            ((c->head->flags & (REQUEST_COMMITTED | REQUEST_DONE)) == REQUEST_COMMITTED ||
             (c->head->flags & REQUEST_CONTINUED)));
}

static OUTLINED void client_release_pushes(struct client *c)
{
    if (client_is_midway(c))
        return;
    c->flags &= ~(uint32_t)CLIENT_PUSHES_HELD;
    stream_splice(&c->stream, &c->session->pushes);
}

void client_send_push(struct client *c, struct chunk *chunk, char *data, size_t len)
{
    struct chunk_pool *chunks = &c->worker->chunks;
    if (c->flags & CLIENT_GONE)
        return;
    if (client_is_midway(c) || (c->flags & CLIENT_PUSHES_HELD)) {
        struct bufq *q = &session_of(c)->pushes;
        c->flags |= CLIENT_PUSHES_HELD;
        bufq_append_from(chunks, q, chunk, data, len);
        return;
    }
    stream_append_from(&c->stream, chunk, data, len);
    if (c->stream.unsent > c->worker->window)
        client_check_output(c);
}

/* Has anything of r's reply been received? */
static bool client_is_answered(const struct request *r)
{
    return (r->flags & (REQUEST_DONE | REQUEST_COMMITTED)) || request_held(r) ||
           (r->fanout && r->fanout->missing < r->fanout->children);
}

/* The last request of which something has been received; NULL: none. */
static struct request *client_last_answered(const struct client *c)
{
    struct request *last = NULL;
    for (struct request *r = c->head; r; r = r->client_next)
        if (client_is_answered(r))
            last = r;
    return last;
}

bool client_owes_nothing_new(const struct client *c)
{
    return client_last_answered(c) == c->tail;
}

void client_send_behind(struct client *c, char *data, size_t len)
{
    struct request *last = c->flags & (CLIENT_GONE | CLIENT_ASSEMBLING) ? NULL
                                                                        : client_last_answered(c);
    if (!last) {
        client_send_push(c, NULL, data, len);
        return;
    }
    while (last->client_next && (last->client_next->flags & REQUEST_CONTINUED))
        last = last->client_next;
    struct request *r = request_new(c->worker, c, NULL);
    r->flags = REQUEST_LOCAL | REQUEST_DONE;
    request_hold(c->worker, r, NULL, data, len);
    r->client_next = last->client_next;
    last->client_next = r;
    if (c->tail == last)
        c->tail = r;
    c->in_flight++;
}

/* The head's reply is out: take it off, and what is complete behind it. */
static void client_advance(struct client *c)
{
    client_pop(c);
    while (c->head && !(c->head->flags & REQUEST_REPLAY)) {
        bool done = c->head->flags & REQUEST_DONE;
        if (done || request_held(c->head) >= CLIENT_COMMIT_MIN)
            client_emit_held(c, c->head);
        if (!done)
            break;
        client_pop(c);
    }
    if (!c->head) {
        c->flags &= ~(uint32_t)CLIENT_BARRIER;
        c->conflicts = 0;
        if (c->flags & CLIENT_ENDING)
            client_make_pumpable(c);
    }
    if (c->in)
        client_make_pumpable(c);
    if (c->flags & CLIENT_PUSHES_HELD)
        client_release_pushes(c);
    if (c->stream.unsent > c->worker->window)
        client_check_output(c);
}

static void client_take_bytes(struct client *c, struct request *r, struct chunk *chunk, char *data,
                              size_t len)
{
    if (r->flags & REQUEST_NOREPLY)
        return;
    if (c->head != r ||
        (!(r->flags & (REQUEST_DONE | REQUEST_COMMITTED)) && r->reply_len < CLIENT_COMMIT_MIN)) {
        request_hold(c->worker, r, chunk, data, len);
        return;
    }
    if (r->reply_len > len)
        client_emit_held(c, r);
    r->flags |= REQUEST_COMMITTED;
    stream_append_from(&c->stream, chunk, data, len);
}

void client_on_reply(struct request *r, struct chunk *chunk, char *data, size_t len)
{
    struct client *c = r->client;
    r->flags |= REQUEST_DONE;
    r->reply_len += len;
    bool unsaid = false;
    if (UNLIKELY(*data == '-' && len == r->reply_len)) {
        counters_add(&c->worker->counters, COUNTER_errors, 1);
        unsaid = (r->flags & REQUEST_BLOCKING) && blocking_is_unsaid(r, data, len);
    }
    client_learn(c, r);
    if (LIKELY(!unsaid))
        client_take_bytes(c, r, chunk, data, len);
    if (c->head == r)
        client_advance(c);
}

void client_on_reply_part(struct request *r, struct chunk *chunk, char *data, size_t len)
{
    struct client *c = r->client;
    r->reply_len += len;
    client_take_bytes(c, r, chunk, data, len);
    if (c->head == r && c->stream.unsent > c->worker->config->client_output_window)
        client_check_output(c);
}

void client_finish(struct worker *w, struct request *r)
{
    struct client *c = r->client;
    r->flags |= REQUEST_DONE;
    if (!c) {
        request_free(w, r);
        return;
    }
    client_learn(c, r);
    if (c->head != r)
        return;
    client_emit_held(c, r);
    client_advance(c);
}

void client_fail(struct worker *w, struct request *r, const char *text)
{
    if (r->flags & REQUEST_CHILD) {
        fanout_on_failure(w, r, text);
        return;
    }
    if (!r->client) {
        request_free(w, r);
        return;
    }
    char line[REPLY_ERROR_MAX];
    size_t len = reply_error_line(line, sizeof line, "%s", text);
    request_forget_reply(w, r);
    client_on_reply(r, NULL, line, len);
}

/* A reply of slotway's own behind requests that are still under way. */
static struct request *client_queue_own(struct client *c)
{
    struct request *r = request_new(c->worker, c, NULL);
    r->flags = REQUEST_LOCAL | REQUEST_DONE;
    client_push(c, r, 0);
    return r;
}

void client_reply(struct client *c, const char *data, size_t len)
{
    if (c->flags & (CLIENT_REPLY_OFF | CLIENT_SKIP_NOW | CLIENT_GONE))
        return;
    if (!c->head) {
        stream_append(&c->stream, data, len);
        counters_add(&c->worker->counters, COUNTER_replies, 1);
        return;
    }
    struct request *r = client_queue_own(c);
    request_hold(c->worker, r, NULL, (char *)(uintptr_t)data, len);
}

void client_reply_bufq(struct client *c, struct bufq *reply)
{
    if (c->flags & (CLIENT_REPLY_OFF | CLIENT_SKIP_NOW | CLIENT_GONE)) {
        bufq_clear(&c->worker->chunks, reply);
    } else if (!c->head) {
        stream_splice(&c->stream, reply);
        counters_add(&c->worker->counters, COUNTER_replies, 1);
    } else {
        bufq_splice(&client_queue_own(c)->reply, reply);
    }
}

void client_reply_error(struct client *c, const char *text)
{
    client_reply_errorf(c, "%s", text);
}

void client_reply_errorf(struct client *c, const char *format, ...)
{
    char line[REPLY_ERROR_MAX];
    va_list ap;
    va_start(ap, format);
    size_t len = reply_error_linev(line, sizeof line, format, ap);
    va_end(ap);
    counters_add(&c->worker->counters, COUNTER_errors, 1);
    client_reply(c, line, len);
}

struct request *client_reply_later(struct client *c, const struct command *cmd)
{
    struct request *r = request_new(c->worker, c, cmd);
    r->flags = REQUEST_LOCAL | (c->flags & CLIENT_RESP3 ? REQUEST_RESP3 : 0);
    client_push(c, r, 0);
    return r;
}

/* --- input --- */

static OUTLINED void client_protocol_error(struct client *c, const char *error)
{
    client_note_closed(c, EVENT_WARNING, error);
    counters_add(&c->worker->counters, COUNTER_clients_closed_protocol, 1);
    log_limited(LOG_LEVEL_VERBOSE, "Client id=%llu closed: %s", (unsigned long long)c->id, error);
    c->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_SKIP_NOW);
    client_reply_errorf(c, "ERR %s", error);
    c->flags |= CLIENT_CLOSING;
}

/* A long request is incomplete: keep its scan for when more input is there. */
static OUTLINED void client_keep_scan(struct client *c, size_t have, size_t need)
{
    struct worker *w = c->worker;
    c->in_need = need;
    if (c->partial || have < CLIENT_SCAN_KEPT)
        return;
    c->partial = memory_alloc(sizeof *c->partial);
    *c->partial = w->args;
    resp_args_init(&w->args);
}

/* Before it has authenticated a client may send little, as in Redis. */
static const struct resp_limits *client_limits(const struct client *c)
{
    const struct worker *w = c->worker;
    return c->flags & CLIENT_AUTHENTICATED ? &w->limits : &w->limits_before_auth;
}

/* Scan and issue the requests at data as far as the window allows; returns the bytes consumed. */
static size_t client_process(struct client *c, struct chunk *chunk, char *data, size_t len)
{
    struct worker *w = c->worker;
    size_t pos = 0;
    c->in_need = 0;
    while (pos < len && client_may_issue(c)) {
        struct resp_args *args = c->partial;
        const char *error = NULL;
        size_t used = 0;
        if (!args)
            resp_args_reset(args = &w->args);
        enum resp_result result = resp_scan_request(args, data + pos, len - pos, client_limits(c),
                                                    &used, &error);
        if (result == RESP_MORE) {
            client_keep_scan(c, len - pos, used);
            break;
        }
        if (result == RESP_ERROR) {
            client_protocol_error(c, error);
            pos = len;
            break;
        }
        if (result == RESP_COMPLETE && !dispatch_request(c, chunk, data + pos, used, args)) {
            client_drop_partial(c);
            break;
        }
        client_drop_partial(c);
        pos += used;
    }
    if (c->flags & CLIENT_ENDING)
        client_make_pumpable(c);
    return (c->flags & CLIENT_GONE) ? len : pos;
}

/* Read on, or leave the rest to TCP's own window? A client that does not read its replies may be
 * one that sends all its requests first, so it is read up to a generous limit; and one that is
 * blocked, because behind all that it has sent its end may come. */
static void client_update_reading(struct client *c)
{
    if (c->flags & (CLIENT_GONE | CLIENT_EOF))
        return;
    size_t backlog = c->in_end - c->in_begin;
    bool reading;
    if (c->flags & CLIENT_CLOSING)
        reading = false;
    else if (backlog < CLIENT_READ_AHEAD || client_may_issue(c))
        reading = true;
    else
        reading = (c->stream.unsent > 0 || client_is_blocked(c)) &&
                  backlog < c->worker->config->client_input_limit;
    stream_set_reading(&c->stream, reading);
}

/* Keep what was not consumed. A long rest keeps its buffer, a short one is copied. */
static void client_keep_rest(struct client *c, struct chunk *chunk, char *data, size_t len)
{
    struct worker *w = c->worker;
    if (len >= CLIENT_REST_COPIED) {
        c->in = chunk_ref(chunk);
        c->in_begin = (size_t)(data - chunk->data);
        c->in_end = c->in_begin + len;
        return;
    }
    c->in = chunk_alloc_exact(&w->chunks, len);
    memcpy(c->in->data, data, len);
    c->in_begin = 0;
    c->in_end = len;
}

/* End of input or an error. */
static void client_on_read_end(struct client *c, ssize_t n)
{
    if (n == STREAM_AGAIN)
        return;
    if (n == STREAM_ERROR) {
        client_close(c);
        return;
    }
    /* Half-closed: what was asked is still answered, as redis-server does when the requests and
     * the end of input arrive together. */
    if (client_is_blocked(c)) { /* as in Redis: what it waits for is not for it any more */
        client_close(c);
        return;
    }
    c->flags |= CLIENT_EOF;
    stream_set_reading(&c->stream, false);
    client_make_pumpable(c);
}

static void client_read_shared(struct client *c)
{
    struct worker *w = c->worker;
    struct chunk *chunk = worker_read_chunk(w);
    size_t rest = c->in_end - c->in_begin;
    if (rest)
        memcpy(chunk->data, c->in->data + c->in_begin, rest);
    ssize_t n = stream_read(&c->stream, chunk->data + rest, chunk->cap - rest);
    if (n < 0) {
        client_on_read_end(c, n);
        return;
    }
    c->active = w->seconds;
    size_t need = c->in_need;
    if (rest)
        client_drop_input(c);
    size_t len = rest + (size_t)n;
    size_t used = len < need ? 0 : client_process(c, chunk, chunk->data, len);
    if (used < len) {
        if (len < need)
            c->in_need = need;
        client_keep_rest(c, chunk, chunk->data + used, len - used);
    }
}

/* Make room behind a long rest: for what the request needs, but never much more than has come. */
static void client_make_room(struct client *c)
{
    struct chunk_pool *chunks = &c->worker->chunks;
    size_t rest = c->in_end - c->in_begin;
    size_t want = c->in_need > rest ? c->in_need : rest + CLIENT_REST_COPIED;
    if (want > 2 * rest)
        want = 2 * rest;
    if (want < rest + CLIENT_REST_COPIED)
        want = rest + CLIENT_REST_COPIED;
    if (c->in->refs > 1) {
        struct chunk *own = chunk_alloc_size(chunks, want);
        memcpy(own->data, c->in->data + c->in_begin, rest);
        chunk_unref(chunks, c->in);
        c->in = own;
    } else if (c->in_begin >= rest) {
        memcpy(c->in->data, c->in->data + c->in_begin, rest);
    } else {
        if (c->in->cap - c->in_end < CLIENT_REST_COPIED)
            c->in = chunk_grow(chunks, c->in, c->in_end, c->in_begin + want);
        return;
    }
    c->in_begin = 0;
    c->in_end = rest;
    if (c->in->cap - rest < CLIENT_REST_COPIED)
        c->in = chunk_grow(chunks, c->in, rest, want);
}

static void client_read_own(struct client *c)
{
    client_make_room(c);
    c->large_room = c->in->cap < UINT32_MAX ? (uint32_t)c->in->cap : UINT32_MAX;
    c->large_after = c->commands;
    size_t room = c->in->cap - c->in_end;
    ssize_t n = stream_read(&c->stream, c->in->data + c->in_end,
                            room < CLIENT_READ_MAX ? room : CLIENT_READ_MAX);
    if (n < 0) {
        client_on_read_end(c, n);
        return;
    }
    c->active = c->worker->seconds;
    c->in_end += (size_t)n;
    if (c->in_end - c->in_begin >= c->in_need)
        client_pump(c);
}

static void client_on_readable(struct stream *s)
{
    struct client *c = (struct client *)s;
    if (c->in_end - c->in_begin >= CLIENT_REST_COPIED)
        client_read_own(c);
    else
        client_read_shared(c);
    client_update_reading(c);
}

void client_pump(struct client *c)
{
    if (c->flags & CLIENT_GONE)
        return;
    if (c->in && c->in_end - c->in_begin >= c->in_need) {
        struct chunk *chunk = chunk_ref(c->in);
        size_t used = client_process(c, chunk, chunk->data + c->in_begin, c->in_end - c->in_begin);
        chunk_unref(&c->worker->chunks, chunk);
        if (c->flags & CLIENT_GONE)
            return;
        c->in_begin += used;
        if (c->in_begin == c->in_end)
            client_drop_input(c);
    }
    client_update_reading(c);
    client_check_end(c);
}

void client_make_pumpable(struct client *c)
{
    if (c->flags & (CLIENT_PUMPABLE | CLIENT_GONE))
        return;
    c->flags |= CLIENT_PUMPABLE;
    c->next_pump = c->worker->pumpable;
    c->worker->pumpable = c;
}

static void client_on_drained(struct stream *s)
{
    struct client *c = (struct client *)s;
    if (c->in || (c->flags & CLIENT_ENDING))
        client_make_pumpable(c);
}

static void client_on_failed(struct stream *s, int error)
{
    (void)error;
    client_close((struct client *)s);
}

/* Replies to what was read together leave together, as redis-server's do, though they come from
 * several nodes: a write costs more than all else that is done for a few requests. */
static bool client_expects_more(const struct stream *s)
{
    const struct client *c = (const struct client *)s;
    return c->head && c->head->started == c->answered && s->unsent < CHUNK_SPAN_MIN &&
           !(c->flags & CLIENT_STATEFUL);
}

static const struct stream_ops client_ops = {
    .expects_more = client_expects_more,
    .on_readable = client_on_readable,
    .on_drained = client_on_drained,
    .on_failed = client_on_failed,
};
