/* combine_scan: SCAN goes to one shard at a time; the cursor says which, and where in it. */
#include "flow/combine_scan.h"
#include "base/memory.h"
#include "flow/local_call.h"
#include <stdio.h>

/* What a SCAN on its way must remember: freed by the fan-out. */
struct scan_state {
    uint16_t slot;
    uint8_t print;
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
    struct scan_state *state = memory_alloc(sizeof *state);
    state->slot = cursor.slot;
    state->print = cursor.print;
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    uint32_t rest = call->args->v[1].off + local_len(call, 1) + 2;
    reply_array(&r, local_argc(call));
    reply_bulk_string(&r, "SCAN");
    reply_bulkf(&r, "%llu", (unsigned long long)cursor.node);
    bufq_append(&w->chunks, &q, call->request + rest, local_request_len(call) - rest);
    size_t len = q.len;
    fanout_one(c, call->cmd, cursor.slot, bufq_flatten(&w->chunks, &q), len, state);
    bufq_clear(&w->chunks, &q);
}

/* The cursor for the client after the node answered `node`. False: it does not fit. */
static bool scan_advance(const struct worker *w, const struct scan_state *state, uint64_t node,
                         uint64_t *value)
{
    struct scan_cursor next = {.slot = state->slot, .node = node};
    next.print = scan_print_of(w, state->slot);
    if (next.print != state->print) {
        /* Another process serves the shard by now, and perhaps answered: its cursors mean nothing
         * beside those before. */
        next.node = 0;
    } else if (node == 0) {
        next.slot = scan_next_shard(w, (uint32_t)state->slot + 1);
        if (next.slot == SLOT_NONE) {
            *value = 0;
            return true;
        }
        next.print = scan_print_of(w, next.slot);
    }
    return combine_scan_encode(&next, value);
}

bool combine_scan(struct worker *w, struct fanout *f, struct bufq *out)
{
    struct bufq *q = &f->replies[0].q;
    struct reply r = local_reply_to(w, f->parent, out);
    struct reply_value pair, cursor;
    uint64_t node, value;
    char head[64];
    size_t len = bufq_peek(q, head, sizeof head);
    struct reply_reader reader = {head, head + len};
    if (!reply_read(&reader, &pair) || pair.type != '*' || pair.n != 2 ||
        !reply_read(&reader, &cursor) || !cursor.data ||
        !scan_parse_cursor(cursor.data, cursor.len, &node))
        return false;
    if (!scan_advance(w, f->state, node, &value)) {
        reply_error(&r, "ERR the node's SCAN cursor is too large for slotway");
        return true;
    }
    bufq_drop(&w->chunks, q, (size_t)(reader.p - head));
    reply_array(&r, 2);
    reply_bulkf(&r, "%llu", (unsigned long long)value);
    bufq_splice(out, q);
    return true;
}
