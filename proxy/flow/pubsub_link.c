/* pubsub_link: a connection to a node for subscriptions. It speaks RESP2, so that what the node
 * sends is what RESP2 clients get.
 *
 *   SUBSCRIBE … -> node      answers pair with ops, in order: ops -> op -> op -> last_op
 *   messages    <- node      come in between
 *
 * Anything that is neither closes the link. A silent one is asked with PING. */
#define _GNU_SOURCE
#include "base/log.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <errno.h>
#include <stdlib.h>

/* Silence after which a node is asked whether it is there, µs. */
#define LINK_PING_AFTER 1000000
/* A link that nothing is subscribed on is kept for so long, µs. */
#define LINK_LINGER 10000000
/* Pauses between connects to a node that refuses them, µs. */
#define LINK_RETRY_FIRST 20000
#define LINK_RETRY_MOST  500000
/* A subscription that a node refuses for now is tried again after so long, µs. */
#define LINK_REFUSED_PAUSE 50000
/* What a node counted may be up to so old when slotway reads it, µs. */
#define LINK_GHOST_TIME 200000
/* Least room for a read behind the beginning of a message. */
#define LINK_READ_MIN (16 * 1024)
/* Messages longer than Redis' longest bulk with its names are none. */
#define LINK_MAX_MESSAGE (1024ull * 1024 * 1024)

static const struct stream_ops link_ops;

/* For the log. A node that has vanished may have lost its pool before its links are closed. */
static const char *link_host(const struct pubsub_link *l)
{
    const struct pool *pool = l->hub->worker->pools[l->node];
    return pool ? pool->host : "?";
}

static uint16_t link_port(const struct pubsub_link *l)
{
    const struct pool *pool = l->hub->worker->pools[l->node];
    return pool ? pool->port : 0;
}

/* --- commands --- */

static void link_command(struct pubsub_link *l, enum pubsub_op_kind kind, struct pubsub_sub *sub,
                         int argc, const char *const *argv, const size_t *lens)
{
    struct worker *w = l->hub->worker;
    struct reply r = {.pool = &w->chunks, .q = &l->stream.out, .protocol = 2};
    struct pubsub_op *op = memory_zalloc(sizeof *op);
    size_t before = l->stream.out.len;
    reply_array(&r, (size_t)argc);
    for (int i = 0; i < argc; i++)
        reply_bulk(&r, argv[i], lens ? lens[i] : strlen(argv[i]));
    stream_appended(&l->stream, l->stream.out.len - before);
    if (!l->ops)
        l->heard = w->now; /* silence counts from here */
    op->kind = kind;
    op->sub = sub;
    op->turn = w->now;
    if (l->last_op)
        l->last_op->next = op;
    else
        l->ops = op;
    l->last_op = op;
    if (sub)
        sub->inflight++;
}

static void link_topic_command(struct pubsub_sub *sub, enum pubsub_op_kind kind)
{
    static const char *const names[PUBSUB_KINDS][2] = {
        [PUBSUB_CHANNEL] = {"SUBSCRIBE", "UNSUBSCRIBE"},
        [PUBSUB_PATTERN] = {"PSUBSCRIBE", "PUNSUBSCRIBE"},
        [PUBSUB_SHARD] = {"SSUBSCRIBE", "SUNSUBSCRIBE"},
    };
    const struct pubsub_topic *t = sub->topic;
    const char *verb = names[t->kind][kind == PUBSUB_OP_UNSUB];
    const char *argv[] = {verb, topic_name(t)};
    size_t lens[] = {strlen(verb), topic_name_len(t)};
    link_command(sub->link, kind, sub, 2, argv, lens);
}

static void link_greet(struct pubsub_link *l)
{
    const struct config *config = l->hub->worker->config;
    const char *with_user[] = {"AUTH", config->auth_user, config->auth_password};
    const char *alone[] = {"AUTH", config->auth_password};
    if (!*config->auth_password)
        return;
    if (*config->auth_user)
        link_command(l, PUBSUB_OP_GREET, NULL, 3, with_user, NULL);
    else
        link_command(l, PUBSUB_OP_GREET, NULL, 2, alone, NULL);
}

/* --- subscriptions --- */

struct pubsub_sub *link_sub(const struct pubsub_link *l, const struct pubsub_topic *t)
{
    for (struct pubsub_sub *sub = t->subs; sub; sub = sub->topic_next)
        if (sub->link == l)
            return sub;
    return NULL;
}

void link_subscribe(struct pubsub_link *l, struct pubsub_topic *t)
{
    struct pubsub_sub *sub = link_sub(l, t);
    if (sub && sub->wanted)
        return;
    if (!sub) {
        sub = memory_zalloc(sizeof *sub);
        sub->topic = t;
        sub->link = l;
        sub->topic_next = t->subs;
        t->subs = sub;
        sub->link_next = l->subs;
        if (l->subs)
            l->subs->link_prev = sub;
        l->subs = sub;
        l->idle_since = 0;
        census_add_link(t->entry, l->node, 1);
    }
    sub->wanted = true;
    sub->asked = l->hub->worker->now;
    link_topic_command(sub, PUBSUB_OP_SUB);
}

void link_confirm_again(struct pubsub_topic *t)
{
    for (struct pubsub_sub *sub = t->subs; sub; sub = sub->topic_next) {
        if (!sub->wanted || sub->asked == t->hub->worker->now)
            continue;
        sub->asked = t->hub->worker->now;
        link_topic_command(sub, PUBSUB_OP_SUB);
    }
}

void link_unsubscribe(struct pubsub_sub *sub)
{
    sub->wanted = false;
    sub->confirmed = 0;
    sub->ending++;
    link_topic_command(sub, PUBSUB_OP_UNSUB);
}

/* What a node counted a moment ago may still be on its way here. */
static void ghost_add(struct pubsub *hub, struct pubsub_topic *t, uint16_t node)
{
    struct pubsub_ghost *ghost = memory_zalloc(sizeof *ghost);
    ghost->entry = census_take((enum pubsub_kind)t->kind, topic_name(t), topic_name_len(t));
    ghost->node = node;
    ghost->due = hub->worker->now + LINK_GHOST_TIME;
    if (hub->last_ghost)
        hub->last_ghost->next = ghost;
    else
        hub->ghosts = ghost;
    hub->last_ghost = ghost;
}

void ghost_free_due(struct pubsub *hub, uint64_t now)
{
    while (hub->ghosts && hub->ghosts->due <= now) {
        struct pubsub_ghost *ghost = hub->ghosts;
        hub->ghosts = ghost->next;
        if (!hub->ghosts)
            hub->last_ghost = NULL;
        census_add_link(ghost->entry, ghost->node, -1);
        census_release(ghost->entry);
        free(ghost);
    }
}

static void link_free_sub(struct pubsub_sub *sub)
{
    struct pubsub_link *l = sub->link;
    struct pubsub_topic *t = sub->topic;
    struct pubsub_sub **at = &t->subs;
    while (*at != sub)
        at = &(*at)->topic_next;
    *at = sub->topic_next;
    *(sub->link_prev ? &sub->link_prev->link_next : &l->subs) = sub->link_next;
    if (sub->link_next)
        sub->link_next->link_prev = sub->link_prev;
    if (!l->subs)
        l->idle_since = l->hub->worker->now;
    ghost_add(l->hub, t, l->node);
    free(sub);
    topic_check_idle(t);
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

/* The home is where all plain topics are: without it another master becomes it. */
static void link_leave_home(struct pubsub *hub, uint16_t node)
{
    if (hub->home != node)
        return;
    hub->home = NODE_NONE;
    hub->home_choice++;
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
        if (!l->useful)
            link_back_off(hub, l->node);
        worker_hint(w);
    }
    if (why && l->role == PUBSUB_PLAIN)
        link_leave_home(hub, l->node);
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

/* --- answers --- */

/* The head of ops is answered. */
static void link_pop(struct pubsub_link *l)
{
    struct pubsub_op *op = l->ops;
    l->ops = op->next;
    if (!l->ops)
        l->last_op = NULL;
    if (op->kind != PUBSUB_OP_GREET) { /* AUTH alone does not show that it is of use */
        l->useful = true;
        l->hub->backoff[l->node].failures = 0;
    }
    free(op);
}

/* A command on sub was answered. confirmed: it was a SUBSCRIBE written in this turn, 0: it was not
 * or was refused. */
static void link_settle(struct pubsub_sub *sub, uint64_t confirmed)
{
    sub->inflight--;
    if (!sub->wanted && sub->inflight == 0) {
        link_free_sub(sub);
    } else if (sub->wanted && sub->ending == 0 && confirmed) {
        sub->confirmed = confirmed;
        wait_on_topic(sub->topic);
    }
}

/* "subscribe", "punsubscribe" …: the answer to the head of ops, or news of a slot that moved away.
 * False: neither. */
static bool link_on_confirmation(struct pubsub_link *l, enum pubsub_kind kind, bool unsubscribed,
                                 const char *name, size_t len)
{
    struct pubsub *hub = l->hub;
    struct pubsub_op *op = l->ops;
    struct pubsub_topic *t = topic_find(hub, kind, name, len);
    struct pubsub_sub *sub = t ? link_sub(l, t) : NULL;
    if (!sub)
        return false;
    if (op && op->sub == sub && op->kind == (unsubscribed ? PUBSUB_OP_UNSUB : PUBSUB_OP_SUB)) {
        uint64_t turn = op->turn;
        link_pop(l);
        sub->ending -= unsubscribed;
        link_settle(sub, unsubscribed ? 0 : turn);
        return true;
    }
    if (kind != PUBSUB_SHARD || !unsubscribed)
        return false;
    /* The node gave the slot away. What is under way for it will be refused. */
    worker_hint(hub->worker);
    sub->confirmed = 0;
    if (sub->inflight == 0)
        link_free_sub(sub);
    wait_restart_all(hub);
    hub->place_wanted = true;
    hub_wake(hub);
    return true;
}

/* "-MOVED slot host:port": remember who serves the topic. */
static void link_on_moved(struct pubsub_link *l, struct pubsub_topic *t, const char *line,
                          size_t len)
{
    const struct worker *w = l->hub->worker;
    const char *end = line + len;
    const char *address = memchr(line + 7, ' ', len - 7);
    const char *colon = address ? memrchr(address, ':', (size_t)(end - address)) : NULL;
    int64_t port;
    if (!colon || !w->topology || t->kind != PUBSUB_SHARD ||
        !resp_parse_int(colon + 1, (size_t)(end - colon - 1), &port) || port <= 0 ||
        port > UINT16_MAX)
        return;
    address++;
    uint16_t at = topology_find_address(w->topology, address, (size_t)(colon - address),
                                        (uint16_t)port, link_host(l));
    if (at == TOPOLOGY_NO_NODE)
        return;
    t->target = w->topology->nodes[at].index;
    t->moved = w->slot_node[t->slot];
}

/* Is it refused only for now? */
static bool link_is_passing(const char *line, size_t len)
{
    static const char *const prefixes[] = {"-MOVED ",      "-ASK ",        "-TRYAGAIN", "-LOADING ",
                                           "-MASTERDOWN ", "-CLUSTERDOWN", "-BUSY "};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (len > strlen(prefixes[i]) && memcmp(line, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* The latest SUBSCRIBE of a topic was refused. line: without line end. */
static void link_on_refusal(struct pubsub_link *l, struct pubsub_topic *t, const char *line,
                            size_t len)
{
    struct pubsub *hub = l->hub;
    t->retry_at = hub->worker->now + LINK_REFUSED_PAUSE;
    hub->unsettled = true;
    if (!link_is_passing(line, len)) {
        wait_refuse(t, line, len);
        return;
    }
    worker_hint(hub->worker);
    bool moved = memcmp(line, "-MOVED ", 7) == 0 && t->target == NODE_NONE;
    t->target = NODE_NONE;
    if (moved)
        link_on_moved(l, t, line, len);
    if (t->target == NODE_NONE)
        return;
    t->retry_at = 0;
    hub->place_wanted = true;
    hub_wake(hub);
}

/* An error line answers the head of ops. line: without line end. */
static bool link_on_error(struct pubsub_link *l, const char *line, size_t len)
{
    struct pubsub_sub *sub = l->ops->sub;
    enum pubsub_op_kind kind = l->ops->kind;
    uint64_t turn = l->ops->turn;
    if (kind == PUBSUB_OP_GREET) {
        log_limited(LOG_LEVEL_WARNING, "Node %s:%u refused slotway's handshake: %.*s", link_host(l),
                    link_port(l), (int)(len > 200 ? 200 : len), line);
        return false;
    }
    link_pop(l);
    if (kind == PUBSUB_OP_PING)
        return true; /* BUSY, LOADING: it lives */
    struct pubsub_topic *t = sub->topic;
    bool latest = kind == PUBSUB_OP_SUB && sub->wanted && turn == sub->asked;
    if (latest) {
        sub->wanted = false;
        sub->confirmed = 0;
    }
    sub->ending -= kind == PUBSUB_OP_UNSUB;
    link_settle(sub, 0);
    if (latest)
        link_on_refusal(l, t, line, len);
    /* A node that has lost the slot refuses SUNSUBSCRIBE too; nothing is subscribed there then. */
    return kind == PUBSUB_OP_SUB || t->kind == PUBSUB_SHARD;
}

/* +OK, +PONG, -ERR … */
static bool link_on_line(struct pubsub_link *l, const char *data, size_t len)
{
    struct pubsub *hub = l->hub;
    if (!l->ops)
        return false;
    if (*data == '-')
        return link_on_error(l, data, len - 2);
    if (*data != '+')
        return false;
    if (l->ops->kind == PUBSUB_OP_PING) {
        link_pop(l);
        return true;
    }
    if (l->ops->kind != PUBSUB_OP_GREET)
        return false;
    link_pop(l);
    l->ready = true;
    hub->place_wanted = true;
    hub_wake(hub);
    return true;
}

/* What the first element of an array means. */
enum link_news { LINK_MESSAGE, LINK_SUBSCRIBED, LINK_UNSUBSCRIBED, LINK_PONG };

static const struct {
    const char *word;
    uint8_t news; /* enum link_news */
    uint8_t kind; /* enum pubsub_kind */
    uint8_t n;    /* elements */
} link_words[] = {
    {"message", LINK_MESSAGE, PUBSUB_CHANNEL, 3},
    {"pmessage", LINK_MESSAGE, PUBSUB_PATTERN, 4},
    {"smessage", LINK_MESSAGE, PUBSUB_SHARD, 3},
    {"subscribe", LINK_SUBSCRIBED, PUBSUB_CHANNEL, 3},
    {"psubscribe", LINK_SUBSCRIBED, PUBSUB_PATTERN, 3},
    {"ssubscribe", LINK_SUBSCRIBED, PUBSUB_SHARD, 3},
    {"unsubscribe", LINK_UNSUBSCRIBED, PUBSUB_CHANNEL, 3},
    {"punsubscribe", LINK_UNSUBSCRIBED, PUBSUB_PATTERN, 3},
    {"sunsubscribe", LINK_UNSUBSCRIBED, PUBSUB_SHARD, 3},
    {"pong", LINK_PONG, PUBSUB_CHANNEL, 2},
};

#define LINK_WORDS (sizeof link_words / sizeof link_words[0])

static size_t link_word(const struct reply_value *value, int64_t n)
{
    size_t i = 0;
    while (i < LINK_WORDS && (strlen(link_words[i].word) != value->len || link_words[i].n != n ||
                              memcmp(link_words[i].word, value->data, value->len) != 0))
        i++;
    return i;
}

static bool link_on_array(struct pubsub_link *l, struct chunk *chunk, char *data, size_t len)
{
    struct reply_reader reader = {data, data + len};
    struct reply_value value, name, channel;
    int64_t n;
    if (!reply_read(&reader, &value) || value.type != '*')
        return false;
    n = value.n;
    if (!reply_read(&reader, &value) || value.type != '$' || value.null)
        return false;
    size_t word = link_word(&value, n);
    if (word == LINK_WORDS || !reply_read(&reader, &name) || name.type != '$' || name.null)
        return false;
    enum pubsub_kind kind = (enum pubsub_kind)link_words[word].kind;
    switch ((enum link_news)link_words[word].news) {
    case LINK_PONG:
        if (!l->ops || l->ops->kind != PUBSUB_OP_PING)
            return false;
        link_pop(l);
        return true;
    case LINK_SUBSCRIBED:
    case LINK_UNSUBSCRIBED:
        return link_on_confirmation(l, kind, link_words[word].news == LINK_UNSUBSCRIBED, name.data,
                                    name.len);
    case LINK_MESSAGE:
        break;
    }
    channel = name;
    if (kind == PUBSUB_PATTERN && (!reply_read(&reader, &channel) || channel.type != '$'))
        return false;
    struct pubsub_topic *t = topic_find(l->hub, kind, name.data, name.len);
    if (t && place_accepts(l, channel.data, channel.len))
        deliver_message(t, chunk, data, len);
    return true;
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
    if (!place_is_fit(l->hub, l->node))
        return "the node is not fit";
    if (!l->ready)
        return w->now - l->opened > config->connect_timeout * 1000ull ? "connect-timeout" : NULL;
    if (l->hub->reading_paused || (w->pools[l->node]->flags & TOPOLOGY_BUSY))
        return NULL;
    if (l->ops && config->backend_timeout && w->now - l->heard > config->backend_timeout * 1000ull)
        return "backend-timeout";
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
