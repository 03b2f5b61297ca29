/* load_pipeline: random commands of a client, as bytes and as what is expected of them. */
#include "support/load_state.h"
#include <string.h>

static void put(struct client *c, const void *data, size_t len)
{
    if (c->out_len + len > c->out_cap) {
        c->out_cap = (c->out_len + len) * 2;
        c->out = realloc(c->out, c->out_cap);
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static void put_bulk(struct client *c, const void *data, size_t len)
{
    char head[32];
    int head_len = sprintf(head, "$%zu\r\n", len);
    put(c, head, (size_t)head_len);
    put(c, data, len);
    put(c, "\r\n", 2);
}

static void put_head(struct client *c, int argc, const char *name)
{
    char head[32];
    int len = sprintf(head, "*%d\r\n", argc);
    put(c, head, (size_t)len);
    put_bulk(c, name, strlen(name));
}

static void put_key(struct client *c, int index)
{
    put_bulk(c, c->keys[index].name, strlen(c->keys[index].name));
}

static void put_value(struct load *l, struct client *c, struct op *op, int i)
{
    op->seq[i] = c->keys[op->part[i]].next++;
    size_t len = load_make_value(l, l->scratch, c->id, op->part[i], op->seq[i]);
    put_bulk(c, l->scratch, len);
}

static uint8_t some(struct load *l, int from, int count)
{
    return (uint8_t)(from + (int)(random_next(&l->random) % (uint64_t)count));
}

static void add_get(struct load *l, struct client *c, struct op *op)
{
    int index = random_next(&l->random) % 8 == 0 ? some(l, STRINGS + COUNTERS + LISTS, ABSENT)
                                                 : some(l, 0, STRINGS + COUNTERS);
    op->kind = OP_GET;
    op->nparts = 1;
    op->part[0] = (uint8_t)index;
    put_head(c, 2, "GET");
    put_key(c, index);
}

static void add_split(struct load *l, struct client *c, struct op *op, bool write)
{
    op->nparts = 2 + (int)(random_next(&l->random) % (MAX_PARTS - 1));
    op->kind = write ? OP_MSET : OP_MGET;
    put_head(c, 1 + op->nparts * (write ? 2 : 1), write ? "MSET" : "MGET");
    int first = some(l, 0, STRINGS);
    for (int i = 0; i < op->nparts; i++) {
        /* Written keys differ, so that the model needn't know which of two comes last. */
        op->part[i] = write ? (uint8_t)((first + i) % STRINGS) : some(l, 0, KEYS);
        put_key(c, op->part[i]);
        if (write)
            put_value(l, c, op, i);
    }
}

static void add_list_push(struct load *l, struct client *c, struct op *op)
{
    op->kind = OP_RPUSH;
    op->nparts = 1;
    op->part[0] = some(l, STRINGS + COUNTERS, LISTS);
    struct key *k = &c->keys[op->part[0]];
    op->seq[0] = k->next++;
    if ((op->seq[0] & (op->seq[0] - 1)) == 0)
        k->fate = realloc(k->fate, (size_t)op->seq[0] * 2 + 2);
    k->fate[op->seq[0]] = '?';
    char element[64];
    int len = sprintf(element, "%s:%u", k->name, op->seq[0]);
    put_head(c, 3, "RPUSH");
    put_key(c, op->part[0]);
    put_bulk(c, element, (size_t)len);
}

static void add_one(struct load *l, struct client *c, struct op *op, const char *name, int index,
                    enum op_kind kind)
{
    op->kind = kind;
    op->nparts = 1;
    op->part[0] = (uint8_t)index;
    put_head(c, kind == OP_SET ? 3 : 2, name);
    put_key(c, index);
    if (kind == OP_SET)
        put_value(l, c, op, 0);
}

void load_add_op(struct load *l, struct client *c)
{
    struct op *op = &c->ops[c->nops++];
    int pick = (int)(random_next(&l->random) % 100);
    if (l->o.reads_only)
        pick = pick < 70 ? 0 : 80;
    if (pick < 38)
        add_get(l, c, op);
    else if (pick < 60)
        add_one(l, c, op, "SET", some(l, 0, STRINGS), OP_SET);
    else if (pick < 72)
        add_one(l, c, op, "INCR", some(l, STRINGS, COUNTERS), OP_INCR);
    else if (pick < 78)
        add_list_push(l, c, op);
    else if (pick < 88)
        add_split(l, c, op, false);
    else if (pick < 96)
        add_split(l, c, op, true);
    else if (pick < 98)
        add_one(l, c, op, "GET", some(l, STRINGS + COUNTERS, LISTS), OP_WRONG_TYPE);
    else
        add_one(l, c, op, "INCR", 0, OP_NOT_INTEGER);
}

void load_add_first_values(struct load *l, struct client *c)
{
    for (int i = 0; i < STRINGS; i++)
        add_one(l, c, &c->ops[c->nops++], "SET", i, OP_SET);
}
