/* load_model: what can be true of a key, and whether a reply fits it.
 *
 * For strings that is the last acknowledged sequence number and those of writes that "may or may
 * not have been executed"; for counters and lists a range [low, high] of how often a write can have
 * been applied. Reads narrow it, so nothing applied twice stays unseen. */
#include "support/load_state.h"
#include <stdarg.h>
#include <string.h>

/* ---- keys and values ---- */

enum key_kind load_kind_of(int index)
{
    if (index < STRINGS)
        return KEY_STRING;
    if (index < STRINGS + COUNTERS)
        return KEY_COUNTER;
    return index < STRINGS + COUNTERS + LISTS ? KEY_LIST : KEY_ABSENT;
}

size_t load_make_value(struct load *l, char *out, int client, int key, uint32_t seq)
{
    uint64_t r = ((uint64_t)client << 48) ^ ((uint64_t)key << 32) ^ seq ^ l->o.seed;
    uint64_t pick = random_next(&r);
    size_t len = 8 + pick % 200;
    if ((pick >> 32) % (uint64_t)l->o.large == 0)
        len = pick % (uint64_t)l->o.large_size;
    size_t at = (size_t)sprintf(out, "c%d:k%d:s%u:", client, key, seq);
    for (; at < len; at += 8) {
        uint64_t word = random_next(&r);
        memcpy(out + at, &word, 8);
    }
    return at < len ? at : len > 40 ? len : at;
}

/* Sequence number a value claims to be; -1 if it isn't one of this key's. */
static int64_t value_seq(struct load *l, struct client *c, int key, const redisReply *r)
{
    int id, k;
    unsigned seq;
    char head[64];
    snprintf(head, sizeof head, "%.*s", (int)(r->len < 63 ? r->len : 63), r->str);
    if (sscanf(head, "c%d:k%d:s%u:", &id, &k, &seq) != 3 || id != c->id || k != key || seq == 0 ||
        seq >= c->keys[key].next)
        return -1;
    size_t len = load_make_value(l, l->scratch, id, k, seq);
    return len == (size_t)r->len && memcmp(l->scratch, r->str, len) == 0 ? (int64_t)seq : -1;
}

/* ---- judging ---- */

void load_wrong(struct load *l, struct client *c, const char *fmt, ...)
{
    uint64_t n = l->result.wrong++;
    if (n >= MAX_WRONG)
        return;
    int at = snprintf(l->wrong_text[n], sizeof l->wrong_text[n],
                      "at %lld ms, client %d, reply %d/%d: ", (long long)(now_ms() - l->begin),
                      c->id, c->answered + 1, c->nops);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->wrong_text[n] + at, sizeof l->wrong_text[n] - (size_t)at, fmt, ap);
    va_end(ap);
}

bool load_excused(struct load *l, struct key *k)
{
    uint32_t round = GET(l->loss_round[k->group]);
    bool excuse = (GET(l->lossy) & (1u << k->group)) || k->loss_round != round;
    if (excuse && !(GET(l->lossy) & (1u << k->group)))
        k->loss_round = round;
    return excuse;
}

/* The same without being the look that ends it. */
static bool would_excuse(struct load *l, struct key *k)
{
    return (GET(l->lossy) & (1u << k->group)) || k->loss_round != GET(l->loss_round[k->group]);
}

static void saw_string(struct load *l, struct client *c, int index, const redisReply *r)
{
    struct key *k = &c->keys[index];
    if (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_NIL) {
        load_wrong(l, c, "%s: reply of type %d: %.100s", k->name, r->type, r->str ? r->str : "");
        return;
    }
    int64_t seq = r->type == REDIS_REPLY_NIL ? 0 : value_seq(l, c, index, r);
    bool fits = seq == k->known;
    for (int i = 0; i < k->nmaybe; i++)
        fits |= seq == k->maybe[i];
    bool excuse = load_excused(l, k);
    if (seq >= 0 && !fits && excuse) {
        l->result.lost++;
        k->known = (uint32_t)seq;
        return;
    }
    /* A read that was retried after its connection was lost comes after the writes that were
     * pipelined behind it and executed before the loss: it may see one of these, not an older one.
     */
    if (!fits && GET(l->fallible) && seq > (int64_t)k->known && seq < (int64_t)k->next) {
        l->result.read_ahead++;
        return;
    }
    if (!fits) {
        load_wrong(
            l, c, "%s: got sequence %lld (%d bytes, %.40s), expected %u (or one of %d maybes)",
            k->name, (long long)seq, (int)r->len, r->str ? r->str : "nil", k->known, k->nmaybe);
        return;
    }
    /* What was seen is true now, a maybe-write on a broken connection may still come. */
    k->known = (uint32_t)seq;
}

/* Writes to this key in the client's pipeline that have not been answered. */
static int64_t pipelined_writes(const struct client *c, const struct key *k)
{
    int64_t n = 0;
    for (int i = c->answered; i < c->nops; i++)
        n += (c->ops[i].kind == OP_INCR || c->ops[i].kind == OP_RPUSH) &&
             &c->keys[c->ops[i].part[0]] == k;
    return n;
}

static void saw_count(struct load *l, struct client *c, struct key *k, int64_t n, int64_t own)
{
    /* own: 1 if this very command was a write, whose effect n includes. */
    int64_t low = k->low + own, high = k->high + own;
    bool excuse = load_excused(l, k);
    /* As in saw_string: a read that was retried may count writes that were pipelined behind it. */
    if (!own && n > high && n <= high + pipelined_writes(c, k) && GET(l->fallible)) {
        l->result.read_ahead++;
        return;
    }
    if (excuse && high - n > k->lost)
        k->lost = high - n;
    if (n < low && n >= own && excuse)
        l->result.lost += (uint64_t)(low - n);
    else if (n < low || n > high)
        load_wrong(l, c, "%s: count %lld, expected %lld to %lld", k->name, (long long)n,
                   (long long)low, (long long)high);
    k->low = n;
    k->high = high;
}

void load_saw_value(struct load *l, struct client *c, int index, const redisReply *r)
{
    struct key *k = &c->keys[index];
    if (k->kind == KEY_STRING) {
        saw_string(l, c, index, r);
    } else if (k->kind == KEY_ABSENT) {
        if (r->type != REDIS_REPLY_NIL)
            load_wrong(l, c, "%s: should be nil, got type %d %.60s", k->name, r->type,
                       r->str ? r->str : "");
    } else if (k->kind == KEY_COUNTER) {
        if (r->type == REDIS_REPLY_NIL)
            saw_count(l, c, k, 0, 0);
        else if (r->type == REDIS_REPLY_STRING)
            saw_count(l, c, k, atoll(r->str), 0);
        else
            load_wrong(l, c, "%s: reply of type %d", k->name, r->type);
    } else if (r->type != REDIS_REPLY_NIL) {
        load_wrong(l, c, "%s: MGET of a list must be nil", k->name);
    }
}

static void acknowledged(struct key *k, uint32_t seq)
{
    k->known = seq;
    k->nmaybe = 0;
}

void load_maybe_written(struct key *k, uint32_t seq)
{
    if (k->kind == KEY_STRING) {
        if (k->nmaybe == MAX_MAYBE) {
            memmove(k->maybe, k->maybe + 1, sizeof k->maybe - sizeof k->maybe[0]);
            k->nmaybe--;
        }
        k->maybe[k->nmaybe++] = seq;
        return;
    }
    k->high++;
    if (k->kind == KEY_LIST)
        k->fate[seq] = 'm';
}

static void note_error(struct load *l, struct client *c, const char *text)
{
    int64_t at = now_ms() - l->begin;
    int i = 0;
    while (i < l->ntexts && strncmp(l->texts[i].text, text, sizeof l->texts[i].text - 1) != 0)
        i++;
    if (i == l->ntexts && i < MAX_TEXTS) {
        l->ntexts++;
        snprintf(l->texts[i].text, sizeof l->texts[i].text, "%s", text);
        l->texts[i].first = at;
    }
    if (i < MAX_TEXTS) {
        l->texts[i].count++;
        l->texts[i].last = at;
    }
    l->result.errors++;
    if (c->group >= 0)
        l->result.group_errors[c->group]++;
    if (strncmp(text, "MOVED ", 6) == 0 || strncmp(text, "ASK ", 4) == 0)
        l->result.redirects_seen++;
    uint32_t fallible = GET(l->fallible);
    bool fine = c->group >= 0 ? (fallible >> c->group) & 1 : fallible != 0;
    if (!fine)
        l->result.unexpected_errors++;
}

/* Does the operation change its keys? OP_NOT_INTEGER would if it could. */
bool load_is_write(const struct op *op)
{
    return op->kind == OP_SET || op->kind == OP_INCR || op->kind == OP_RPUSH || op->kind == OP_MSET;
}

static void took_error(struct load *l, struct client *c, struct op *op, const char *text)
{
    note_error(l, c, text);
    bool maybe = strstr(text, "may or may not have been executed") != NULL;
    if (maybe) {
        l->result.maybe_errors++;
        if (!load_is_write(op) && op->kind != OP_NOT_INTEGER)
            load_wrong(l, c, "a read was answered with: %s", text);
    }
    /* Of a split write other parts may have been executed, whatever the error. */
    if (maybe || op->kind == OP_MSET)
        for (int i = 0; load_is_write(op) && i < op->nparts; i++)
            load_maybe_written(&c->keys[op->part[i]], op->seq[i]);
    else if (op->kind == OP_RPUSH)
        c->keys[op->part[0]].fate[op->seq[0]] = 'n';
}

bool load_judge(struct load *l, struct client *c, struct op *op, const redisReply *r)
{
    struct key *k = &c->keys[op->part[0]];
    const char *text = r->str ? r->str : "";
    if (op->kind == OP_WRONG_TYPE || op->kind == OP_NOT_INTEGER) {
        const char *want = op->kind == OP_WRONG_TYPE
                               ? "WRONGTYPE Operation against a key holding the wrong kind of value"
                               : "ERR value is not an integer or out of range";
        bool gone = would_excuse(l, k);
        if (op->kind == OP_WRONG_TYPE && r->type == REDIS_REPLY_NIL && (k->low == 0 || gone))
            return true;
        if (r->type == REDIS_REPLY_ERROR && strcmp(text, want) == 0)
            return true;
        if (r->type == REDIS_REPLY_ERROR)
            took_error(l, c, op, text);
        else
            load_wrong(l, c, "%s: expected the error %s, got type %d %.60s", k->name, want, r->type,
                       text);
        return false;
    }
    if (r->type == REDIS_REPLY_ERROR) {
        took_error(l, c, op, text);
        return false;
    }
    switch (op->kind) {
    case OP_GET:
        load_saw_value(l, c, op->part[0], r);
        break;
    case OP_MGET:
        if (r->type != REDIS_REPLY_ARRAY || (int)r->elements != op->nparts) {
            load_wrong(l, c, "MGET of %d keys: type %d, %d elements", op->nparts, r->type,
                       (int)r->elements);
            break;
        }
        for (int i = 0; i < op->nparts; i++)
            load_saw_value(l, c, op->part[i], r->element[i]);
        break;
    case OP_SET:
    case OP_MSET:
        if (r->type != REDIS_REPLY_STATUS || strcmp(text, "OK") != 0)
            load_wrong(l, c, "%s: write answered with type %d %.60s", k->name, r->type, text);
        for (int i = 0; i < op->nparts; i++)
            acknowledged(&c->keys[op->part[i]], op->seq[i]);
        break;
    case OP_INCR:
    case OP_RPUSH:
        if (r->type != REDIS_REPLY_INTEGER)
            load_wrong(l, c, "%s: count of type %d %.60s", k->name, r->type, text);
        else
            saw_count(l, c, k, r->integer, 1);
        if (op->kind == OP_RPUSH)
            k->fate[op->seq[0]] = 'a';
        break;
    default:
        break;
    }
    return true;
}
