/* pubsub_wait: SUBSCRIBE, PSUBSCRIBE and SSUBSCRIBE of clients. A command is answered, all its
 * channels at once, when the nodes have confirmed all of them; it waits for one after the other:
 *
 *   topics[0] [1] … [at] … [n - 1]
 *    confirmed       '- on the list of this topic
 *
 * Also if slotway has such a subscription already the node is asked to confirm it once more: what
 * was published before the client's command may still be on its way on the link, and must not come
 * after the confirmation. Commands of one turn share one question. Nothing else of the client is
 * run meanwhile (COMMAND_ALONE). */
#include "base/memory.h"
#include "flow/local_call.h"
#include "flow/pubsub_hub.h"
#include "flow/session.h"
#include <stdio.h>
#include <stdlib.h>

#define WAIT_EXPIRED "CLUSTERDOWN No node of the cluster answers for this slot"

static const char *const wait_verbs[PUBSUB_KINDS] = {
    [PUBSUB_CHANNEL] = "subscribe",
    [PUBSUB_PATTERN] = "psubscribe",
    [PUBSUB_SHARD] = "ssubscribe",
};

void wait_put_answer(struct reply *r, const char *verb, const char *name, size_t len,
                     uint32_t count)
{
    reply_push(r, 3);
    reply_bulk_string(r, verb);
    if (name)
        reply_bulk(r, name, len);
    else
        reply_null(r);
    reply_int(r, count);
}

/* --- lists --- */

static void wait_attach(struct pubsub_wait *wait)
{
    struct pubsub_topic *t = wait->topics[wait->at];
    wait->topic_prev = NULL;
    wait->topic_next = t->waits;
    if (t->waits)
        t->waits->topic_prev = wait;
    t->waits = wait;
}

static void wait_detach(struct pubsub_wait *wait)
{
    struct pubsub_topic *t = wait->topics[wait->at];
    *(wait->topic_prev ? &wait->topic_prev->topic_next : &t->waits) = wait->topic_next;
    if (wait->topic_next)
        wait->topic_next->topic_prev = wait->topic_prev;
}

static void wait_link(struct pubsub *hub, struct pubsub_wait *wait)
{
    wait->prev = hub->last_wait;
    *(hub->last_wait ? &hub->last_wait->next : &hub->waits) = wait;
    hub->last_wait = wait;
}

/* It is over: what it named is given up, unless somebody has it. On no topic's list any more. */
static void wait_release(struct pubsub *hub, struct pubsub_wait *wait)
{
    *(wait->prev ? &wait->prev->next : &hub->waits) = wait->next;
    *(wait->next ? &wait->next->prev : &hub->last_wait) = wait->prev;
    wait->client->session->pubsub->wait = NULL;
    for (uint32_t i = 0; i < wait->n; i++) {
        struct pubsub_topic *t = wait->topics[i];
        t->named--;
        if (!topic_is_wanted(t)) {
            place_topic(t);
            topic_check_idle(t);
        }
    }
    free(wait);
}

/* --- ends --- */

static void wait_finish(struct pubsub *hub, struct pubsub_wait *wait)
{
    struct worker *w = hub->worker;
    struct client *c = wait->client;
    struct request *request = wait->request;
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    bool shard = wait->kind == PUBSUB_SHARD;
    for (uint32_t i = 0; i < wait->n; i++) {
        struct pubsub_topic *t = wait->topics[i];
        if (!member_find(c, t))
            member_add(c, t);
        wait_put_answer(&r, wait_verbs[wait->kind], topic_name(t), topic_name_len(t),
                        shard ? pubsub_count(c, PUBSUB_SHARD)
                              : pubsub_count(c, PUBSUB_CHANNEL) + pubsub_count(c, PUBSUB_PATTERN));
    }
    wait_release(hub, wait);
    request->flags &= ~(uint32_t)REQUEST_NOREPLY; /* CLIENT REPLY OFF does not concern these */
    bufq_splice(&request->reply, &q);
    client_finish(w, request);
}

static void wait_fail(struct pubsub *hub, struct pubsub_wait *wait, const char *text)
{
    struct request *request = wait->request;
    wait_detach(wait);
    wait_release(hub, wait);
    client_fail(hub->worker, request, text);
}

/* On from topics[at], which it is not on the list of. */
static void wait_advance(struct pubsub *hub, struct pubsub_wait *wait)
{
    while (wait->at < wait->n && topic_is_ready(wait->topics[wait->at], wait->started))
        wait->at++;
    if (wait->at < wait->n)
        wait_attach(wait);
    else
        wait_finish(hub, wait);
}

void wait_on_topic(struct pubsub_topic *t)
{
    struct pubsub_wait *next;
    for (struct pubsub_wait *wait = t->waits; wait; wait = next) {
        next = wait->topic_next;
        if (!topic_is_ready(t, wait->started))
            continue;
        wait_detach(wait);
        wait_advance(t->hub, wait);
    }
}

void wait_restart_all(struct pubsub *hub)
{
    for (struct pubsub_wait *wait = hub->waits; wait; wait = wait->next) {
        wait_detach(wait);
        wait->at = 0;
        wait_attach(wait);
    }
}

void wait_refuse(struct pubsub_topic *t, const char *line, size_t len)
{
    char text[400];
    snprintf(text, sizeof text, "%.*s", (int)(len - 1), line + 1);
    while (t->waits)
        wait_fail(t->hub, t->waits, text);
}

void wait_cancel(struct pubsub_wait *wait)
{
    wait_fail(wait->topics[0]->hub, wait, "ERR the subscription was given up");
}

void wait_check_all(struct pubsub *hub)
{
    const struct worker *w = hub->worker;
    uint64_t limit = w->config->failover_timeout * 1000ull;
    while (hub->waits && w->now - hub->waits->started > limit)
        wait_fail(hub, hub->waits, WAIT_EXPIRED);
}

/* --- the beginning --- */

static struct pubsub_client *wait_client(struct client *c)
{
    struct session *session = session_of(c);
    if (!session->pubsub)
        session->pubsub = memory_zalloc(sizeof *session->pubsub);
    return session->pubsub;
}

void wait_begin(const struct local_call *call, enum pubsub_kind kind)
{
    struct client *c = call->c;
    struct pubsub *hub = c->worker->pubsub;
    struct pubsub_client *own = wait_client(c);
    uint32_t n = local_argc(call) - 1;
    struct pubsub_wait *wait = memory_zalloc(sizeof *wait + n * sizeof wait->topics[0]);
    wait->client = c;
    wait->request = client_reply_later(c, call->cmd);
    wait->started = c->worker->now;
    wait->kind = (uint8_t)kind;
    wait->n = n;
    own->wait = wait;
    wait_link(hub, wait);
    for (uint32_t i = 0; i < n; i++) {
        struct pubsub_topic *t = topic_get(hub, kind, local_arg(call, i + 1),
                                           local_len(call, i + 1));
        wait->topics[i] = t;
        t->named++;
        place_topic(t);
        link_confirm_again(t);
    }
    wait_advance(hub, wait);
}
