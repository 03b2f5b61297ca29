/* survey: what one worker holds now, for the statistics thread.
 * One pass over clients, connections and waiting requests, no more than other housekeeping does ten
 * times a second; addresses are looked up for the few clients that are shown. */
#include "flow/survey.h"
#include "base/memory.h"
#include "flow/client.h"
#include "flow/local_address.h"
#include "flow/session.h"
#include "flow/slowlog.h"
#include "resp/reply.h"
#include <stdio.h>
#include <stdlib.h>

struct survey *survey_new(uint32_t worker)
{
    struct survey *s = memory_zalloc(sizeof *s);
    s->worker = worker;
    s->slow_none = true;
    return s;
}

void survey_free(struct survey *s)
{
    if (s)
        free(s->nodes);
    free(s);
}

/* --- nodes --- */

static void survey_backend(struct survey *s, struct survey_node *node, const struct backend *b)
{
    node->in_flight += b->in_flight;
    node->bytes_in += b->stream.bytes_in;
    node->bytes_out += b->stream.bytes_out;
    if (b->kind == POOL_LEASE)
        node->leased++;
    else if (b->kind == POOL_BULK || b->kind == POOL_BULK3)
        node->bulk++;
    else
        node->shared++;
    s->backends++;
}

static void survey_pool(struct survey *s, struct survey_node *node, const struct pool *pool)
{
    unsigned width = pool->worker->config->connections_per_node;
    node->index = pool->node;
    for (int kind = 0; kind < POOL_KINDS; kind++)
        for (unsigned i = 0; i < width && i < POOL_MAX_SHARED; i++)
            if (pool->backends[kind][i])
                survey_backend(s, node, pool->backends[kind][i]);
    for (const struct backend *b = pool->leases; b; b = b->next_lease)
        survey_backend(s, node, b);
    s->in_flight += node->in_flight;
    node->bytes_in += pool->watch->closed_in;
    node->bytes_out += pool->watch->closed_out;
    __atomic_store_n(&pool->watch->v[WATCH_bytes_in], node->bytes_in, __ATOMIC_RELAXED);
    __atomic_store_n(&pool->watch->v[WATCH_bytes_out], node->bytes_out, __ATOMIC_RELAXED);
}

static void survey_nodes(struct worker *w, struct survey *s, struct survey_node **by_index)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        n += w->pools[i] != NULL;
    free(s->nodes);
    s->nodes = memory_zalloc((n + 1) * sizeof *s->nodes);
    s->nnodes = 0;
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++) {
        if (!w->pools[i])
            continue;
        by_index[i] = &s->nodes[s->nnodes++];
        survey_pool(s, by_index[i], w->pools[i]);
    }
}

static void survey_waiting(struct worker *w, struct survey *s, struct survey_node **by_index)
{
    for (const struct request *r = w->parked; r; r = r->backend_next) {
        uint64_t time = w->now > r->held_since ? w->now - r->held_since : 0;
        uint16_t at = r->target != NODE_NONE ? r->target
                      : r->slot < SLOT_COUNT ? w->slot_node[r->slot]
                                             : NODE_NONE;
        struct survey_node *node = at != NODE_NONE ? by_index[at] : NULL;
        s->waiting++;
        if (time > s->waiting_oldest)
            s->waiting_oldest = time;
        if (node) {
            node->waiting++;
            if (time > node->waiting_oldest)
                node->waiting_oldest = time;
        } else {
            s->waiting_nowhere++;
            if (time > s->waiting_nowhere_oldest)
                s->waiting_nowhere_oldest = time;
        }
    }
}

/* --- clients --- */

/* The greatest ones so far. */
struct survey_top {
    struct {
        const struct client *client;
        uint64_t value;
    } v[SURVEY_CLIENTS];
    uint32_t n;
    uint32_t least; /* position of the least one, once it is full */
};

static void survey_top_add(struct survey_top *top, const struct client *c, uint64_t value)
{
    if (top->n == SURVEY_CLIENTS && value <= top->v[top->least].value)
        return;
    uint32_t at = top->n < SURVEY_CLIENTS ? top->n++ : top->least;
    top->v[at].client = c;
    top->v[at].value = value;
    if (top->n < SURVEY_CLIENTS)
        return;
    top->least = 0;
    for (uint32_t i = 1; i < SURVEY_CLIENTS; i++)
        if (top->v[i].value < top->v[top->least].value)
            top->least = i;
}

static void survey_copy(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text ? text : "");
}

static void survey_client(const struct client *c, double seconds, struct survey_client *out)
{
    const struct session *session = c->session;
    char address[LOCAL_ADDRESS_LEN];
    memset(out, 0, sizeof *out);
    out->id = c->id;
    out->commands = c->commands;
    out->rate = (double)(c->commands - c->commands_before) / seconds;
    out->age = c->worker->seconds - c->created;
    out->idle = c->worker->seconds - c->active;
    out->output = c->stream.unsent;
    out->input = c->in_end - c->in_begin;
    out->in_flight = c->in_flight;
    out->waiting = c->parked;
    out->subscribed = c->flags & CLIENT_SUBSCRIBED;
    out->command = c->last_command ? c->last_command->name : NULL;
    local_address_peer(c, address);
    snprintf(out->address, sizeof out->address, "%.*s", (int)sizeof out->address - 1, address);
    survey_copy(out->name, sizeof out->name, session ? session->name : NULL);
    if (session && session->lib_name)
        snprintf(out->library, sizeof out->library, "%s %s", session->lib_name,
                 session->lib_version ? session->lib_version : "");
}

static void survey_clients(struct worker *w, struct survey *s)
{
    struct watch *watch = w->watch;
    struct survey_top output = {.n = 0}, rate = {.n = 0};
    double seconds = (double)(w->now - watch->surveyed) / 1e6;
    if (watch->surveyed == 0 || seconds <= 0)
        seconds = 1;
    watch->surveyed = w->now;
    for (struct client *c = w->clients; c; c = c->next) {
        s->clients++;
        if (c->stream.unsent)
            survey_top_add(&output, c, c->stream.unsent);
        survey_top_add(&rate, c, c->commands - c->commands_before);
    }
    for (uint32_t i = 0; i < output.n; i++)
        survey_client(output.v[i].client, seconds, &s->by_output[s->noutput++]);
    for (uint32_t i = 0; i < rate.n; i++)
        survey_client(rate.v[i].client, seconds, &s->by_rate[s->nrate++]);
    for (struct client *c = w->clients; c; c = c->next)
        c->commands_before = c->commands;
}

/* --- lists --- */

/* Text of the next element of an entry's reply. */
static void survey_read_text(struct reply_reader *reader, char *out, size_t cap)
{
    struct reply_value value;
    out[0] = '\0';
    if (reply_read(reader, &value) && value.data)
        watch_print(value.data, value.len, out, cap);
}

static void survey_slow_command(struct reply_reader *reader, char out[SURVEY_COMMAND])
{
    struct reply_value value;
    char text[2 * SURVEY_COMMAND];
    size_t n = 0;
    int64_t argc = reply_read(reader, &value) ? value.n : 0;
    for (int64_t i = 0; i < argc && reply_read(reader, &value); i++) {
        if (i > 0 && n < sizeof text)
            text[n++] = ' ';
        size_t room = sizeof text - n, take = value.len < room ? value.len : room;
        if (value.data)
            memcpy(text + n, value.data, take);
        n += value.data ? take : 0;
    }
    watch_print(text, n, out, SURVEY_COMMAND);
}

/* An entry of the slow log is the text of its reply: slowlog.c. */
static void survey_slow_entry(const struct slowlog_entry *entry, struct survey_slow *out)
{
    struct reply_reader reader = {entry->reply, entry->reply + entry->len};
    struct reply_value value;
    memset(out, 0, sizeof *out);
    out->id = entry->id;
    out->inside = entry->inside;
    out->node = entry->node;
    reply_read(&reader, &value); /* six elements: the first is the id */
    reply_read(&reader, &value);
    if (reply_read(&reader, &value))
        out->at = value.n;
    if (reply_read(&reader, &value))
        out->total = (uint64_t)value.n;
    survey_slow_command(&reader, out->command);
    survey_read_text(&reader, out->client, sizeof out->client);
    survey_read_text(&reader, out->name, sizeof out->name);
}

static void survey_slowlog(const struct worker *w, struct survey *s)
{
    uint32_t fresh = 0;
    const struct slowlog_entry *entry;
    for (entry = w->slowlog->oldest; entry; entry = entry->newer)
        fresh += s->slow_none || entry->id > s->slow_known;
    for (entry = w->slowlog->oldest; entry; entry = entry->newer) {
        if (!s->slow_none && entry->id <= s->slow_known)
            continue;
        if (fresh-- <= SURVEY_SLOW)
            survey_slow_entry(entry, &s->slow[s->nslow++]);
    }
    if (w->slowlog->newest) {
        s->slow_known = w->slowlog->newest->id;
        s->slow_none = false;
    }
}

static void survey_sightings(const struct watch *watch, struct survey *s)
{
    uint64_t from = watch->nsightings > WATCH_SIGHTINGS ? watch->nsightings - WATCH_SIGHTINGS : 0;
    if (from < s->sightings_known)
        from = s->sightings_known;
    for (uint64_t i = from; i < watch->nsightings; i++)
        s->sightings[s->nsightings++] = watch->sightings[i % WATCH_SIGHTINGS];
    s->sightings_known = watch->nsightings;
}

static void survey_moving(const struct worker *w, struct survey *s)
{
    if (w->unsettled_until < w->seconds)
        return;
    for (uint32_t slot = 0; slot < SLOT_COUNT && s->nmoving < SURVEY_MOVING; slot++)
        if (w->unsettled[slot] && w->unsettled[slot] >= w->seconds)
            s->moving[s->nmoving++] = (uint16_t)slot;
}

/* --- all of it --- */

static void survey_clear(struct survey *s)
{
    s->clients = s->backends = s->noutput = s->nrate = s->nslow = s->nsightings = s->nmoving = 0;
    s->in_flight = s->waiting = s->waiting_oldest = 0;
    s->waiting_nowhere = s->waiting_nowhere_oldest = 0;
}

static void survey_fill(struct worker *w, struct survey *s)
{
    struct survey_node *by_index[TOPOLOGY_MAX_NODES] = {NULL};
    survey_clear(s);
    survey_nodes(w, s, by_index);
    survey_waiting(w, s, by_index);
    survey_clients(w, s);
    survey_slowlog(w, s);
    survey_sightings(w->watch, s);
    survey_moving(w, s);
    s->chunk_bytes = w->chunks.bytes;
    s->keys_by_rate = w->watch->by_rate;
    s->keys_by_bytes = w->watch->by_bytes;
    memcpy(s->load, w->watch->load, sizeof s->load);
    s->sampled = w->watch->sampled;
    watch_fade(w);
    s->answered = true;
}

static void survey_on_question(void *owner, void *arg)
{
    struct survey *s = arg;
    survey_fill(owner, s);
    mailbox_post(s->asker, s->done, s);
}

void survey_ask(struct worker *w, struct survey *s)
{
    worker_post(w, survey_on_question, s);
}
