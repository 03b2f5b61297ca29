/* pubsub_link: a connection to a node for subscriptions: its life, its input, its timeouts. It
 * speaks RESP2, so that what the node sends is what RESP2 clients get. */
#define _GNU_SOURCE
#include "base/log.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"
#include <errno.h>
#include <stdlib.h>

/* Silence after which a node is asked whether it is there, µs. */
#define LINK_PING_AFTER 1000000
/* A link that nothing is subscribed on is kept for so long, µs. */
#define LINK_LINGER 10000000
/* Pauses between connects to a node that refuses them, µs. */
#define LINK_RETRY_FIRST 20000
#define LINK_RETRY_MOST  500000
/* A link that had worked is opened again at once, at most so often, µs. */
#define LINK_AGAIN_AFTER 1000000
/* Least room for a read behind the beginning of a message. */
#define LINK_READ_MIN (16 * 1024)
/* Messages longer than Redis' longest bulk with its names are none. */
#define LINK_MAX_MESSAGE (1024ull * 1024 * 1024)

static const struct stream_ops link_ops;

/* For the log. A node that has vanished may have lost its pool before its links are closed. */
const char *link_host(const struct pubsub_link *l)
{
    const struct pool *pool = l->hub->worker->pools[l->node];
    return pool ? pool->host : "?";
}

uint16_t link_port(const struct pubsub_link *l)
{
    const struct pool *pool = l->hub->worker->pools[l->node];
    return pool ? pool->port : 0;
}

/* --- life --- */

struct pubsub_link *link_find(struct pubsub *hub, uint16_t node, enum pubsub_role role)
{
    for (struct pubsub_link *l = hub->links; l; l = l->next)
        if (l->node == node && l->role == role)
            return l;
    return NULL;
}

static void link_back_off(struct pubsub *hub, uint16_t node)
{
    struct pubsub_backoff *backoff = &hub->backoff[node];
    uint64_t pause = (uint64_t)LINK_RETRY_FIRST << (backoff->failures < 5 ? backoff->failures : 5);
    backoff->failures++;
    backoff->retry_at = hub->worker->now + (pause < LINK_RETRY_MOST ? pause : LINK_RETRY_MOST);
}

/* It does not do as a home now: another master becomes it. */
static void link_leave_home(struct pubsub *hub, uint16_t node)
{
    if (hub->home == node)
        hub->home = NODE_NONE;
}

/* A link was lost. If it had worked the same node is tried again first, and stays home: what was
 * published before the new subscription can not come from there a second time, as it could from
 * another node that is behind on the bus. */
static void link_on_lost(struct pubsub_link *l)
{
    struct pubsub *hub = l->hub;
    struct pubsub_backoff *backoff = &hub->backoff[l->node];
    bool again = l->useful && hub->worker->now - backoff->again_at > LINK_AGAIN_AFTER;
    if (again)
        backoff->again_at = hub->worker->now;
    else
        link_back_off(hub, l->node);
    if (!l->useful && l->role == PUBSUB_PLAIN)
        link_leave_home(hub, l->node);
}

static void link_on_connected(struct stream *s)
{
    struct pubsub_link *l = (struct pubsub_link *)s;
    struct pubsub *hub = l->hub;
    l->heard = hub->worker->now;
    link_greet(l);
    if (!l->ops) {
        l->ready = true;
        hub->place_wanted = true;
        hub_wake(hub);
    }
}

struct pubsub_link *link_open(struct pubsub *hub, uint16_t node, enum pubsub_role role)
{
    struct worker *w = hub->worker;
    bool connecting;
    if (hub->backoff[node].retry_at > w->now)
        return NULL;
    int fd = backend_connect(w->pools[node], &connecting);
    if (fd < 0) {
        log_limited(LOG_LEVEL_WARNING, "Can't connect to node %s:%u: %s", w->pools[node]->host,
                    w->pools[node]->port, strerror(errno));
        link_back_off(hub, node);
        if (role == PUBSUB_PLAIN)
            link_leave_home(hub, node);
        worker_hint(w);
        return NULL;
    }
    struct pubsub_link *l = memory_zalloc(sizeof *l);
    l->hub = hub;
    l->node = node;
    l->role = (uint8_t)role;
    l->opened = l->heard = l->idle_since = w->now;
    l->next = hub->links;
    if (hub->links)
        hub->links->prev = l;
    hub->links = l;
    counters_add(&w->counters, COUNTER_backends_opened, 1);
    counters_add(&w->counters, COUNTER_backends, 1);
    stream_open(&l->stream, w, fd, &link_ops, false, connecting);
    l->stream.to_node = true;
    if (!connecting)
        link_on_connected(&l->stream);
    return l;
}

static void link_drop_input(struct pubsub_link *l)
{
    if (l->in)
        chunk_unref(&l->hub->worker->chunks, l->in);
    l->in = NULL;
    l->in_len = 0;
}

static void link_unlink(struct pubsub_link *l)
{
    struct pubsub *hub = l->hub;
    *(l->prev ? &l->prev->next : &hub->links) = l->next;
    if (l->next)
        l->next->prev = l->prev;
    l->next = hub->dead;
    hub->dead = l;
}

static void link_drop_ops(struct pubsub_link *l)
{
    while (l->ops) {
        struct pubsub_op *op = l->ops;
        l->ops = op->next;
        free(op);
    }
    l->last_op = NULL;
}

void link_fail(struct pubsub_link *l, const char *why)
{
    struct pubsub *hub = l->hub;
    struct worker *w = hub->worker;
    if (l->closed)
        return;
    l->closed = true;
    l->ready = false;
    if (why) {
        log_limited(LOG_LEVEL_VERBOSE, "Subscriptions at node %s:%u lost: %s", link_host(l),
                    link_port(l), why);
        counters_add(&w->counters, COUNTER_backends_failed, 1);
        link_on_lost(l);
        worker_hint(w);
    }
    link_drop_ops(l);
    while (l->subs)
        link_free_sub(l->subs);
    link_drop_input(l);
    stream_close(&l->stream);
    link_unlink(l);
    counters_add(&w->counters, COUNTER_backends, (uint64_t)-1);
    wait_restart_all(hub);
    hub->place_wanted = true;
    hub_wake(hub);
}

void link_free_dead(struct pubsub *hub)
{
    while (hub->dead) {
        struct pubsub_link *l = hub->dead;
        hub->dead = l->next;
        free(l);
    }
}

/* --- reading --- */

/* Returns the bytes of whole messages, or -1: the link must be closed. */
static ssize_t link_process(struct pubsub_link *l, struct chunk *chunk, char *data, size_t len)
{
    size_t pos = 0;
    while (pos < len && !l->closed) {
        size_t used = 0;
        enum resp_result result = resp_scan_reply(&l->scan, data + pos + l->scanned,
                                                  len - pos - l->scanned, &used);
        if (result == RESP_ERROR)
            return -1;
        l->scanned += used;
        if (result == RESP_MORE)
            break;
        size_t whole = l->scanned;
        l->scanned = 0;
        memset(&l->scan, 0, sizeof l->scan);
        if (data[pos] == '*' ? !link_on_array(l, chunk, data + pos, whole)
                             : !link_on_line(l, data + pos, whole))
            return -1;
        pos += whole;
    }
    return len - pos > LINK_MAX_MESSAGE ? -1 : (ssize_t)pos;
}

/* Keep what is left of the input for when more comes. */
static void link_keep_rest(struct pubsub_link *l, const char *data, size_t len)
{
    struct worker *w = l->hub->worker;
    if (l->in && data == l->in->data) {
        l->in_len = len;
        return;
    }
    struct chunk *rest = len ? chunk_alloc_size(&w->chunks, len + LINK_READ_MIN) : NULL;
    if (rest)
        memcpy(rest->data, data, len);
    link_drop_input(l);
    l->in = rest;
    l->in_len = len;
}

/* The buffer for the next read, with the rest of the last one at its start. */
static struct chunk *link_read_buffer(struct pubsub_link *l)
{
    struct worker *w = l->hub->worker;
    if (!l->in)
        return worker_read_chunk(w);
    if (l->in->refs > 1) {
        struct chunk *own = chunk_alloc_size(&w->chunks, 2 * l->in_len + LINK_READ_MIN);
        memcpy(own->data, l->in->data, l->in_len);
        chunk_unref(&w->chunks, l->in);
        l->in = own;
    } else if (l->in->cap - l->in_len < LINK_READ_MIN) {
        l->in = chunk_grow(&w->chunks, l->in, l->in_len, 2 * l->in_len + LINK_READ_MIN);
    }
    return l->in;
}

static void link_on_garbage(struct pubsub_link *l)
{
    struct worker *w = l->hub->worker;
    counters_add(&w->counters, COUNTER_backends_garbage, 1);
    log_limited(LOG_LEVEL_WARNING, "Node %s:%u sent something unexpected; subscriptions closed",
                link_host(l), link_port(l));
    link_fail(l, "unexpected reply");
}

static void link_on_readable(struct stream *s)
{
    struct pubsub_link *l = (struct pubsub_link *)s;
    struct worker *w = l->hub->worker;
    struct chunk *chunk = link_read_buffer(l);
    ssize_t n = stream_read(s, chunk->data + l->in_len, chunk->cap - l->in_len);
    if (n == STREAM_AGAIN)
        return;
    if (n < 0) {
        link_fail(l, n == STREAM_EOF ? "closed by the node" : strerror(errno));
        return;
    }
    l->heard = w->now;
    l->pinged = false;
    size_t len = l->in_len + (size_t)n;
    chunk_ref(chunk);
    ssize_t used = link_process(l, chunk, chunk->data, len);
    if (used < 0)
        link_on_garbage(l);
    else if (!l->closed)
        link_keep_rest(l, chunk->data + used, len - (size_t)used);
    chunk_unref(&w->chunks, chunk);
}

static void link_on_failed(struct stream *s, int error)
{
    link_fail((struct pubsub_link *)s, strerror(error));
}

static const struct stream_ops link_ops = {
    .on_readable = link_on_readable,
    .on_connected = link_on_connected,
    .on_failed = link_on_failed,
};

/* --- time --- */

/* Why it can not stay, NULL: it can. */
static const char *link_complaint(struct pubsub_link *l)
{
    static const char *const ping[] = {"PING"};
    const struct worker *w = l->hub->worker;
    const struct config *config = w->config;
    if (!place_may_stay(l))
        return "the node is not fit";
    if (!l->ready)
        return w->now - l->opened > config->connect_timeout * 1000ull ? "connect-timeout" : NULL;
    if (l->hub->reading_paused || (w->pools[l->node]->flags & TOPOLOGY_BUSY))
        return NULL;
    if (l->ops && config->backend_timeout &&
        w->now - l->heard > config->backend_timeout * 1000ull) {
        l->useful = false; /* no more */
        return "backend-timeout";
    }
    if (!l->pinged && w->now - l->heard > LINK_PING_AFTER) {
        l->pinged = true;
        link_command(l, PUBSUB_OP_PING, NULL, 1, ping, NULL);
    }
    return NULL;
}

void link_check_all(struct pubsub *hub)
{
    struct pubsub_link *next;
    uint64_t now = hub->worker->now;
    for (struct pubsub_link *l = hub->links; l; l = next) {
        next = l->next;
        const char *why = link_complaint(l);
        if (why)
            link_fail(l, why);
        else if (l->idle_since && !l->ops && now - l->idle_since > LINK_LINGER)
            link_fail(l, NULL);
    }
}
