/* pubsub_link_answers: what a node sends on a link: answers to commands, which pair with ops, and
 * messages in between. Anything else closes the link. */
#define _GNU_SOURCE
#include "base/log.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdlib.h>

/* A subscription that a node refuses for now is tried again after so long, µs. */
#define LINK_REFUSED_PAUSE 50000

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
    if (l->hub->leaving != NODE_NONE)
        hub_wake(l->hub); /* which may have waited for it */
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

/* A node that gives a slot away says sunsubscribe by itself. If slotway's SUNSUBSCRIBE is under way
 * just then, that looks like its answer; the real one follows, which may also be MOVED. */
static bool link_is_spare(struct pubsub_link *l)
{
    if (l->spare == 0)
        return false;
    l->spare--;
    return true;
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
        return kind == PUBSUB_SHARD && unsubscribed && link_is_spare(l);
    if (op && op->sub == sub && op->kind == (unsubscribed ? PUBSUB_OP_UNSUB : PUBSUB_OP_SUB)) {
        uint64_t turn = op->turn;
        link_pop(l);
        sub->ending -= unsubscribed;
        l->spare += kind == PUBSUB_SHARD && unsubscribed;
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
    static const char *const prefixes[] = {
        "-MOVED ",      "-ASK ",        "-TRYAGAIN", "-LOADING ",
        "-MASTERDOWN ", "-CLUSTERDOWN", "-BUSY ",    "-ERR max number of clients "};
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
bool link_on_line(struct pubsub_link *l, const char *data, size_t len)
{
    struct pubsub *hub = l->hub;
    if (!l->ops)
        return len > 7 && memcmp(data, "-MOVED ", 7) == 0 && link_is_spare(l);
    bool well = *data == '+' || (l->ops->kind == PUBSUB_OP_GREET && reply_needs_no_auth(data, len));
    if (*data == '-' && !well)
        return link_on_error(l, data, len - 2);
    if (!well)
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

bool link_on_array(struct pubsub_link *l, struct chunk *chunk, char *data, size_t len)
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
    if (t && place_accepts(l, channel.data, channel.len) && move_is_news(l, t, &channel, data, len))
        deliver_message(t, chunk, data, len);
    return true;
}
