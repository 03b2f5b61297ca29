/* backend: one pipelined connection to one node.
 * Replies pair with the head of the FIFO; anything unexpected closes the connection. */
#define _GNU_SOURCE
#include "flow/backend.h"
#include "base/event.h"
#include "base/log.h"
#include "base/memory.h"
#include "flow/blocking.h"
#include "flow/client.h"
#include "flow/fanout.h"
#include "flow/lease.h"
#include "flow/monitor.h"
#include "flow/order.h"
#include "flow/route.h"
#include "flow/session.h"
#include "flow/slowlog.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/watch.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A line of a reply (status, error, integer, length) that is longer is not RESP. */
#define BACKEND_MAX_LINE (1024 * 1024)

/* An incomplete reply is handed on in parts from this size on; a shorter one stays in the read
 * buffer, and is scanned again with what comes. */
#define BACKEND_PART_MIN (16 * 1024)

/* The reply to a request with one of these is more than to be handed on. */
#define BACKEND_UNUSUAL                                                                            \
    (REQUEST_INTERNAL | REQUEST_BEHIND | REQUEST_RETRYING | REQUEST_SAMPLED | REQUEST_BLOCKING |   \
     REQUEST_WATCH | REQUEST_ASSEMBLED | REQUEST_UNTRACKED)

#define BACKEND_READONLY  "*1\r\n$8\r\nREADONLY\r\n"
#define BACKEND_HELLO3    "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"
#define BACKEND_EXEC      "*1\r\n$4\r\nEXEC\r\n"
#define BACKEND_CLIENT_ID "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n"

static const struct stream_ops backend_ops;

/* --- life --- */

int backend_connect(const struct pool *pool, bool *connecting)
{
    int fd = socket(pool->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    *connecting = false;
    if (connect(fd, (const struct sockaddr *)&pool->addr, pool->addrlen) == 0)
        return fd;
    if (errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    *connecting = true;
    return fd;
}

/* For WAIT. */
static inline void backend_note_write(const struct backend *b, const struct request *r)
{
    struct client *c = r->fanout ? r->fanout->parent->client : r->client;
    if (c)
        c->written |= b->bit;
}

static void backend_push(struct backend *b, struct request *r)
{
    if (!(r->flags & REQUEST_READONLY))
        backend_note_write(b, r);
    r->backend = b;
    r->backend_next = NULL;
    if (b->tail)
        b->tail->backend_next = r;
    else
        b->head = r;
    b->tail = r;
    b->in_flight++;
}

static struct request *backend_pop(struct backend *b)
{
    struct request *r = b->head;
    b->head = r->backend_next;
    PREFETCH(b->head);
    if (!b->head)
        b->tail = NULL;
    r->backend_next = NULL;
    r->backend = NULL;
    b->in_flight--;
    return r;
}

/* Does r belong to the handshake? */
static bool backend_is_greeting(const struct request *r)
{
    return (r->flags & (REQUEST_INTERNAL | REQUEST_OWN)) == REQUEST_INTERNAL;
}

/* A command of the handshake: its reply must not be an error. It goes before the requests that are
 * on the FIFO already and whose bytes wait in `early`. */
static void backend_greet(struct backend *b, const char *data, size_t len)
{
    struct request *r = request_new(b->worker, NULL, NULL);
    struct request **at = &b->head;
    while (*at && backend_is_greeting(*at))
        at = &(*at)->backend_next;
    r->flags = REQUEST_INTERNAL;
    r->len = len;
    r->backend = b;
    r->backend_next = *at;
    *at = r;
    if (!r->backend_next)
        b->tail = r;
    b->in_flight++;
    stream_append(&b->stream, data, len);
}

static void backend_greet_auth(struct backend *b)
{
    const struct config *config = b->worker->config;
    const char *user = config->auth_user, *password = config->auth_password;
    size_t cap = strlen(user) + strlen(password) + 96;
    char *line = memory_alloc(cap);
    int len;
    if (*user)
        len = snprintf(line, cap, "*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(user),
                       user, strlen(password), password);
    else
        len = snprintf(line, cap, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n", strlen(password), password);
    backend_greet(b, line, (size_t)len);
    free(line);
}

static void backend_set_ready(struct backend *b)
{
    b->state = BACKEND_READY;
    b->pool->failures = 0;
    b->pool->retry_at = 0;
    b->worker->drive_wanted = true;
    if (b->kind == POOL_LEASE)
        lease_on_ready(b);
    if (b->early.head)
        stream_splice(&b->stream, &b->early);
}

static void backend_on_connected(struct stream *s)
{
    struct backend *b = (struct backend *)s;
    b->heard = b->worker->now;
    if (*b->worker->config->auth_password)
        backend_greet_auth(b);
    if (b->resp3)
        backend_greet(b, BACKEND_HELLO3, sizeof BACKEND_HELLO3 - 1);
    if (b->replica)
        backend_greet(b, BACKEND_READONLY, sizeof BACKEND_READONLY - 1);
    bool bare = !b->head || !backend_is_greeting(b->head);
    /* Nothing depends on the reply to this, so what waits goes out with it: the sooner a client
     * blocks at its node, the less its order among others' commands is changed. */
    if (b->kind == POOL_LEASE)
        backend_greet(b, BACKEND_CLIENT_ID, sizeof BACKEND_CLIENT_ID - 1);
    if (bare)
        backend_set_ready(b);
    else
        b->state = BACKEND_HANDSHAKE;
}

static struct backend *backend_new(struct pool *pool)
{
    struct worker *w = pool->worker;
    struct backend *b = memory_zalloc(sizeof *b);
    b->worker = w;
    b->pool = pool;
    b->opened = b->heard = w->now;
    b->watched = &w->watch->own;
    b->bit = backend_bit(pool->node);
    counters_add(&w->counters, COUNTER_backends_opened, 1);
    watch_add(pool->watch, WATCH_opened, 1);
    counters_add(&w->counters, COUNTER_backends, 1);
    return b;
}

static void backend_start(struct backend *b, int fd, bool connecting)
{
    stream_open(&b->stream, b->worker, fd, &backend_ops, true, connecting);
    if (!connecting)
        backend_on_connected(&b->stream);
}

struct backend *backend_open(struct pool *pool, enum pool_kind kind, unsigned slot_in_pool)
{
    bool connecting;
    int fd = backend_connect(pool, &connecting);
    if (fd < 0)
        return NULL;
    struct backend *b = backend_new(pool);
    b->kind = (uint8_t)kind;
    b->replica = kind == POOL_REPLICA || kind == POOL_REPLICA3;
    b->resp3 = kind >= POOL_MASTER3;
    b->slot_in_pool = (uint8_t)slot_in_pool;
    pool->backends[kind][slot_in_pool] = b;
    pool->nshared++;
    backend_start(b, fd, connecting);
    return b;
}

struct backend *backend_open_lease(struct pool *pool, bool resp3)
{
    bool connecting;
    int fd = backend_connect(pool, &connecting);
    if (fd < 0)
        return NULL;
    struct backend *b = backend_new(pool);
    b->kind = POOL_LEASE;
    b->resp3 = resp3;
    lease_on_open(b);
    backend_start(b, fd, connecting);
    return b;
}

/* Take it out of use; memory is freed at the end of the turn. */
static void backend_kill(struct backend *b)
{
    struct worker *w = b->worker;
    b->state = BACKEND_DEAD;
    if (b->kind == POOL_LEASE) {
        lease_on_close(b);
    } else {
        b->pool->backends[b->kind][b->slot_in_pool] = NULL;
        b->pool->nshared--;
    }
    stream_close(&b->stream);
    if (b->pool->watch) {
        b->pool->watch->closed_in += b->stream.bytes_in;
        b->pool->watch->closed_out += b->stream.bytes_out;
    }
    bufq_clear(&w->chunks, &b->early);
    b->next = w->dead;
    w->dead = b;
    counters_add(&w->counters, COUNTER_backends, (uint64_t)-1);
}

void backend_close(struct backend *b)
{
    backend_kill(b);
}

void backend_abandon(struct backend *b)
{
    struct worker *w = b->worker;
    struct request *list = b->head;
    if (b->state == BACKEND_DEAD)
        return;
    b->head = b->tail = NULL;
    backend_kill(b);
    while (list) {
        struct request *r = list;
        list = r->backend_next;
        r->backend_next = NULL;
        r->backend = NULL;
        client_fail(w, r, "ERR the connection to the node was given up");
    }
}

void backend_bury(struct worker *w)
{
    while (w->dead) {
        struct backend *b = w->dead;
        w->dead = b->next;
        script_known_free(&b->scripts);
        free(b->rest);
        free(b);
    }
}

/* The next r->len bytes of `from` are r's: keep them with r, without what was sent before them.
 * They may have to wait, so small ones get a chunk of their own size. */
static void backend_move_bytes(struct worker *w, struct request *r, struct bufq *from)
{
    size_t len = r->len - r->prefix;
    bufq_drop(&w->chunks, from, r->prefix);
    if (len < CHUNK_SPAN_MIN) {
        bufq_peek(from, bufq_reserve_exact(&w->chunks, &r->data, len), len);
        bufq_commit(&r->data, len);
        bufq_drop(&w->chunks, from, len);
    } else {
        bufq_move(&w->chunks, &r->data, from, len);
    }
}

/* Close it and give its requests to the router; the first `sent` bytes had left. */
static void backend_hand_back(struct backend *b, size_t sent)
{
    struct worker *w = b->worker;
    struct bufq bytes = {0};
    bufq_splice(&bytes, &b->stream.out);
    bufq_splice(&bytes, &b->early);
    struct request *list = b->head;
    b->head = b->tail = NULL;
    backend_kill(b);
    while (list) {
        struct request *r = list;
        list = r->backend_next;
        r->backend_next = NULL;
        r->backend = NULL;
        bool was_sent = sent > 0;
        sent = sent > r->len ? sent - r->len : 0;
        backend_move_bytes(w, r, &bytes);
        if (r->flags & REQUEST_INTERNAL)
            request_free(w, r);
        else
            route_on_lost(w, r, was_sent);
    }
    bufq_clear(&w->chunks, &bytes);
}

/* The first `sent` bytes had left. worked: it is to be opened again at once. */
static void backend_end(struct backend *b, const char *why, size_t sent, bool worked)
{
    struct worker *w = b->worker;
    log_limited(LOG_LEVEL_VERBOSE, "Connection to node %s:%u lost with %u requests in flight: %s",
                b->pool->host, b->pool->port, b->in_flight, why);
    counters_add(&w->counters, COUNTER_backends_failed, 1);
    watch_add(b->pool->watch, WATCH_failed, 1);
    event_note(EVENT_CONNECTION, EVENT_WARNING, "connection to %s:%u lost: %s", b->pool->host,
               b->pool->port, why);
    watch_add(b->pool->watch, WATCH_lost, b->in_flight);
    pool_on_lost(b->pool, worked);
    backend_hand_back(b, sent);
    worker_hint(w);
}

void backend_fail(struct backend *b, const char *why)
{
    if (b->state != BACKEND_DEAD)
        backend_end(b, why, b->stream.out.len - b->stream.unsent, b->state == BACKEND_READY);
}

void backend_give_up(struct backend *b, const char *why)
{
    if (b->state != BACKEND_DEAD)
        stream_forsake(&b->stream);
    backend_fail(b, why);
}

void backend_recall(struct backend *b)
{
    if (b->state != BACKEND_DEAD)
        backend_hand_back(b, 0);
}

/* --- requests --- */

void backend_send(struct backend *b, struct request *r, struct chunk *chunk, char *data, size_t len)
{
    struct worker *w = b->worker;
    r->len = len;
    r->prefix = 0;
    r->skip = r->lead;
    if (!b->head)
        b->heard = w->now; /* silence counts from here */
    backend_push(b, r);
    counters_add(&w->counters, COUNTER_requests_forwarded, 1);
    struct bufq *q = b->state == BACKEND_READY ? &b->stream.out : &b->early;
    bufq_append_from(&w->chunks, q, chunk, data, len);
    if (b->state == BACKEND_READY)
        stream_appended(&b->stream, len);
}

void backend_send_parked(struct backend *b, struct request *r, struct bufq *prefix, uint32_t skip)
{
    struct worker *w = b->worker;
    struct bufq *q = b->state == BACKEND_READY ? &b->stream.out : &b->early;
    r->prefix = prefix ? (uint32_t)prefix->len : 0;
    r->skip = r->lead + skip;
    r->len = r->prefix + r->data.len;
    if (!b->head)
        b->heard = w->now;
    backend_push(b, r);
    counters_add(&w->counters, COUNTER_requests_forwarded, 1);
    if (prefix)
        bufq_move(&w->chunks, q, prefix, prefix->len);
    bufq_splice(q, &r->data);
    if (b->state == BACKEND_READY)
        stream_appended(&b->stream, r->len);
}

void backend_command(struct backend *b, const char *data, size_t len)
{
    struct request *r = request_new(b->worker, NULL, NULL);
    r->flags = REQUEST_INTERNAL | REQUEST_OWN;
    b->own++;
    backend_send(b, r, NULL, (char *)(uintptr_t)data, len);
}

/* --- replies --- */

/* The bytes of the head, which has been answered with a refusal, for sending it again. */
static void backend_take_bytes(struct backend *b, struct request *r)
{
    struct worker *w = b->worker;
    struct bufq whole = {0};
    bufq_copy_head(&w->chunks, &whole, &b->stream.out, r->len);
    stream_ack(&b->stream, r->len);
    backend_move_bytes(w, r, &whole);
}

static void backend_note_slow(struct backend *b, struct request *r)
{
    struct bufq copy = {0};
    struct worker *w = b->worker;
    struct client *c = r->fanout ? r->fanout->parent->client : r->client;
    bool waited = r->flags & REQUEST_BLOCKING; /* as it was told to: that is not slow */
    if (!r->cmd || !c || w->slow_budget == 0 || (waited && w->slow_after > 0))
        return;
    if (r->fanout && r->fanout->nplan == 0 && r->fanout->missing > 1)
        return; /* the same request to all masters is noted once, with the last reply */
    if (transaction_forgets_slow(r))
        return;
    w->slow_budget--;
    if (r->cmd->local == COMMAND_LOCAL_EXEC) { /* its bytes begin with MULTI */
        slowlog_add(w, c, BACKEND_EXEC, sizeof BACKEND_EXEC - 1, w->now - r->started);
        return;
    }
    bufq_copy_head(&w->chunks, &copy, &b->stream.out, r->len);
    bufq_drop(&w->chunks, &copy, r->prefix);
    slowlog_add(w, c, bufq_flatten(&w->chunks, &copy), copy.len, waited ? 0 : w->now - r->started);
    if (w->slowlog->newest && !waited) {
        w->slowlog->newest->inside = w->now - r->started - watch_node_time(w, watch_sent(r));
        w->slowlog->newest->node = b->pool->node;
    }
    bufq_clear(&w->chunks, &copy);
}

static OUTLINED bool backend_on_greeted(struct backend *b, const char *data, size_t len)
{
    struct request *r = b->head;
    if (*data == '-' && !(backend_is_greeting(r) && reply_needs_no_auth(data, len))) {
        log_limited(LOG_LEVEL_WARNING, "Node %s:%u refused slotway's handshake: %.*s",
                    b->pool->host, b->pool->port, (int)(len > 202 ? 200 : len - 2), data);
        return false;
    }
    if (*data == ':' && backend_is_greeting(r))
        b->node_client_id = strtoull(data + 1, NULL, 10);
    bool own = r->flags & REQUEST_OWN;
    backend_pop(b);
    stream_ack(&b->stream, r->len);
    request_free(b->worker, r);
    b->own -= own;
    if (b->state != BACKEND_READY && (!b->head || !backend_is_greeting(b->head)))
        backend_set_ready(b);
    if (own && b->owner)
        session_on_confirmed(b->owner, b);
    else if (own && b->unasked)
        monitor_answer(b->worker);
    return b->state != BACKEND_DEAD;
}

/* One before it in its slot was refused, or it was itself. True: it will be sent again, behind that
 * one; the reply that it has now is kept, as it may turn out to be the right one. */
static bool backend_finish_late(struct backend *b, struct request *r, struct chunk *chunk,
                                char *data, size_t len)
{
    struct worker *w = b->worker;
    if (!(r->flags & REQUEST_BEHIND) || !order_on_reply(w, r)) {
        order_on_end(w, r, false);
        return false;
    }
    backend_pop(b);
    backend_take_bytes(b, r);
    request_hold(w, r, chunk, data, len);
    route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
    return true;
}

static void backend_finish_transaction(struct backend *b, struct request *r, struct chunk *chunk,
                                       char *data, size_t len)
{
    if (r->flags & REQUEST_ASSEMBLED) {
        transaction_on_reply(b->worker, r, b->pool->node, chunk, data, len);
        return;
    }
    keywatch_on_reply(b, r, data);
    if (r->client)
        client_on_reply(r, chunk, data, len);
    else
        request_free(b->worker, r);
}

/* The reply is complete with these last bytes: hand it on. */
static void backend_finish(struct backend *b, struct request *r, struct chunk *chunk, char *data,
                           size_t len)
{
    struct worker *w = b->worker;
    struct client *untracked = NULL;
    if (r->flags & (REQUEST_BEHIND | REQUEST_RETRYING | REQUEST_SAMPLED | REQUEST_UNTRACKED)) {
        if (r->flags & REQUEST_UNTRACKED)
            untracked = order_client(r);
        if (r->flags & REQUEST_SAMPLED)
            watch_on_sample(b, r, len);
        if ((r->flags & (REQUEST_BEHIND | REQUEST_RETRYING)) &&
            backend_finish_late(b, r, chunk, data, len))
            return;
    }
    backend_pop(b);
    stream_ack(&b->stream, r->len);
    if (r->flags & (REQUEST_WATCH | REQUEST_ASSEMBLED))
        backend_finish_transaction(b, r, chunk, data, len);
    else if (r->flags & REQUEST_CHILD)
        fanout_on_reply(w, r, chunk, data, len);
    else if (r->client)
        client_on_reply(r, chunk, data, len);
    else
        request_free(w, r);
    if (untracked)
        tracking_on_untracked(untracked);
}

/* A reply that goes before r's own. */
static void backend_on_lead(struct request *r, const char *data, size_t len)
{
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_lead(r, data, len);
    else
        transaction_on_lead(r, data, len);
}

static OUTLINED bool backend_on_unusual(struct backend *b, struct chunk *chunk, char *data,
                                        size_t len)
{
    struct worker *w = b->worker;
    struct request *r = b->head;
    if (r->flags & REQUEST_INTERNAL)
        return backend_on_greeted(b, data, len);
    if (r->skip) {
        backend_on_lead(r, data, len);
        r->skip--;
        return true;
    }
    if (*data == '-' && r->lead && transaction_judge(r, &data, &len))
        chunk = NULL;
    if (*data == '-' && route_is_refusal(r, data, len)) {
        backend_pop(b);
        backend_take_bytes(b, r);
        route_on_refusal(w, r, b, data, len);
        return true;
    }
    if (w->now - r->started >= w->slow_after)
        backend_note_slow(b, r);
    if (!(r->flags & REQUEST_BLOCKING)) /* its time says nothing of the node */
        watch_reply(b, r, *data == '-');
    backend_finish(b, r, chunk, data, len);
    return true;
}

/* One whole reply. False: the connection must be closed. */
static inline bool backend_on_whole(struct backend *b, struct chunk *chunk, char *data, size_t len)
{
    struct worker *w = b->worker;
    struct request *r = b->head;
    if ((r->flags & BACKEND_UNUSUAL) || r->skip || *data == '-' ||
        w->now - r->started >= w->slow_after)
        return backend_on_unusual(b, chunk, data, len);
    watch_reply(b, r, false);
    backend_pop(b);
    stream_ack(&b->stream, r->len);
    if (r->client)
        client_on_reply(r, chunk, data, len);
    else if (r->flags & REQUEST_CHILD)
        fanout_on_reply(w, r, chunk, data, len);
    else
        request_free(w, r);
    return true;
}

static void backend_on_part(struct backend *b, struct chunk *chunk, char *data, size_t len)
{
    struct request *r = b->head;
    if (len == 0 || r->skip || (r->flags & REQUEST_INTERNAL))
        return;
    if (r->flags & REQUEST_ASSEMBLED)
        transaction_on_part(b->worker, r, chunk, data, len);
    else if (r->flags & REQUEST_CHILD)
        fanout_on_part(b->worker, r, chunk, data, len);
    else if (r->client)
        client_on_reply_part(r, chunk, data, len);
}

/* The general case: nested, long, or arriving in pieces. Returns bytes consumed; *done: a reply
 * ended there. -1: garbage. */
static OUTLINED ssize_t backend_scan(struct backend *b, struct chunk *chunk, char *data, size_t len)
{
    const struct worker *w = b->worker;
    size_t used = 0;
    enum resp_result result = resp_scan_reply(&b->scan, data, len, &used);
    if (result == RESP_ERROR)
        return -1;
    if (result == RESP_MORE && !b->midway && len < BACKEND_PART_MIN) {
        memset(&b->scan, 0, sizeof b->scan);
        return 0;
    }
    if (result == RESP_MORE) {
        b->midway = b->midway || used > 0;
        backend_on_part(b, chunk, data, used);
        return (ssize_t)used;
    }
    if (!b->midway) {
        if (!backend_on_whole(b, chunk, data, used))
            return -1;
        return (ssize_t)used;
    }
    b->midway = false;
    struct request *r = b->head;
    if (r->flags & REQUEST_INTERNAL)
        return -1;
    if (r->skip) {
        backend_on_lead(r, "*", 1); /* too long to be an error */
        r->skip--;
    } else {
        if (w->now - r->started >= w->slow_after)
            backend_note_slow(b, r);
        if (!(r->flags & REQUEST_BLOCKING))
            watch_reply(b, r, false);
        watch_big_reply(b, r, r->reply_len + used);
        backend_finish(b, r, chunk, data, used);
    }
    return (ssize_t)used;
}

/* An out-of-band message at data. Returns its length, 0: it is not complete yet, -1: it is not
 * expected here, or is garbage. */
static OUTLINED ssize_t backend_on_push(struct backend *b, struct chunk *chunk, char *data,
                                        size_t len)
{
    struct resp_reply_scan scan = {0};
    size_t used = 0;
    if (!b->on_push)
        return -1;
    enum resp_result result = resp_scan_reply(&scan, data, len, &used);
    if (result != RESP_COMPLETE)
        return result == RESP_MORE ? 0 : -1;
    b->on_push(b, chunk, data, used);
    return b->state == BACKEND_DEAD ? -1 : (ssize_t)used;
}

/* Pair what was read with requests. Returns bytes consumed, or -1: the connection must be closed.
 */
static ssize_t backend_process(struct backend *b, struct chunk *chunk, char *data, size_t len)
{
    size_t pos = 0;
    while (pos < len) {
        if ((data[pos] == '>' || (b->unasked && !b->head)) && !b->midway) {
            ssize_t used = backend_on_push(b, chunk, data + pos, len - pos);
            if (used <= 0)
                return used < 0 ? -1 : (ssize_t)pos;
            pos += (size_t)used;
            continue;
        }
        if (!b->head || b->stream.out.len - b->stream.unsent < b->head->len)
            return -1; /* a reply to nothing, or to what has not been sent in full */
        size_t whole = b->midway ? 0 : resp_reply_fast(data + pos, len - pos);
        if (whole) {
            if (!backend_on_whole(b, chunk, data + pos, whole))
                return -1;
            pos += whole;
            continue;
        }
        ssize_t used = backend_scan(b, chunk, data + pos, len - pos);
        if (used < 0)
            return -1;
        pos += (size_t)used;
        if (b->midway || used == 0)
            break;
    }
    return (ssize_t)pos;
}

static bool backend_keep_rest(struct backend *b, const char *data, size_t len)
{
    if (len > BACKEND_MAX_LINE)
        return false;
    char *rest = len ? memory_alloc(len) : NULL;
    if (len)
        memcpy(rest, data, len);
    free(b->rest);
    b->rest = rest;
    b->rest_len = len;
    return true;
}

static OUTLINED void backend_on_garbage(struct backend *b)
{
    counters_add(&b->worker->counters, COUNTER_backends_garbage, 1);
    log_limited(LOG_LEVEL_WARNING, "Node %s:%u sent something unexpected; connection closed",
                b->pool->host, b->pool->port);
    backend_fail(b, "unexpected reply");
}

/* A node with too many clients, or in protected mode, says so when it accepts, reads nothing and
 * closes. So nothing was executed: as if nothing had been sent. data: the first bytes that came.
 * The error of a script could read like this. */
static bool backend_is_turned_away(const struct backend *b, const char *data, size_t len)
{
    static const char *const lines[] = {
        "-ERR max number of clients reached\r\n",
        "-ERR max number of clients + cluster connections reached\r\n",
        "-DENIED Redis is running in protected mode",
    };
    const struct request *r = b->head;
    if (*data != '-' || (r && r->cmd && (r->cmd->flags & COMMAND_SCRIPT)))
        return false;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (len >= strlen(lines[i]) && memcmp(data, lines[i], strlen(lines[i])) == 0)
            return true;
    return false;
}

static void backend_on_turned_away(struct backend *b, const char *data, size_t len)
{
    const char *end = memchr(data, '\r', len);
    log_limited(LOG_LEVEL_WARNING, "Node %s:%u refused a connection: %.*s", b->pool->host,
                b->pool->port, (int)(end ? end - data : 0), data);
    backend_end(b, "refused by the node", 0, false);
}

static void backend_on_readable(struct stream *s)
{
    struct backend *b = (struct backend *)s;
    struct worker *w = b->worker;
    struct chunk *chunk = worker_read_chunk(w);
    if (b->rest_len + 4096 > chunk->cap) {
        chunk = w->read_chunk = chunk_grow(&w->chunks, chunk, 0, b->rest_len + CHUNK_SPAN_MIN);
    }
    if (b->rest_len)
        memcpy(chunk->data, b->rest, b->rest_len);
    ssize_t n = stream_read(s, chunk->data + b->rest_len, chunk->cap - b->rest_len);
    if (n == STREAM_AGAIN)
        return;
    if (n < 0) {
        backend_fail(b, n == STREAM_EOF ? "closed by the node" : strerror(errno));
        return;
    }
    b->heard = w->now;
    if (s->bytes_in == (uint64_t)n && backend_is_turned_away(b, chunk->data, (size_t)n)) {
        backend_on_turned_away(b, chunk->data, (size_t)n);
        return;
    }
    size_t len = b->rest_len + (size_t)n;
    ssize_t used = backend_process(b, chunk, chunk->data, len);
    if (b->state == BACKEND_DEAD)
        return;
    if (used < 0 || !backend_keep_rest(b, chunk->data + used, len - (size_t)used))
        backend_on_garbage(b);
    else if (b->kind == POOL_LEASE)
        lease_on_replies(b);
}

static void backend_on_failed(struct stream *s, int error)
{
    backend_fail((struct backend *)s, strerror(error));
}

static const struct stream_ops backend_ops = {
    .on_readable = backend_on_readable,
    .on_connected = backend_on_connected,
    .on_failed = backend_on_failed,
};
