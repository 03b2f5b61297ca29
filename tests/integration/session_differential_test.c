/* session, differential: random sequences over everything that a connection can be in (subscribed,
 * tracking, RESP2 or RESP3, watching, in MULTI, without replies, killed) on interleaved
 * connections, to slotway and to one plain redis-server: each connection must get the same. The
 * keys are in the slots of all masters. SLOTWAY_TEST_SEED repeats a run. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <string.h>

enum { CONNECTIONS = 5, SENT = 600, MOST = 200, LATE_MS = 10000 };

/* Commands, joined by "; ". %k: a key, %t: a key of the one slot in which transactions are, %c: a
 * channel, %p: a pattern, %#: the id of some connection, %n: a number. */
static const char *const steps[] = {
    "GET %k",
    "GET %k",
    "GET %k; GET %k; GET %k",
    "MGET %t %t %t",
    "STRLEN %k; EXISTS %k",
    "SET %k %n",
    "SET %k %n",
    "SET %t %n",
    "SET %t %n",
    "INCR %t",
    "DEL %k",
    "DEL %t %t",
    "APPEND %k x",
    "EXPIRE %k -1",
    "RENAME %t %t",
    "EVAL return(redis.call('GET',KEYS[1])) 1 %k",
    "EVAL return(redis.call('SET',KEYS[1],1)) 1 %k",
    "SUBSCRIBE %c",
    "SUBSCRIBE %c %c",
    "SUBSCRIBE __redis__:invalidate",
    "UNSUBSCRIBE %c",
    "UNSUBSCRIBE __redis__:invalidate",
    "PSUBSCRIBE %p",
    "PUNSUBSCRIBE %p %p",
    "PUNSUBSCRIBE %p",
    "SSUBSCRIBE {t}1",
    "SUNSUBSCRIBE {t}1",
    "PUBLISH %c %n",
    "PUBLISH %c %n",
    "PUBLISH %c %n; GET %k; PUBLISH %c %n",
    "PUBLISH __redis__:invalidate %n",
    "SPUBLISH {t}1 %n",
    "PUBSUB NUMSUB %c %c",
    "PUBSUB NUMPAT",
    "PUBSUB SHARDNUMSUB {t}1",
    "CLIENT TRACKING on",
    "CLIENT TRACKING on",
    "CLIENT TRACKING on NOLOOP",
    "CLIENT TRACKING on OPTIN",
    "CLIENT TRACKING on OPTOUT",
    "CLIENT TRACKING on OPTOUT NOLOOP",
    "CLIENT TRACKING on BCAST",
    "CLIENT TRACKING on BCAST PREFIX a PREFIX {t}",
    "CLIENT TRACKING on BCAST NOLOOP PREFIX b",
    "CLIENT TRACKING on REDIRECT %#",
    "CLIENT TRACKING on REDIRECT %#",
    "CLIENT TRACKING on BCAST REDIRECT %#",
    "CLIENT TRACKING on REDIRECT 123456789",
    "CLIENT TRACKING off",
    "CLIENT TRACKING off",
    "CLIENT CACHING yes",
    "CLIENT CACHING yes; GET %k; GET %k",
    "CLIENT CACHING yes; CLIENT ID; GET %k",
    "CLIENT CACHING no; GET %k; GET %k",
    "CLIENT TRACKINGINFO",
    "CLIENT GETREDIR",
    "HELLO 2",
    "HELLO 3",
    "HELLO 3 SETNAME name%n",
    "HELLO 4",
    "RESET",
    "RESET; HELLO 3",
    "CLIENT GETNAME",
    "CLIENT SETNAME n%n",
    "CLIENT NO-EVICT on",
    "CLIENT KILL ID %#",
    "CLIENT KILL TYPE pubsub SKIPME yes",
    "CLIENT UNBLOCK %#",
    "CLIENT REPLY SKIP; GET %k",
    "CLIENT REPLY SKIP; SET %k 1; GET %k",
    "CLIENT REPLY OFF; GET %k; SUBSCRIBE %c; PSUBSCRIBE %p; RESET",
    "CLIENT REPLY OFF; GET %k; CLIENT REPLY ON; RESET",
    "SELECT 0",
    "EXEC",
    "DISCARD",
    "WATCH %t",
    "WATCH %t %t; GET %t",
    "UNWATCH",
    "PING a b",
    "NOSUCH %k",
    "GET",
};

/* What may stand between MULTI and EXEC. What the node runs it runs before slotway makes the client
 * a subscriber, so that keys that change in the same transaction are not told yet. */
static const char *const queued[] = {
    "GET %t",
    "GET %t",
    "SET %t %n",
    "INCR %t",
    "MGET %t %t",
    "DEL %t",
    "PING",
    "ECHO %n",
    "UNSUBSCRIBE %c",
    "SSUBSCRIBE {t}1",
    "CLIENT GETNAME",
    "CLIENT SETNAME n%n",
    "CLIENT TRACKINGINFO",
    "CLIENT GETREDIR",
    "CLIENT UNBLOCK %#",
    "UNWATCH",
    "WATCH %t",
    "NOSUCH",
    "EVAL return(redis.call('INCR',KEYS[1])) 1 %t",
};

static const char *const subscribing[] = {
    "SUBSCRIBE %c",     "SUBSCRIBE %c %c", "PSUBSCRIBE %p", "UNSUBSCRIBE %c", "PUNSUBSCRIBE %p",
    "PUBSUB NUMSUB %c", "PUBSUB NUMPAT",   "GET %t",        "CLIENT GETNAME",
};

static const char *const keys[] = {"a", "b", "c", "a{x}", "b{y}", "d"};
static const char *const tagged[] = {"{t}a", "{t}b", "{t}c"};
static const char *const channels[] = {"news", "chat", "n", "{t}1"};
static const char *const patterns[] = {"n*", "[cx]*", "?", "*"};

#define COUNT(list)  (sizeof(list) / sizeof *(list))
#define ONE_OF(list) ((list)[chance(COUNT(list))])

/* A connection to slotway and one to redis-server, which have the same id. */
struct pair {
    struct wire *ours, *theirs;
    long long id;
    bool told; /* some connection may redirect to it */
};

static struct pair pairs[CONNECTIONS], control;
static int redis; /* its port */
static uint64_t seed;
static int number, step;

static uint64_t chance(uint64_t n)
{
    return random_next(&seed) % n;
}

static long long open_next(struct wire **w, int port)
{
    *w = wire_open(port);
    return atoll(wire_ask(*w, "CLIENT ID") + 1);
}

/* Ids only grow: who is behind opens further ones. */
static void pair_open(struct pair *p)
{
    long long mine = open_next(&p->ours, proxy->port), other = open_next(&p->theirs, redis);
    while (mine != other) {
        bool behind = mine < other;
        wire_close(behind ? p->ours : p->theirs);
        if (behind)
            mine = open_next(&p->ours, proxy->port);
        else
            other = open_next(&p->theirs, redis);
    }
    p->id = mine;
    p->told = false;
}

static void pair_close(struct pair *p)
{
    wire_close(p->ours);
    wire_close(p->theirs);
}

/* --- what is sent --- */

/* The template with its marks replaced, behind what is there. */
static void make(const char *template, char out[SENT])
{
    size_t len = strlen(out);
    for (const char *p = template; *p; p++) {
        char text[24] = {*p, '\0'};
        const char *word = text;
        if (*p == '%') {
            snprintf(text, sizeof text, "%d", ++number);
            switch (*++p) {
            case 'k':
                word = chance(4) ? ONE_OF(keys) : ONE_OF(tagged);
                break;
            case 't':
                word = ONE_OF(tagged);
                break;
            case 'c':
                word = ONE_OF(channels);
                break;
            case 'p':
                word = ONE_OF(patterns);
                break;
            case '#': {
                struct pair *other = &pairs[chance(CONNECTIONS)];
                other->told = other->told || strstr(template, "REDIRECT");
                snprintf(text, sizeof text, "%lld", other->id);
                break;
            }
            default:
                break;
            }
        }
        len += (size_t)snprintf(out + len, SENT - len, "%s", word);
    }
}

/* redis-server puts what a connection hears of others' keys that its own transaction changes
 * between the elements of EXEC's array: who hears of others' keys changes none. */
static void make_transaction(const struct pair *p, char out[SENT])
{
    int n = 1 + (int)chance(5);
    bool subscribes = p->told || chance(3) == 0;
    if (chance(5) == 0)
        make("WATCH %t; ", out);
    make("MULTI; ", out);
    for (int i = 0; i < n; i++) {
        make(subscribes ? ONE_OF(subscribing) : ONE_OF(queued), out);
        make("; ", out);
    }
    make(chance(8) ? "EXEC" : "DISCARD", out);
}

static void send_all(struct wire *w, const char *commands)
{
    char one[SENT];
    for (const char *p = commands; *p;) {
        const char *end = strstr(p, "; ");
        size_t len = end ? (size_t)(end - p) : strlen(p);
        snprintf(one, sizeof one, "%.*s", (int)len, p);
        wire_send(w, one);
        p += len + (end ? 2 : 0);
    }
}

/* --- what is heard --- */

/* slotway is a cluster. */
static void mask(char *line)
{
    char *mode = strstr(line, "$\"standalone\"");
    if (mode) {
        memmove(mode + 10, mode + 13, strlen(mode + 13) + 1);
        memcpy(mode, "$\"cluster\"", 10);
    }
}

/* Messages of channels are in order among themselves, and so are answers. Patterns are in the order
 * of a hash in Redis, and what nodes have to say of keys has none. */
enum { OF_CHANNELS, OF_PATTERNS, OF_KEYS, ANSWERS };

static int class_of(const char *line)
{
    if (*line != '>' && *line != '*')
        return ANSWERS;
    line += 2;
    if (strstr(line, "__redis__:invalidate\", ") && !strstr(line, "__redis__:invalidate\", $"))
        return strncmp(line, "$\"message\"", 10) == 0 ? OF_KEYS : ANSWERS;
    if (strncmp(line, "$\"message\"", 10) == 0 || strncmp(line, "$\"smessage\"", 11) == 0)
        return OF_CHANNELS;
    if (strncmp(line, "$\"pmessage\"", 11) == 0)
        return OF_PATTERNS;
    return strncmp(line, "$\"invalidate\"", 13) == 0 || strncmp(line, "$\"tracking-redir", 16) == 0
               ? OF_KEYS
               : ANSWERS;
}

static int compare_lines(const char *x, const char *y)
{
    int order = class_of(x) - class_of(y);
    return order ? order : class_of(x) == OF_PATTERNS || class_of(x) == OF_KEYS ? strcmp(x, y) : 0;
}

/* Stable, for few. */
static void sort_lines(char **lines, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && compare_lines(lines[k - 1], lines[k]) > 0; k--) {
            char *line = lines[k];
            lines[k] = lines[k - 1];
            lines[k - 1] = line;
        }
}

/* All that a connection says up to the answer to a PING, or to its end. expected: so many elements
 * come for sure, and the connection ends: -1. *n: how many came, -1: it has ended. */
static char *hear(struct wire *w, int expected, int *n)
{
    char *lines[MOST], *text = malloc(200000);
    size_t at = 0;
    int count = 0;
    for (; count < expected && !wire_is_silent(w, LATE_MS); count++)
        lines[count] = wire_read(w, WIRE_EXACT);
    /* redis-server may write what keys have become (BCAST) behind the answer to the first PING */
    if (expected >= 0)
        wire_send(w, "PING half-way");
    *n = 0;
    for (;; count++) {
        ck_assert_int_lt(count, MOST);
        lines[count] = wire_read(w, WIRE_EXACT);
        if (strstr(lines[count], "\"half-way\"")) {
            free(lines[count--]);
            wire_send(w, "PING the-end");
            continue;
        }
        if (strcmp(lines[count], "closed") == 0)
            *n = -1;
        if (*n || strstr(lines[count], "\"the-end\""))
            break;
    }
    *n = *n ? *n : count;
    for (int k = 0; k <= count; k++)
        mask(lines[k]);
    sort_lines(lines, (size_t)count);
    for (int k = 0; k <= count; k++) {
        at += (size_t)snprintf(text + at, 200000 - at, "%s\n    ", lines[k]);
        free(lines[k]);
    }
    return text;
}

static void compare(int i, int who, const char *sent)
{
    int n, m;
    char *want = hear(pairs[i].theirs, 0, &n);
    char *got = hear(pairs[i].ours, n, &m);
    ck_assert_msg(strcmp(got, want) == 0,
                  "step %d of SLOTWAY_TEST_SEED=%llu: %s\n  from %d, heard by %d\n  slotway\n    "
                  "%.2000s\n  redis\n    %.2000s",
                  step, (unsigned long long)test_seed(), sent, who, i, got, want);
    free(want);
    free(got);
    if (n >= 0)
        return;
    pair_close(&pairs[i]);
    pair_open(&pairs[i]);
}

static void compare_all(int who, const char *sent)
{
    for (int k = 0; k < CONNECTIONS; k++) /* who asked first: then the others have their news */
        compare((who + k) % CONNECTIONS, who, sent);
}

/* redis-server remembers what was read by a client that tracks no more, and tells it when it tracks
 * again; slotway does not. So all keys change in between. */
static void touch_all(void)
{
    for (size_t i = 0; i < COUNT(keys) + COUNT(tagged); i++) {
        char sent[SENT];
        const char *key = i < COUNT(keys) ? keys[i] : tagged[i - COUNT(keys)];
        snprintf(sent, sizeof sent, "SET %s %d", key, ++number);
        wire_expect(control.theirs, sent, "+OK");
        wire_expect(control.ours, sent, "+OK");
    }
}

static void one_step(void)
{
    char sent[SENT] = "";
    int who = (int)chance(CONNECTIONS);
    if (chance(4))
        make(ONE_OF(steps), sent);
    else
        make_transaction(&pairs[who], sent);
    send_all(pairs[who].theirs, sent);
    send_all(pairs[who].ours, sent);
    compare_all(who, sent);
    if (!strstr(sent, "RESET") && !strstr(sent, "TRACKING off"))
        return;
    touch_all();
    compare_all(who, "SET of all keys");
}

START_TEST(same_as_one_redis_server)
{
    int total = test_full() ? 100000 : 2500;
    seed = test_seed();
    redis = plain_redis_start(NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        pair_open(&pairs[i]);
    pair_open(&control);
    wire_expect(control.ours, "FLUSHALL", "+OK");
    for (step = 0; step < total; step++)
        one_step();
    for (int i = 0; i < CONNECTIONS; i++)
        pair_close(&pairs[i]);
    pair_close(&control);
}
END_TEST

FIXTURE_SUITE("session, differential", 240, NULL, same_as_one_redis_server)
