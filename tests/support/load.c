/* load: clients in one epoll thread that model their keys and judge every reply.
 *
 * A key's model is what can be true of it: for strings the last acknowledged sequence number and
 * those of writes that "may or may not have been executed"; for counters and lists a range [low,
 * high] of how often a write can have been applied. Reads narrow it, so nothing applied twice stays
 * unseen. */
#include "load.h"

#include "client.h"
#include "cluster.h"
#include "testing.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define STRINGS   30 /* keys of each kind a client has */
#define COUNTERS  6
#define LISTS     4
#define ABSENT    3 /* never written */
#define KEYS      (STRINGS + COUNTERS + LISTS + ABSENT)
#define MAX_OPS   128
#define MAX_PARTS 10
#define MAX_MAYBE 64
#define MAX_TEXTS 64
#define MAX_MS    240000 /* longest run */
#define MAX_WRONG 12     /* wrong replies that are printed */
#define STUCK_MS  20000  /* an unanswered pipeline at the end is a failure after this */

enum key_kind { KEY_STRING, KEY_COUNTER, KEY_LIST, KEY_ABSENT };

struct key {
    char name[48];
    enum key_kind kind;
    uint32_t next;             /* sequence number of the next write */
    uint32_t known;            /* string: the last acknowledged or seen; 0: nil */
    uint32_t maybe[MAX_MAYBE]; /* string: further possible ones */
    int nmaybe;
    int64_t low, high;   /* counter, list: how often it can have been written */
    char *fate;          /* list: of each element: 'a' acknowledged, 'm' maybe, 'n' not executed */
    uint32_t loss_round; /* up to which round of possible losses its model is true */
    uint8_t group;
};

enum op_kind { OP_GET, OP_SET, OP_INCR, OP_RPUSH, OP_MGET, OP_MSET, OP_WRONG_TYPE, OP_NOT_INTEGER };

struct op {
    enum op_kind kind;
    int nparts;
    uint8_t part[MAX_PARTS]; /* key indexes */
    uint32_t seq[MAX_PARTS]; /* of the written values */
};

struct client {
    int fd;
    int id;
    int group; /* -1: mixed */
    bool connected;
    struct key keys[KEYS];
    struct op ops[MAX_OPS];
    int nops, answered;
    int64_t started, next_start; /* ms */
    char *out;
    size_t out_len, out_sent, out_cap;
    redisReader *reader;
    uint64_t done;
};

struct load {
    struct load_options o;
    uint8_t group_of_slot[CLUSTER_SLOTS];
    struct client *clients;
    int nclients;
    pthread_t thread;
    int epoll;
    uint64_t random;
    int64_t begin; /* ms */
    int64_t fault; /* ms, 0: none yet */
    int stopping;
    uint32_t lossy, fallible;         /* bits by group */
    uint32_t loss_round[LOAD_GROUPS]; /* counted up when a time of possible losses begins or ends */
    int closable;
    uint64_t done_group[LOAD_GROUPS + 1]; /* the last: mixed clients */
    uint16_t *success[LOAD_GROUPS];       /* good replies in each ms since begin */
    int64_t longest_wait[LOAD_GROUPS + 1];
    uint64_t pipelines[LOAD_GROUPS + 1][2]; /* done before the fault, and from then on */
    struct {
        char text[160];
        uint64_t count;
        int64_t first, last;
    } texts[MAX_TEXTS];
    int ntexts;
    char wrong_text[MAX_WRONG][400];
    struct load_result result;
    char *scratch;
};

#define GET(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define PUT(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define ADD(field, value) __atomic_fetch_add(&(field), (value), __ATOMIC_RELAXED)

/* ---- values ---- */

static size_t make_value(struct load *l, char *out, int client, int key, uint32_t seq)
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
    size_t len = make_value(l, l->scratch, id, k, seq);
    return len == (size_t)r->len && memcmp(l->scratch, r->str, len) == 0 ? (int64_t)seq : -1;
}

/* ---- judging ---- */

static void wrong(struct load *l, struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void wrong(struct load *l, struct client *c, const char *fmt, ...)
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

/* May this key show something older than was acknowledged? Ends with the first look after the time
 * in which the cluster may lose writes. */
static bool excused(struct load *l, struct key *k)
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
        wrong(l, c, "%s: reply of type %d: %.100s", k->name, r->type, r->str ? r->str : "");
        return;
    }
    int64_t seq = r->type == REDIS_REPLY_NIL ? 0 : value_seq(l, c, index, r);
    bool fits = seq == k->known;
    for (int i = 0; i < k->nmaybe; i++)
        fits |= seq == k->maybe[i];
    bool excuse = excused(l, k);
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
        wrong(l, c, "%s: got sequence %lld (%d bytes, %.40s), expected %u (or one of %d maybes)",
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
    bool excuse = excused(l, k);
    /* As in saw_string: a read that was retried may count writes that were pipelined behind it. */
    if (!own && n > high && n <= high + pipelined_writes(c, k) && GET(l->fallible)) {
        l->result.read_ahead++;
        return;
    }
    if (n < low && n >= own && excuse)
        l->result.lost += (uint64_t)(low - n);
    else if (n < low || n > high)
        wrong(l, c, "%s: count %lld, expected %lld to %lld", k->name, (long long)n, (long long)low,
              (long long)high);
    k->low = n;
    k->high = high;
}

static void saw_value(struct load *l, struct client *c, int index, const redisReply *r)
{
    struct key *k = &c->keys[index];
    if (k->kind == KEY_STRING) {
        saw_string(l, c, index, r);
    } else if (k->kind == KEY_ABSENT) {
        if (r->type != REDIS_REPLY_NIL)
            wrong(l, c, "%s: should be nil, got type %d %.60s", k->name, r->type,
                  r->str ? r->str : "");
    } else if (k->kind == KEY_COUNTER) {
        if (r->type == REDIS_REPLY_NIL)
            saw_count(l, c, k, 0, 0);
        else if (r->type == REDIS_REPLY_STRING)
            saw_count(l, c, k, atoll(r->str), 0);
        else
            wrong(l, c, "%s: reply of type %d", k->name, r->type);
    } else if (r->type != REDIS_REPLY_NIL) {
        wrong(l, c, "%s: MGET of a list must be nil", k->name);
    }
}

static void acknowledged(struct key *k, uint32_t seq)
{
    k->known = seq;
    k->nmaybe = 0;
}

/* A write of which it isn't known whether it was executed. */
static void maybe_written(struct key *k, uint32_t seq)
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
static bool is_write(const struct op *op)
{
    return op->kind == OP_SET || op->kind == OP_INCR || op->kind == OP_RPUSH || op->kind == OP_MSET;
}

static void took_error(struct load *l, struct client *c, struct op *op, const char *text)
{
    note_error(l, c, text);
    bool maybe = strstr(text, "may or may not have been executed") != NULL;
    if (maybe) {
        l->result.maybe_errors++;
        if (!is_write(op) && op->kind != OP_NOT_INTEGER)
            wrong(l, c, "a read was answered with: %s", text);
    }
    /* Of a split write other parts may have been executed, whatever the error. */
    if (maybe || op->kind == OP_MSET)
        for (int i = 0; is_write(op) && i < op->nparts; i++)
            maybe_written(&c->keys[op->part[i]], op->seq[i]);
    else if (op->kind == OP_RPUSH)
        c->keys[op->part[0]].fate[op->seq[0]] = 'n';
}

static bool judge(struct load *l, struct client *c, struct op *op, const redisReply *r)
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
            wrong(l, c, "%s: expected the error %s, got type %d %.60s", k->name, want, r->type,
                  text);
        return false;
    }
    if (r->type == REDIS_REPLY_ERROR) {
        took_error(l, c, op, text);
        return false;
    }
    switch (op->kind) {
    case OP_GET:
        saw_value(l, c, op->part[0], r);
        break;
    case OP_MGET:
        if (r->type != REDIS_REPLY_ARRAY || (int)r->elements != op->nparts) {
            wrong(l, c, "MGET of %d keys: type %d, %d elements", op->nparts, r->type,
                  (int)r->elements);
            break;
        }
        for (int i = 0; i < op->nparts; i++)
            saw_value(l, c, op->part[i], r->element[i]);
        break;
    case OP_SET:
    case OP_MSET:
        if (r->type != REDIS_REPLY_STATUS || strcmp(text, "OK") != 0)
            wrong(l, c, "%s: write answered with type %d %.60s", k->name, r->type, text);
        for (int i = 0; i < op->nparts; i++)
            acknowledged(&c->keys[op->part[i]], op->seq[i]);
        break;
    case OP_INCR:
    case OP_RPUSH:
        if (r->type != REDIS_REPLY_INTEGER)
            wrong(l, c, "%s: count of type %d %.60s", k->name, r->type, text);
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

/* ---- making pipelines ---- */

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
    size_t len = make_value(l, l->scratch, c->id, op->part[i], op->seq[i]);
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

static void add_op(struct load *l, struct client *c)
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

/* The first pipeline of a client gives every string key its first value. */
static void add_first_values(struct load *l, struct client *c)
{
    for (int i = 0; i < STRINGS; i++)
        add_one(l, c, &c->ops[c->nops++], "SET", i, OP_SET);
}

/* ---- connections ---- */

static void watch(struct load *l, struct client *c, bool writable)
{
    struct epoll_event e = {.events = EPOLLIN | (writable ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static bool reconnect(struct load *l, struct client *c)
{
    c->fd = raw_open(l->o.port, 0);
    if (c->fd < 0)
        return false;
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (c->reader)
        redisReaderFree(c->reader);
    c->reader = redisReaderCreate();
    c->connected = true;
    watch(l, c, false);
    return true;
}

static void lost_connection(struct load *l, struct client *c)
{
    if (!GET(l->closable))
        l->result.closed++;
    for (int i = c->answered; i < c->nops; i++) {
        struct op *op = &c->ops[i];
        for (int p = 0; is_write(op) && p < op->nparts; p++)
            maybe_written(&c->keys[op->part[p]], op->seq[p]);
    }
    c->nops = c->answered = 0;
    c->out_len = c->out_sent = 0;
    close(c->fd);
    c->connected = false;
    c->next_start = now_ms() + 20;
}

static void send_more(struct load *l, struct client *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(l, c, true);
            return;
        }
        if (n <= 0) {
            lost_connection(l, c);
            return;
        }
        c->out_sent += (size_t)n;
    }
    watch(l, c, false);
}

static void good_reply(struct load *l, struct client *c)
{
    ADD(c->done, 1);
    if (c->group < 0) {
        ADD(l->done_group[LOAD_GROUPS], 1);
        return;
    }
    ADD(l->done_group[c->group], 1);
    int64_t at = now_ms() - l->begin;
    if (at < MAX_MS && GET(l->success[c->group][at]) < 65535)
        ADD(l->success[c->group][at], 1);
}

static void pipeline_done(struct load *l, struct client *c)
{
    int64_t now = now_ms(), took = now - c->started;
    int row = c->group < 0 ? LOAD_GROUPS : c->group;
    int64_t fault = GET(l->fault);
    if (fault && c->started >= fault && took > l->longest_wait[row])
        l->longest_wait[row] = took;
    l->pipelines[row][fault ? 1 : 0]++;
    c->nops = c->answered = 0;
    c->out_len = c->out_sent = 0;
    c->next_start = c->started + l->o.pace_ms;
}

static void take_replies(struct load *l, struct client *c)
{
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
            wrong(l, c, "not a reply: %s", c->reader->errstr);
            lost_connection(l, c);
            return;
        }
        if (!reply)
            return;
        redisReply *r = reply;
        if (c->answered >= c->nops) {
            wrong(l, c, "a reply to no command: type %d %.60s", r->type, r->str ? r->str : "");
        } else {
            l->result.commands++;
            if (judge(l, c, &c->ops[c->answered], r))
                good_reply(l, c);
            if (++c->answered == c->nops)
                pipeline_done(l, c);
        }
        freeReplyObject(reply);
    }
}

static void receive(struct load *l, struct client *c)
{
    static __thread char block[65536];
    ssize_t n = recv(c->fd, block, sizeof block, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lost_connection(l, c);
        return;
    }
    redisReaderFeed(c->reader, block, (size_t)n);
    take_replies(l, c);
}

static void start_pipeline(struct load *l, struct client *c, int64_t now)
{
    if (!c->connected && !reconnect(l, c)) {
        if (!GET(l->closable))
            l->result.closed++;
        c->next_start = now + 20;
        return;
    }
    c->started = now;
    if (c->keys[0].next == 1) {
        add_first_values(l, c);
    } else {
        uint64_t r = random_next(&l->random);
        int depth = 1 + (int)((r >> 8) % (1u << (r % 8)));
        if (depth > l->o.max_pipeline)
            depth = l->o.max_pipeline;
        for (int i = 0; i < depth; i++)
            add_op(l, c);
    }
    send_more(l, c);
}

static bool all_idle(struct load *l)
{
    for (int i = 0; i < l->nclients; i++)
        if (l->clients[i].nops > 0)
            return false;
    return true;
}

static void *load_loop(void *arg)
{
    struct load *l = arg;
    int64_t stop_at = 0;
    for (;;) {
        int64_t now = now_ms();
        bool stopping = GET(l->stopping);
        if (stopping && stop_at == 0)
            stop_at = now;
        if (stopping && (all_idle(l) || now - stop_at > (int64_t)(STUCK_MS * test_slack())))
            return NULL;
        for (int i = 0; i < l->nclients && !stopping; i++)
            if (l->clients[i].nops == 0 && l->clients[i].next_start <= now)
                start_pipeline(l, &l->clients[i], now);
        struct epoll_event events[64];
        int n = epoll_wait(l->epoll, events, 64, 1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c->connected && (events[i].events & EPOLLOUT))
                send_more(l, c);
            if (c->connected && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                receive(l, c);
        }
    }
}

/* ---- start, watch, finish ---- */

static enum key_kind kind_of(int index)
{
    if (index < STRINGS)
        return KEY_STRING;
    if (index < STRINGS + COUNTERS)
        return KEY_COUNTER;
    return index < STRINGS + COUNTERS + LISTS ? KEY_LIST : KEY_ABSENT;
}

static void name_keys(struct load *l, struct client *c)
{
    static const char letters[] = "scla";
    for (int i = 0, n = 0; i < KEYS; n++) {
        struct key *k = &c->keys[i];
        k->kind = kind_of(i);
        int len = snprintf(k->name, sizeof k->name, "load:%llx:%d:%c%d",
                           (unsigned long long)(l->o.seed & 0xffffff), c->id, letters[k->kind], n);
        k->group = l->group_of_slot[cluster_slot(k->name, (size_t)len)];
        if (c->group >= 0 && k->group != c->group)
            continue;
        k->next = 1;
        k->fate = k->kind == KEY_LIST ? calloc(1, 4) : NULL;
        i++;
    }
}

struct load *load_start(const struct load_options *options)
{
    struct load *l = calloc(1, sizeof *l);
    l->o = *options;
    l->o.max_pipeline = l->o.max_pipeline ? l->o.max_pipeline : 100;
    l->o.pace_ms = l->o.pace_ms ? l->o.pace_ms : 10;
    l->o.large = l->o.large ? l->o.large : 200;
    l->o.large_size = l->o.large_size ? l->o.large_size : 100000;
    l->o.seed = l->o.seed ? l->o.seed : test_seed();
    if (options->group_of_slot)
        memcpy(l->group_of_slot, options->group_of_slot, sizeof l->group_of_slot);
    l->random = l->o.seed;
    l->scratch = malloc((size_t)l->o.large_size + 256);
    l->begin = now_ms();
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->nclients = l->o.mixed + l->o.pinned * l->o.groups;
    ck_assert_int_le(l->o.groups, LOAD_GROUPS);
    for (int g = 0; g < LOAD_GROUPS; g++)
        l->success[g] = calloc(MAX_MS, sizeof(uint16_t));
    l->clients = calloc((size_t)l->nclients, sizeof *l->clients);
    for (int i = 0; i < l->nclients; i++) {
        struct client *c = &l->clients[i];
        c->id = i + 1;
        c->group = i < l->o.mixed ? -1 : (i - l->o.mixed) % l->o.groups;
        c->next_start = l->begin + i % l->o.pace_ms;
        name_keys(l, c);
    }
    ck_assert_int_eq(pthread_create(&l->thread, NULL, load_loop, l), 0);
    ck_assert_msg(load_wait_progress(l, STRINGS + 20, 15000), "the clients make no progress");
    return l;
}

void load_fault_begins(struct load *l)
{
    PUT(l->fault, now_ms());
}

void load_may_lose(struct load *l, int group)
{
    uint32_t before = GET(l->lossy);
    for (int g = 0; g < LOAD_GROUPS; g++)
        if (g == group || (group < 0 && (before & (1u << g))))
            ADD(l->loss_round[g], 1);
    PUT(l->lossy, group < 0 ? 0 : before | (1u << group));
}

void load_may_fail(struct load *l, int group)
{
    PUT(l->fallible, group < 0 ? ~0u : GET(l->fallible) | (1u << group));
}

void load_may_close(struct load *l)
{
    PUT(l->closable, 1);
}

uint64_t load_done(struct load *l, int group)
{
    uint64_t sum = 0;
    for (int g = 0; g <= LOAD_GROUPS; g++)
        if (group < 0 || group == g)
            sum += GET(l->done_group[g]);
    return sum;
}

struct progress_wait {
    struct load *l;
    uint64_t *from, n;
};

static bool progressed(void *arg)
{
    struct progress_wait *w = arg;
    for (int i = 0; i < w->l->nclients; i++)
        if (GET(w->l->clients[i].done) < w->from[i] + w->n)
            return false;
    return true;
}

bool load_wait_progress(struct load *l, uint64_t n, int timeout_ms)
{
    struct progress_wait w = {l, calloc((size_t)l->nclients, sizeof(uint64_t)), n};
    for (int i = 0; i < l->nclients; i++)
        w.from[i] = GET(l->clients[i].done);
    bool ok = wait_until(progressed, &w, timeout_ms);
    free(w.from);
    return ok;
}

int64_t load_first_success(struct load *l, int group, int64_t since)
{
    for (int64_t at = since < l->begin ? 0 : since - l->begin; at < MAX_MS; at++)
        if (GET(l->success[group][at]) > 0)
            return l->begin + at;
    return -1;
}

static void measure(struct load *l, int64_t end)
{
    int64_t fault = l->fault ? l->fault - l->begin : 0;
    int64_t last = end - l->begin < MAX_MS ? end - l->begin : MAX_MS - 1;
    for (int g = 0; g < l->o.groups; g++) {
        int64_t run = 0, longest = 0;
        for (int64_t at = 0; at < last; at++) {
            run = l->success[g][at] || at < fault ? 0 : run + 1;
            longest = run > longest ? run : longest;
        }
        l->result.gap_ms[g] = (double)longest;
        const uint64_t *done = l->pipelines[g];
        l->result.before_rate[g] = fault > 0 ? (double)done[0] * 1000 / (double)fault : 0;
        l->result.during_rate[g] = last > fault ? (double)done[1] * 1000 / (double)(last - fault)
                                                : 0;
    }
}

static void check_list(struct load *l, struct client *c, struct key *k, const redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY) {
        wrong(l, c, "%s at the end: type %d %.60s", k->name, r->type, r->str ? r->str : "");
        return;
    }
    bool excuse = excused(l, k);
    uint32_t previous = 0, acknowledged_seen = 0, acknowledged_all = 0;
    for (size_t i = 0; i < r->elements; i++) {
        const char *colon = strrchr(r->element[i]->str, ':');
        uint32_t seq = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
        if (seq == 0 || seq >= k->next ||
            strncmp(r->element[i]->str, k->name, strlen(k->name)) != 0)
            wrong(l, c, "%s holds a foreign element %.60s", k->name, r->element[i]->str);
        else if (seq <= previous)
            wrong(l, c, "%s: element %u after %u: twice or out of order", k->name, seq, previous);
        else if (k->fate[seq] == 'n')
            wrong(l, c, "%s: element %u was refused but is there", k->name, seq);
        else
            acknowledged_seen += k->fate[seq] == 'a';
        previous = seq;
    }
    for (uint32_t s = 1; s < k->next; s++)
        acknowledged_all += k->fate[s] == 'a';
    if (acknowledged_seen < acknowledged_all && excuse)
        l->result.lost += acknowledged_all - acknowledged_seen;
    else if (acknowledged_seen < acknowledged_all)
        wrong(l, c, "%s: %u of %u acknowledged elements are there", k->name, acknowledged_seen,
              acknowledged_all);
}

static void read_back(struct load *l, struct client *c)
{
    redisContext *r = client_try(l->o.port);
    if (!r) {
        wrong(l, c, "cannot connect to read the keys back");
        return;
    }
    for (int i = 0; i < KEYS; i++)
        redisAppendCommand(r, kind_of(i) == KEY_LIST ? "LRANGE %s 0 -1" : "GET %s",
                           c->keys[i].name);
    for (int i = 0; i < KEYS; i++) {
        void *reply = NULL;
        if (redisGetReply(r, &reply) != REDIS_OK) {
            wrong(l, c, "connection ended while reading the keys back: %s", r->errstr);
            break;
        }
        redisReply *answer = reply;
        if (answer->type == REDIS_REPLY_ERROR)
            wrong(l, c, "%s at the end: %s", c->keys[i].name, answer->str);
        else if (kind_of(i) == KEY_LIST)
            check_list(l, c, &c->keys[i], answer);
        else
            saw_value(l, c, i, answer);
        freeReplyObject(reply);
    }
    redisFree(r);
}

static void print_result(struct load *l, int64_t end)
{
    struct load_result *r = &l->result;
    printf(
        "  load: %llu commands in %.1f s by %d clients, %llu errors (%llu unexpected, %llu maybe), "
        "%llu wrong, %llu redirects seen, %llu closed, %llu lost by the cluster\n",
        (unsigned long long)r->commands, (double)(end - l->begin) / 1000, l->nclients,
        (unsigned long long)r->errors, (unsigned long long)r->unexpected_errors,
        (unsigned long long)r->maybe_errors, (unsigned long long)r->wrong,
        (unsigned long long)r->redirects_seen, (unsigned long long)r->closed,
        (unsigned long long)r->lost);
    for (int g = 0; g < l->o.groups && l->fault; g++)
        printf(
            "  master %d: longest gap %.0f ms, longest pipeline %lld ms, %.0f pipelines/s before, "
            "%.0f/s from the fault on, %llu errors\n",
            g, r->gap_ms[g], (long long)l->longest_wait[g], r->before_rate[g], r->during_rate[g],
            (unsigned long long)r->group_errors[g]);
    for (int i = 0; i < l->ntexts; i++)
        printf("  error %llu x, %lld to %lld ms (fault at %lld): %s\n",
               (unsigned long long)l->texts[i].count, (long long)l->texts[i].first,
               (long long)l->texts[i].last, (long long)(l->fault ? l->fault - l->begin : -1),
               l->texts[i].text);
    for (uint64_t i = 0; i < r->wrong && i < MAX_WRONG; i++) {
        for (char *p = l->wrong_text[i]; *p; p++)
            *p = *p < 32 || *p > 126 ? '?' : *p;
        printf("  WRONG %s\n", l->wrong_text[i]);
    }
    fflush(stdout);
}

struct load_result load_finish(struct load *l)
{
    int64_t end = now_ms();
    PUT(l->stopping, 1);
    pthread_join(l->thread, NULL);
    for (int i = 0; i < l->nclients; i++)
        if (l->clients[i].nops > 0) {
            struct client *c = &l->clients[i];
            wrong(l, c, "never answered (%d of %d commands, sent %lld ms before)",
                  c->nops - c->answered, c->nops, (long long)(now_ms() - c->started));
            lost_connection(l, c);
        }
    measure(l, end);
    for (int i = 0; i < l->nclients; i++)
        read_back(l, &l->clients[i]);
    print_result(l, end);
    struct load_result result = l->result;
    for (int i = 0; i < l->nclients; i++) {
        struct client *c = &l->clients[i];
        if (c->connected)
            close(c->fd);
        if (c->reader)
            redisReaderFree(c->reader);
        for (int k = 0; k < KEYS; k++)
            free(c->keys[k].fate);
        free(c->out);
    }
    for (int g = 0; g < LOAD_GROUPS; g++)
        free(l->success[g]);
    close(l->epoll);
    free(l->scratch);
    free(l->clients);
    free(l);
    return result;
}

void load_assert_clean(const struct load_result *r)
{
    ck_assert_msg(r->wrong == 0, "%llu wrong replies", (unsigned long long)r->wrong);
    ck_assert_msg(r->redirects_seen == 0, "%llu MOVED or ASK seen by clients",
                  (unsigned long long)r->redirects_seen);
    ck_assert_msg(r->unexpected_errors == 0, "%llu unexpected errors",
                  (unsigned long long)r->unexpected_errors);
    ck_assert_msg(r->closed == 0, "%llu connections closed", (unsigned long long)r->closed);
}
