/* watch: what a worker keeps for the statistics page beyond its counters.
 * What is here is off the path of most requests; the rest is inline in the header. */
#include "flow/watch.h"
#include "base/memory.h"
#include "flow/client.h"
#include "flow/fanout.h"
#include "flow/local_address.h"
#include "flow/secret.h"
#include "flow/session.h"
#include "resp/reply.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Samples a second that are aimed at, and the thinnest sampling. */
#define WATCH_SAMPLES      1000
#define WATCH_SAMPLE_LEAST 1024
/* Of a request, at most so many bytes are looked at. */
#define WATCH_LOOKED_AT 4096
/* Of one with many keys, so many count. */
#define WATCH_SAMPLE_KEYS 16

struct watch *watch_new(void)
{
    struct watch *watch = memory_zalloc(sizeof *watch);
    watch->sample_every = 1;
    watch->seed = 1;
    resp_args_init(&watch->args);
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++) {
        struct watch_node *node = watch->nodes[i];
        for (unsigned j = 0; node && j < COMMAND_STATS; j++)
            free(node->commands[j]);
        free(node);
    }
    resp_args_free(&watch->args);
    command_keys_free(&watch->keys);
    free(watch);
}

/* --- figures of nodes --- */

static void watch_reset_node(struct watch_node *node)
{
    for (unsigned i = 0; i < WATCH_COUNT; i++)
        __atomic_store_n(&node->v[i], 0, __ATOMIC_RELAXED);
    node->closed_in = node->closed_out = 0;
    for (unsigned i = 0; i < COMMAND_STATS; i++) {
        struct watch_command *command = node->commands[i];
        if (!command)
            continue;
        __atomic_store_n(&command->errors, 0, __ATOMIC_RELAXED);
        for (unsigned j = 0; j < HISTOGRAM_BUCKETS; j++)
            __atomic_store_n(&command->latency.v[j], 0, __ATOMIC_RELAXED);
    }
}

struct watch_node *watch_node(struct watch *watch, uint16_t index, const char *id)
{
    struct watch_node *node = atomic_load_explicit(&watch->nodes[index], memory_order_relaxed);
    if (node && strcmp(node->id, id) != 0)
        watch_reset_node(node);
    if (!node) {
        node = memory_zalloc(sizeof *node);
        atomic_store_explicit(&watch->nodes[index], node, memory_order_release);
    }
    snprintf(node->id, sizeof node->id, "%s", id);
    return node;
}

void watch_command_of(struct backend *b, const struct command *cmd)
{
    b->watched_command = cmd;
    b->watched = &b->worker->watch->own;
    if (!cmd)
        return;
    _Atomic(struct watch_command *) *at = &b->pool->watch->commands[cmd->stat];
    struct watch_command *command = atomic_load_explicit(at, memory_order_relaxed);
    if (!command) {
        command = memory_zalloc(sizeof *command);
        atomic_store_explicit(at, command, memory_order_release);
    }
    b->watched = command;
}

void watch_on_error(struct backend *b)
{
    struct watch_command *command = b->watched;
    __atomic_store_n(&command->errors, command->errors + 1, __ATOMIC_RELAXED);
    watch_add(b->pool->watch, WATCH_replied, 1);
}

/* --- turns --- */

/* Requests that were so long in slotway until they were sent are answered in this turn. */
static void watch_pass(struct watch *watch, uint64_t inside, uint64_t times)
{
    if (watch->npassed ==
        WATCH_PASSED) /* few turns see so many kinds: the rest goes with the last */
        watch->npassed--;
    else
        watch->passed[watch->npassed].times = 0;
    watch->passed[watch->npassed].inside = inside;
    watch->passed[watch->npassed++].times += times;
}

static void watch_pass_answered(struct watch *watch)
{
    if (watch->answered)
        watch_pass(watch, watch->answered_inside, watch->answered);
    watch->answered = 0;
}

void watch_answer_of(struct worker *w, uint64_t sent)
{
    struct watch *watch = w->watch;
    watch_pass_answered(watch);
    watch->answered_sent = sent;
    watch->answered_inside = watch_turn(watch, sent);
    watch->answered_bucket = histogram_bucket(watch_node_time(w, sent));
}

void watch_waited(struct worker *w, const struct request *r)
{
    struct watch *watch = w->watch;
    watch->answered--;
    watch_pass(watch, watch->answered_inside + r->retry_at - r->started, 1);
}

void watch_end_turn(struct worker *w, uint64_t now)
{
    struct watch *watch = w->watch;
    uint64_t took = now - w->now;
    unsigned at = (unsigned)w->now % WATCH_TURNS;
    watch->recent[at].start = (uint32_t)w->now;
    watch->recent[at].took = (uint32_t)took;
    watch_pass_answered(watch);
    for (uint32_t i = 0; i < watch->npassed; i++)
        histogram_add(&watch->inside, watch->passed[i].inside + took, watch->passed[i].times);
    histogram_add(&watch->turns, took, 1);
    watch->npassed = 0;
    watch->answered_sent = UINT64_MAX; /* the clock goes on */
}

/* --- samples --- */

/* xorshift32 (Marsaglia 2003): only so that samples do not fall into step with a pipeline. */
static uint32_t watch_random(struct watch *watch)
{
    uint32_t x = watch->seed;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return watch->seed = x;
}

void watch_take_sample(struct worker *w, struct request *r)
{
    struct watch *watch = w->watch;
    uint32_t every = watch->sample_every;
    if (++watch->taken >= WATCH_SAMPLES && every < WATCH_SAMPLE_LEAST) { /* a burst */
        every = watch->sample_every *= 4;
        watch->taken = 0;
    }
    r->flags |= REQUEST_SAMPLED;
    w->sample_in = every == 1 ? 1 : every / 2 + watch_random(watch) % every + 1;
}

/* The bytes at the head of b's output, which are r's, as far as they lie in one piece. */
static const char *watch_request(const struct backend *b, const struct request *r, size_t *len)
{
    const struct seg *head = b->stream.out.head;
    if (!head || head->len <= r->prefix)
        return NULL;
    *len = r->len < head->len ? r->len : head->len;
    *len -= r->prefix;
    return head->data + r->prefix;
}

/* Argument i of a request in the protocol's form; NULL: there is none in what was given. */
static const char *watch_argument(const char *request, size_t len, uint32_t i, size_t *arg_len)
{
    struct reply_reader reader = {request, request + len};
    struct reply_value value;
    if (!reply_read(&reader, &value) || value.type != '*')
        return NULL;
    for (uint32_t at = 0; at <= i; at++)
        if (!reply_read(&reader, &value) || !value.data)
            return NULL;
    *arg_len = value.len;
    return value.data;
}

/* Keys of one sample. */
struct watch_keys {
    struct {
        const char *data;
        size_t len;
    } v[WATCH_SAMPLE_KEYS];
    uint32_t n;
};

static void watch_add_key(struct watch_keys *keys, const char *data, size_t len)
{
    if (keys->n == WATCH_SAMPLE_KEYS)
        return;
    keys->v[keys->n].data = data;
    keys->v[keys->n++].len = len;
}

/* The keys of the request (of an EXEC: of all that stand before it), as far as its bytes are there;
 * of one that is not there in full, the first one. */
static void watch_find_keys(struct worker *w, const struct request *r, const char *request,
                            size_t len, struct watch_keys *keys)
{
    struct watch *watch = w->watch;
    struct resp_args *args = &watch->args;
    bool one = r->cmd->flags & COMMAND_ONE_KEY, batch = r->cmd->local == COMMAND_LOCAL_EXEC;
    bool unknown;
    size_t used = 0, key_len;
    const char *error, *end = request + len;
    for (const char *at = request; at < end && !one; at += used) {
        resp_args_reset(args);
        if (resp_scan_request(args, at, (size_t)(end - at), &w->limits, &used, &error) !=
            RESP_COMPLETE)
            break;
        const struct command *cmd = batch ? command_lookup(w->commands, at, args, &unknown)
                                          : r->cmd;
        if (!cmd || command_find_keys(cmd, at, args, &watch->keys) < 0)
            continue;
        for (uint32_t i = 0; i < watch->keys.count; i++) {
            const struct resp_arg *key = &args->v[watch->keys.v[i]];
            watch_add_key(keys, at + key->off, key->len);
        }
    }
    if (keys->n > 0 || r->cmd->first_key <= 0)
        return;
    const char *first = watch_argument(request, len, (uint32_t)r->cmd->first_key, &key_len);
    if (first)
        watch_add_key(keys, first, key_len);
}

void watch_on_sample(struct backend *b, const struct request *r, size_t len)
{
    struct watch *watch = b->worker->watch;
    float weight = (float)watch->sample_every;
    size_t request_len = 0;
    struct watch_keys keys = {.n = 0};
    const char *request = watch_request(b, r, &request_len);
    watch->sampled++;
    if (r->slot >= SLOT_COUNT || !r->cmd)
        return;
    watch->load[r->slot / (SLOT_COUNT / WATCH_LOADS)] += weight;
    if (request)
        watch_find_keys(b->worker, r, request, request_len, &keys);
    uint32_t tag = r->slot | (uint32_t)b->pool->node << 16;
    for (uint32_t i = 0; i < keys.n; i++) {
        float bytes = (float)(r->len + r->reply_len + len) / (float)keys.n;
        sketch_add(&watch->by_rate, keys.v[i].data, keys.v[i].len, weight, tag);
        sketch_add(&watch->by_bytes, keys.v[i].data, keys.v[i].len, weight * bytes, tag);
    }
}

void watch_fade(struct worker *w)
{
    struct watch *watch = w->watch;
    uint64_t forwarded = counters_get(&w->counters, COUNTER_requests_forwarded);
    uint64_t every = (forwarded - watch->forwarded_before) / WATCH_SAMPLES + 1;
    watch->forwarded_before = forwarded;
    watch->taken = 0;
    watch->sample_every = every > WATCH_SAMPLE_LEAST ? WATCH_SAMPLE_LEAST : (uint32_t)every;
    if (w->sample_in == 0 || w->sample_in > 2 * watch->sample_every)
        w->sample_in = watch->sample_every;
    for (unsigned i = 0; i < WATCH_LOADS; i++)
        watch->load[i] *= WATCH_FADE;
    sketch_fade(&watch->by_rate, WATCH_FADE);
    sketch_fade(&watch->by_bytes, WATCH_FADE);
}

/* --- sightings --- */

static bool watch_is_plain(char c)
{
    return c >= ' ' && c <= '~';
}

void watch_print(const char *data, size_t len, char *out, size_t cap)
{
    size_t n = 0, whole = 0;
    for (size_t i = 0; i < len && whole < cap; i++)
        whole += watch_is_plain(data[i]) ? 1 : 4;
    size_t room = whole < cap ? cap : cap - 3; /* for "..." */
    for (size_t i = 0; i < len; i++) {
        size_t need = watch_is_plain(data[i]) ? 1 : 4;
        if (n + need >= room)
            break;
        snprintf(out + n, need + 1, need == 1 ? "%c" : "\\x%02x", (unsigned char)data[i]);
        n += need;
    }
    out[n] = '\0';
    if (whole >= cap)
        memcpy(out + n, "...", 4);
}

/* The arguments of a request in the protocol's form, as many as are there and can be shown. */
static void watch_shown_arguments(const char *request, size_t len, struct resp_args *args)
{
    struct reply_reader reader = {request, request + len};
    struct reply_value value;
    if (!reply_read(&reader, &value) || value.type != '*')
        return;
    while (args->argc < WATCH_TEXT && reply_read(&reader, &value) && value.data)
        args->v[args->argc++] = (struct resp_arg){(uint32_t)(value.data - request),
                                                  (uint32_t)value.len};
}

/* The arguments with blanks between them. */
static void watch_print_request(const char *request, size_t len, char out[WATCH_TEXT])
{
    struct resp_arg v[WATCH_TEXT];
    struct resp_args args = {.v = v};
    char text[2 * WATCH_TEXT];
    size_t n = 0;
    watch_shown_arguments(request, len, &args);
    const struct secret_rule *rule = args.argc ? secret_rule(request, &args) : NULL;
    for (uint32_t i = 0; i < args.argc && n < WATCH_TEXT; i++) {
        bool hidden = secret_hides(rule, request, &args, i);
        const char *arg = hidden ? SECRET_SHOWN : request + args.v[i].off;
        size_t arg_len = hidden ? strlen(SECRET_SHOWN) : args.v[i].len;
        if (i > 0)
            text[n++] = ' ';
        size_t take = arg_len < WATCH_TEXT ? arg_len : WATCH_TEXT;
        if (take > sizeof text - 1 - n)
            take = sizeof text - 1 - n;
        memcpy(text + n, arg, take);
        n += take;
    }
    watch_print(text, n, out, WATCH_TEXT);
}

void watch_note(struct worker *w, struct client *c, int what, uint16_t node, uint64_t bytes,
                const char *request, size_t len, const struct command *cmd)
{
    struct watch *watch = w->watch;
    struct watch_sighting *s = &watch->sightings[watch->nsightings % WATCH_SIGHTINGS];
    char address[LOCAL_ADDRESS_LEN] = "";
    size_t key_len;
    memset(s, 0, sizeof *s);
    s->number = ++watch->nsightings;
    s->at = (int64_t)time(NULL);
    s->what = what;
    s->node = node;
    s->bytes = bytes;
    if (c)
        local_address_peer(c, address);
    snprintf(s->client, sizeof s->client, "%.*s", (int)sizeof s->client - 1, address);
    if (c && c->session && c->session->name)
        snprintf(s->name, sizeof s->name, "%s", c->session->name);
    if (len > WATCH_LOOKED_AT)
        len = WATCH_LOOKED_AT;
    watch_print_request(request, len, s->command);
    const char *key = cmd && cmd->first_key > 0
                          ? watch_argument(request, len, (uint32_t)cmd->first_key, &key_len)
                          : NULL;
    if (key)
        watch_print(key, key_len, s->key, sizeof s->key);
}

void watch_big_reply(struct backend *b, const struct request *r, uint64_t bytes)
{
    struct client *c = r->fanout ? r->fanout->parent->client : r->client;
    size_t len = 0;
    const char *request = watch_request(b, r, &len);
    if (request && bytes >= WATCH_BIG_REPLY_MIN)
        watch_note(b->worker, c, WATCH_BIG_REPLY, b->pool->node, bytes, request, len, r->cmd);
}
