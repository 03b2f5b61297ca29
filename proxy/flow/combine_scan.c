/* combine_scan: SCAN goes to one shard at a time; the cursor says which, and where in it. */
#include "flow/combine_scan.h"
#include "base/memory.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include <stdio.h>

/* So many shards at most are asked for one SCAN, one after the other. */
#define SCAN_MAX_STEPS 16

/* Redis' own, where the client names none. */
#define SCAN_DEFAULT_COUNT 10

/* A SCAN on its way: the state of its fan-out, which frees it. */
struct scan {
    uint16_t slot; /* the shard that is being asked, by one of its slots */
    uint8_t print;
    uint32_t steps;  /* shards asked */
    uint64_t cursor; /* for the client */
    int64_t want;    /* COUNT */
    int64_t found;   /* keys in `keys`, which are whole elements of the reply */
    struct bufq keys;
    uint32_t argc;
    size_t rest_len;
    char rest[]; /* the arguments behind the cursor, as the client sent them */
};

bool combine_scan_encode(const struct scan_cursor *cursor, uint64_t *value)
{
    if (cursor->node >> SCAN_NODE_BITS == 0) {
        *value = (uint64_t)cursor->slot << (SCAN_NODE_BITS + SCAN_PRINT_BITS) |
                 (uint64_t)cursor->print << SCAN_NODE_BITS | cursor->node;
        return true;
    }
    *value = SCAN_LONG_MARK | (uint64_t)cursor->slot << (SCAN_LONG_NODE_BITS + 8) |
             (uint64_t)cursor->print << SCAN_LONG_NODE_BITS | cursor->node;
    return cursor->node >> SCAN_LONG_NODE_BITS == 0;
}

bool combine_scan_decode(uint64_t value, struct scan_cursor *cursor)
{
    bool is_long = value & SCAN_LONG_MARK;
    unsigned node_bits = is_long ? SCAN_LONG_NODE_BITS : SCAN_NODE_BITS;
    unsigned print_bits = is_long ? 8 : SCAN_PRINT_BITS;
    value &= ~SCAN_LONG_MARK;
    cursor->node = value & ((1ULL << node_bits) - 1);
    cursor->print = (uint8_t)((value >> node_bits) & ((1u << print_bits) - 1));
    cursor->slot = (uint16_t)((value >> (node_bits + print_bits)) & (SLOT_COUNT - 1));
    return cursor->print != 0 && cursor->print < 1u << SCAN_PRINT_BITS &&
           value >> (node_bits + print_bits + 14) == 0;
}

uint8_t combine_scan_print(const char *id, const char *run_id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    for (const char *p = run_id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return (uint8_t)(1 + (hash ^ hash >> 15) % 127);
}

/* Fingerprint of the master that serves a slot now. */
static uint8_t scan_print_of(const struct worker *w, uint16_t slot)
{
    const struct topology *t = w->topology;
    uint16_t owner = t ? t->owner[slot] : TOPOLOGY_NO_NODE;
    if (owner == TOPOLOGY_NO_NODE)
        return combine_scan_print("", "");
    return combine_scan_print(t->nodes[owner].id, t->nodes[owner].run_id);
}

/* The lowest slot of the next shard whose lowest slot is at least `from`; SLOT_NONE: none. */
static uint16_t scan_next_shard(const struct worker *w, uint32_t from)
{
    uint16_t next = SLOT_NONE;
    for (uint32_t i = 0; i < w->nshards; i++)
        if (w->shards[i].first_slot >= from && w->shards[i].first_slot < next)
            next = w->shards[i].first_slot;
    return next;
}

/* Where a client's cursor points now. False: not a cursor. */
static bool scan_resolve(const struct worker *w, uint64_t value, struct scan_cursor *cursor)
{
    if (value == 0) {
        uint16_t first = scan_next_shard(w, 0);
        cursor->slot = first == SLOT_NONE ? 0 : first;
        cursor->print = scan_print_of(w, cursor->slot);
        cursor->node = 0;
        return true;
    }
    if (!combine_scan_decode(value, cursor))
        return false;
    uint8_t print = scan_print_of(w, cursor->slot);
    if (print != cursor->print)
        cursor->node = 0;
    cursor->print = print;
    return true;
}

/* An unsigned integer as Redis' parseScanCursor takes it. */
static bool scan_parse_cursor(const char *s, size_t len, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || *value > UINT64_MAX / 10 - 1)
            return false;
        *value = *value * 10 + (uint64_t)(s[i] - '0');
    }
    return len > 0;
}

/* Ask the shard of s->slot from its node's cursor on. */
static void scan_ask(struct worker *w, struct fanout *f, uint64_t cursor)
{
    struct scan *s = f->state;
    struct bufq q = {0};
    struct reply r = {.pool = &w->chunks, .q = &q, .protocol = 2};
    reply_array(&r, s->argc);
    reply_bulk_string(&r, "SCAN");
    reply_bulkf(&r, "%llu", (unsigned long long)cursor);
    bufq_append(&w->chunks, &q, s->rest, s->rest_len);
    size_t len = q.len;
    s->steps++;
    fanout_ask(w, f, 0, s->slot, len >= REQUEST_BULK_MIN ? REQUEST_BULK : 0,
               bufq_flatten(&w->chunks, &q), len);
    bufq_clear(&w->chunks, &q);
}

/* The cursor for the client after the node answered `node`. False: it does not fit. */
static bool scan_advance(const struct worker *w, struct scan *s, uint64_t node)
{
    struct scan_cursor next = {.slot = s->slot, .node = node};
    next.print = scan_print_of(w, s->slot);
    if (next.print != s->print) {
        /* Another process serves the shard by now, and perhaps answered: its cursors mean nothing
         * beside those before. */
        next.node = 0;
    } else if (node == 0) {
        next.slot = scan_next_shard(w, (uint32_t)s->slot + 1);
        if (next.slot == SLOT_NONE) {
            s->cursor = 0;
            return true;
        }
        next.print = scan_print_of(w, next.slot);
    }
    s->slot = next.slot;
    s->print = next.print;
    return combine_scan_encode(&next, &s->cursor);
}

/* Take the keys out of a node's reply. False: it is not what SCAN answers. */
static bool scan_take(struct worker *w, struct scan *s, struct bufq *q, uint64_t *node)
{
    struct reply_value pair, cursor, keys;
    char head[96];
    size_t len = bufq_peek(q, head, sizeof head);
    struct reply_reader reader = {head, head + len};
    if (!reply_read(&reader, &pair) || pair.type != '*' || pair.n != 2 ||
        !reply_read(&reader, &cursor) || !cursor.data ||
        !scan_parse_cursor(cursor.data, cursor.len, node) || !reply_read(&reader, &keys) ||
        keys.type != '*' || keys.null)
        return false;
    s->found += keys.n;
    bufq_drop(&w->chunks, q, (size_t)(reader.p - head));
    bufq_splice(&s->keys, q);
    return true;
}

static void scan_end(struct worker *w, struct fanout *f, const char *error)
{
    struct scan *s = f->state;
    struct bufq out = {0};
    struct reply r = local_reply_to(w, f->parent, &out);
    if (error) {
        reply_error(&r, error);
        bufq_clear(&w->chunks, &s->keys);
    } else {
        reply_array(&r, 2);
        reply_bulkf(&r, "%llu", (unsigned long long)s->cursor);
        reply_array(&r, (uint64_t)s->found);
        bufq_splice(&out, &s->keys);
    }
    fanout_end(w, f, &out);
}

/* A shard that fails when others have answered is left to the client's next call: the cursor that
 * it gets is that shard's first. */
static void scan_end_failed(struct worker *w, struct fanout *f)
{
    struct scan *s = f->state;
    struct bufq out = {0};
    if (s->steps > 1) {
        scan_end(w, f, NULL);
        return;
    }
    bufq_append(&w->chunks, &out, f->failure, f->failure_len);
    counters_add(&w->counters, COUNTER_errors, 1);
    fanout_end(w, f, &out);
}

/* A shard has answered. When it has no more, and gave less than was asked for, the next one is
 * asked at once: so a small keyspace comes in one reply, as from one server. */
static void scan_then(struct worker *w, struct fanout *f)
{
    struct scan *s = f->state;
    uint64_t node = 0;
    if (f->failure)
        scan_end_failed(w, f);
    else if (!f->parent->client)
        scan_end(w, f, NULL);
    else if (!scan_take(w, s, &f->replies[0].q, &node))
        scan_end(w, f, "ERR slotway can't merge what the nodes answered");
    else if (!scan_advance(w, s, node))
        scan_end(w, f, "ERR the node's SCAN cursor is too large for slotway");
    else if (node == 0 && s->cursor != 0 && s->found < s->want && s->steps < SCAN_MAX_STEPS)
        scan_ask(w, f, 0);
    else
        scan_end(w, f, NULL);
}

/* The last COUNT, as the node reads it: it refuses what is no number. */
static int64_t scan_count(const struct local_call *call)
{
    int64_t count = SCAN_DEFAULT_COUNT, value;
    for (uint32_t i = 2; i + 1 < local_argc(call); i += 2)
        if (local_is(call, i, "COUNT") && local_int(call, i + 1, &value))
            count = value;
    return count;
}

void local_scan(const struct local_call *call)
{
    struct client *c = call->c;
    struct worker *w = c->worker;
    struct scan_cursor cursor;
    uint64_t value;
    if (!scan_parse_cursor(local_arg(call, 1), local_len(call, 1), &value) ||
        !scan_resolve(w, value, &cursor)) {
        client_reply_error(c, "ERR invalid cursor");
        return;
    }
    uint32_t rest = call->args->v[1].off + local_len(call, 1) + 2;
    size_t rest_len = local_request_len(call) - rest;
    struct scan *s = memory_zalloc(sizeof *s + rest_len);
    s->slot = cursor.slot;
    s->print = cursor.print;
    s->want = scan_count(call);
    s->argc = local_argc(call);
    s->rest_len = rest_len;
    memcpy(s->rest, call->request + rest, rest_len);
    scan_ask(w, fanout_begin(w, c, call->cmd, 1, s, scan_then), cursor.node);
}
