/* pubsub_deliver: messages to all clients that have a topic. What a turn of the loop hands out is
 * bounded, so that 10,000 subscribers to one channel do not hold up anybody else:
 *
 *   message --few members--> their streams
 *         '--many, or behind others--> queue: delivery -> delivery …   a part in each turn
 *
 * All streams get small messages as copies and long ones by reference. Links are not read while
 * much is queued; the nodes then hold the messages, within their own limit. */
#include "base/log.h"
#include "base/memory.h"
#include "flow/pubsub_hub.h"
#include "flow/session.h"
#include "flow/worker.h"
#include <stdlib.h>

/* Queued messages, in bytes, from which on links are not read, and below which they are again. */
#define DELIVER_QUEUE_FULL (4 * 1024 * 1024)
#define DELIVER_QUEUE_LOW  (1024 * 1024)

/* A message in both protocols. RESP2: as it came; RESP3: the same as a push, made when needed. */
struct deliver_form {
    struct chunk *chunk;
    char *data;
    size_t len;
    struct chunk *push; /* NULL: not made yet */
};

/* Clients that do not read are closed. */
static void deliver_check_output(struct client *c)
{
    struct worker *w = c->worker;
    uint64_t limit = w->config->client_output_limit_pubsub;
    size_t held = c->stream.unsent + (c->session ? c->session->pushes.len : 0);
    if (held <= limit)
        return;
    log_limited(LOG_LEVEL_WARNING,
                "Client id=%llu closed: %zu bytes of messages unread, client-output-limit-pubsub "
                "is %llu",
                (unsigned long long)c->id, held, (unsigned long long)limit);
    client_note_closed(c, EVENT_WARNING, "its messages are not read: client-output-limit-pubsub");
    counters_add(&w->counters, COUNTER_clients_closed_output, 1);
    client_close(c);
}

static void deliver_to(struct client *c, struct deliver_form *form)
{
    struct chunk_pool *chunks = &c->worker->chunks;
    counters_add(&c->worker->counters, COUNTER_pubsub_deliveries, 1);
    if (!(c->flags & CLIENT_RESP3)) {
        client_send_push(c, form->chunk, form->data, form->len);
    } else {
        if (!form->push) {
            form->push = chunk_alloc_size(chunks, form->len);
            memcpy(form->push->data, form->data, form->len);
            form->push->data[0] = '>';
        }
        client_send_push(c, form->push, form->push->data, form->len);
    }
    if (!(c->flags & CLIENT_GONE))
        deliver_check_output(c);
}

static void deliver_forget(struct pubsub *hub, struct deliver_form *form)
{
    if (form->push)
        chunk_unref(&hub->worker->chunks, form->push);
}

/* From the cursor on, as far as the budget reaches. number: of the message. */
static void deliver_slice(struct pubsub *hub, struct deliver_form *form, uint64_t number)
{
    while (hub->cursor && hub->budget > 0) {
        struct pubsub_member *m = hub->cursor;
        hub->cursor = m->next; /* m may be gone afterwards; who leaves moves the cursor */
        hub->budget--;
        if (m->since < number)
            deliver_to(m->key.client, form);
    }
}

static void deliver_pause_reading(struct pubsub *hub, bool pause)
{
    if (hub->reading_paused == pause)
        return;
    hub->reading_paused = pause;
    for (struct pubsub_link *l = hub->links; l; l = l->next) {
        l->heard = hub->worker->now;
        stream_set_reading(&l->stream, !pause);
    }
}

static void deliver_later(struct pubsub_topic *t, struct chunk *chunk, char *data, size_t len)
{
    struct pubsub *hub = t->hub;
    struct chunk_pool *chunks = &hub->worker->chunks;
    struct pubsub_delivery *d = memory_zalloc(sizeof *d);
    if (len >= CHUNK_SPAN_MIN) {
        d->chunk = chunk_ref(chunk);
        d->data = data;
    } else {
        d->chunk = chunk_alloc_exact(chunks, len);
        d->data = d->chunk->data;
        memcpy(d->data, data, len);
    }
    d->len = len;
    d->number = hub->number;
    d->topic = t;
    t->queued++;
    if (hub->queue_tail)
        hub->queue_tail->next = d;
    else
        hub->queue = d;
    hub->queue_tail = d;
    hub->queued_bytes += len + sizeof *d;
    if (hub->queued_bytes > DELIVER_QUEUE_FULL)
        deliver_pause_reading(hub, true);
    hub_wake(hub);
}

static void deliver_refill(struct pubsub *hub)
{
    if (hub->budget_turn == hub->worker->now)
        return;
    hub->budget_turn = hub->worker->now;
    hub->budget = hub->per_turn;
}

void deliver_message(struct pubsub_topic *t, struct chunk *chunk, char *data, size_t len)
{
    struct pubsub *hub = t->hub;
    struct deliver_form form = {.chunk = chunk, .data = data, .len = len};
    counters_add(&hub->worker->counters, COUNTER_pubsub_messages, 1);
    hub->number++;
    deliver_refill(hub);
    if (hub->queue || t->members > hub->budget) {
        deliver_later(t, chunk, data, len);
        return;
    }
    hub->cursor = t->first;
    deliver_slice(hub, &form, hub->number);
    deliver_forget(hub, &form);
}

static void deliver_drop_first(struct pubsub *hub)
{
    struct pubsub_delivery *d = hub->queue;
    hub->queue = d->next;
    if (!hub->queue)
        hub->queue_tail = NULL;
    hub->queued_bytes -= d->len + sizeof *d;
    hub->begun = false;
    hub->cursor = NULL;
    d->topic->queued--;
    topic_check_idle(d->topic);
    chunk_unref(&hub->worker->chunks, d->chunk);
    free(d);
}

void deliver_queued(struct pubsub *hub)
{
    deliver_refill(hub);
    while (hub->queue && hub->budget > 0) {
        struct pubsub_delivery *d = hub->queue;
        struct deliver_form form = {.chunk = d->chunk, .data = d->data, .len = d->len};
        if (!hub->begun)
            hub->cursor = d->topic->first;
        hub->begun = true;
        deliver_slice(hub, &form, d->number);
        deliver_forget(hub, &form);
        if (!hub->cursor)
            deliver_drop_first(hub);
    }
    if (hub->queued_bytes < DELIVER_QUEUE_LOW)
        deliver_pause_reading(hub, false);
    if (hub->queue)
        hub_wake(hub);
}

void deliver_drop_all(struct pubsub *hub)
{
    while (hub->queue)
        deliver_drop_first(hub);
}
