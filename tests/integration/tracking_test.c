/* tracking: CLIENT TRACKING: what one redis-server says to the clients that track, slotway says in
 * front of a cluster; and when the cluster changes nobody keeps a value that is out of date. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <string.h>

/* --- the same sequences to slotway and to one redis-server --- */

#define CONNECTIONS 4
#define HEARD_MAX   32

/* One server with its connections, numbered from 0; #n in commands stands for the id of n. */
struct side {
    struct wire *wires[CONNECTIONS];
    long long ids[CONNECTIONS];
};

static struct side side_open(int port)
{
    struct side s;
    for (int i = 0; i < CONNECTIONS; i++) {
        s.wires[i] = wire_open(port);
        s.ids[i] = atoll(wire_ask(s.wires[i], "CLIENT ID") + 1);
        wire_expect(s.wires[i], "CLIENT SETNAME that-is-all", "+OK");
    }
    return s;
}

static void side_close(struct side *s)
{
    for (int i = 0; i < CONNECTIONS; i++)
        wire_close(s->wires[i]);
}

/* One or more commands, separated by "; ". */
static void side_send(struct side *s, int i, const char *command)
{
    char text[400];
    const char *more = strstr(command, "; ");
    if (more) {
        snprintf(text, sizeof text, "%.*s", (int)(more - command), command);
        side_send(s, i, text);
        side_send(s, i, more + 2);
        return;
    }
    const char *hash = strchr(command, '#');
    if (hash)
        snprintf(text, sizeof text, "%.*s%lld%s", (int)(hash - command), command,
                 s->ids[hash[1] - '0'], hash + 2);
    else
        snprintf(text, sizeof text, "%s", command);
    wire_send(s->wires[i], text);
}

/* What differs between the servers: ids of clients, and the mode that HELLO tells. */
static char *without_own(struct side *s, char *text)
{
    static const char *const before[] = {"$\"id\": ", "$\"redirect\": ", "$\"id\", ",
                                         "$\"redirect\", ", ""};
    for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            char id[64];
            size_t len = (size_t)snprintf(id, sizeof id, "%s:%lld", before[k], s->ids[i]);
            char *at = *before[k] ? strstr(text, id) : text;
            if (!at || strncmp(at, id, len) != 0 || (at[len] && !strchr(",]}", at[len])))
                continue;
            at += strlen(before[k]);
            memmove(at + 1, at + len - strlen(before[k]), strlen(at + len - strlen(before[k])) + 1);
            *at = '#';
        }
    }
    char *mode = strstr(text, "$\"standalone\"");
    if (mode) {
        memmove(mode + 10, mode + 13, strlen(mode + 13) + 1);
        memcpy(mode, "$\"cluster\"", 10);
    }
    return text;
}

/* What redis-server says on connection i until it has nothing more to say, in heard. */
static int hear_redis(struct side *s, int i, char *heard[HEARD_MAX])
{
    int n = 0;
    wire_send(s->wires[i], "CLIENT GETNAME"); /* CACHING outlives CLIENT, and only that */
    for (;; n++) {
        heard[n] = wire_read(s->wires[i], WIRE_EXACT);
        if (strcmp(heard[n], "$\"that-is-all\"") == 0 ||
            strstr(heard[n], "Can't execute 'client|getname'")) /* RESP2, subscribed */
            break;
        without_own(s, heard[n]);
        ck_assert_int_lt(n, HEARD_MAX - 1);
    }
    free(heard[n]);
    return n;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

#define FLUSHED ">[$\"invalidate\", _]"

/* The next element on connection i. FLUSHALL is told by each master, so that what the second has to
 * say may come when the client has read something again. */
static char *hear_one(struct side *s, int i, bool flush)
{
    for (;;) {
        char *heard = wire_read(s->wires[i], WIRE_EXACT);
        if (flush || strcmp(heard, FLUSHED) != 0)
            return without_own(s, heard);
        free(heard);
    }
}

/* slotway must say the same on connection i. Replies and what comes behind them are in order;
 * pushes of several nodes are not among themselves. */
static void hear_slotway(struct side *s, int i, char **want, int n, const char *what)
{
    char *got[HEARD_MAX];
    bool flush = false;
    for (int k = 0; k < n; k++)
        flush = flush || strcmp(want[k], FLUSHED) == 0;
    for (int k = 0; k < n; k++) {
        ck_assert_msg(!wire_is_silent(s->wires[i], 5000), "%s: connection %d does not hear %s",
                      what, i, want[k]);
        got[k] = hear_one(s, i, flush);
    }
    int first = n; /* of the pushes behind the last reply */
    while (first > 0 && *want[first - 1] == '>')
        first--;
    qsort(want + first, (size_t)(n - first), sizeof *want, by_text);
    qsort(got + first, (size_t)(n - first), sizeof *got, by_text);
    for (int k = 0; k < n; k++) {
        ck_assert_msg(strcmp(got[k], want[k]) == 0,
                      "%s: connection %d hears\n  slotway %.300s\n  redis   %.300s", what, i,
                      got[k], want[k]);
        free(got[k]);
        free(want[k]);
    }
}

/* A step: the number of a connection, a blank, a command. */
static void run_steps(const char *const *steps, size_t n)
{
    struct side ours = side_open(proxy->port), theirs = side_open(plain_redis_start(NULL));
    wire_expect(ours.wires[0], "FLUSHALL", "+OK");
    for (size_t k = 0; k < n; k++) {
        int from = steps[k][0] - '0';
        side_send(&theirs, from, steps[k] + 2);
        side_send(&ours, from, steps[k] + 2);
        for (int i = 0; i < CONNECTIONS; i++) {
            int at = (from + i) % CONNECTIONS; /* who asked first: the others hear because of it */
            char *heard[HEARD_MAX];
            int count = hear_redis(&theirs, at, heard);
            hear_slotway(&ours, at, heard, count, steps[k]);
        }
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        while (!wire_is_silent(ours.wires[i], 50))
            wire_expect(ours.wires[i], NULL, FLUSHED);
    }
    side_close(&ours);
    side_close(&theirs);
}

#define RUN(...)                                                                                   \
    do {                                                                                           \
        static const char *const steps_[] = {__VA_ARGS__};                                         \
        run_steps(steps_, sizeof steps_ / sizeof *steps_);                                         \
    } while (0)

START_TEST(default_mode)
{
    RUN("1 CLIENT TRACKINGINFO", "1 CLIENT GETREDIR", "1 CLIENT CACHING yes",
        "1 HELLO 3 SETNAME "
        "that-is-all",
        "1 CLIENT TRACKINGINFO", "1 CLIENT TRACKING on", "1 CLIENT TRACKINGINFO",
        "1 CLIENT GETREDIR", "1 CLIENT CACHING yes", "1 GET a", "1 GET b", "0 SET a 1", "0 SET a 2",
        "0 SET none 1", "1 GET a", "1 SET a 3", "1 GET b; GET c; SET c 1", "0 DEL b c d",
        "1 MGET {t}a {t}b {t}c", "0 MSET {t}a 1 {t}b 2", "0 EXPIRE {t}c -1", "1 HGETALL h",
        "0 HSET h f v", "1 HGETALL h", "1 HDEL h f", "1 EVAL return(redis.call('get',KEYS[1])) 1 e",
        "0 SET e 1", "1 EVAL return(redis.call('set',KEYS[1],1)) 1 e", "0 SET e 1",
        "1 MULTI; INCR {t}a; GET {t}b; EXEC", "1 GET {t}b", "1 MULTI; INCR {t}b; GET {t}a; EXEC",
        "0 RENAME {t}a {t}b", "1 EXISTS x y z", "0 MSET x 1 y 1 z 1", "1 STRLEN x", "0 GETSET x 2",
        "1 GET a", "0 FLUSHALL", "1 GET a", "1 FLUSHALL", "1 GET a", "1 CLIENT TRACKING off",
        "0 SET a 1", "1 CLIENT TRACKINGINFO");
}
END_TEST

START_TEST(noloop_optin_optout)
{
    RUN("1 HELLO 3", "1 CLIENT TRACKING on NOLOOP", "1 MGET {t}a {t}b", "1 SET {t}a 1",
        "0 SET {t}a 2", "0 SET {t}b 2", "1 CLIENT TRACKINGINFO", "1 CLIENT TRACKING on OPTIN",
        "1 CLIENT TRACKING on OPTOUT", "1 CLIENT TRACKING on OPTIN OPTOUT", "1 CLIENT TRACKINGINFO",
        "1 GET a", "0 SET a 1", "1 CLIENT CACHING no", "1 CLIENT CACHING maybe",
        "1 CLIENT CACHING yes", "1 CLIENT TRACKINGINFO", "1 CLIENT ID", "1 GET a", "1 GET b",
        "1 CLIENT TRACKINGINFO", "0 MSET {t}a 1 {t}b 2", "0 SET a 2", "0 SET b 2",
        "1 CLIENT CACHING yes; PING; GET a", "0 SET a 3", "1 CLIENT CACHING yes; NOSUCH; GET a",
        "0 SET a 4", "1 CLIENT CACHING yes; MULTI; GET a; EXEC; GET b", "0 SET a 5", "0 SET b 5",
        "1 CLIENT CACHING yes; MGET {t}a {t}b", "0 SET {t}b 3",
        "1 CLIENT CACHING yes; EVAL return(redis.call('get',KEYS[1])) 1 a", "0 SET a 6",
        "1 CLIENT TRACKING off", "1 CLIENT TRACKING on OPTOUT", "1 GET a", "0 SET a 7",
        "1 CLIENT CACHING no; GET a", "0 SET a 8", "1 CLIENT CACHING no; CLIENT TRACKINGINFO",
        "1 GET a", "1 GET b", "0 SET a 9", "0 SET b 9", "1 CLIENT CACHING no; NOSUCH; GET a",
        "0 SET a 10", "1 RESET; CLIENT SETNAME that-is-all", "1 CLIENT TRACKINGINFO");
}
END_TEST

START_TEST(bcast_mode)
{
    RUN("1 HELLO 3", "1 CLIENT TRACKING on PREFIX a", "1 CLIENT TRACKING on BCAST OPTIN",
        "1 CLIENT TRACKING on BCAST PREFIX FOO PREFIX FOOBAR", "1 CLIENT TRACKING on BCAST",
        "0 SET a 1", "0 SET b 1", "0 SET c 1", "1 SET a 2", "1 CLIENT TRACKING on",
        "1 CLIENT TRACKINGINFO", "1 CLIENT TRACKING on BCAST PREFIX x", "1 CLIENT TRACKING off",
        "1 CLIENT TRACKING on BCAST PREFIX x: PREFIX y:", "0 SET x:1 1", "0 SET y:1 1",
        "0 SET z:1 1", "1 CLIENT TRACKING on BCAST PREFIX z:", "0 SET z:2 1", "0 SET x:2 1",
        "1 CLIENT TRACKINGINFO", "1 CLIENT TRACKING on BCAST PREFIX z:z",
        "1 CLIENT TRACKING on BCAST NOLOOP PREFIX w:", "1 SET x:3 1", "0 SET x:3 1", "1 SET w:1 1",
        "0 SET w:1 2", "0 DEL x:1", "1 CLIENT TRACKING off", "0 SET x:1 1",
        "1 CLIENT TRACKING on BCAST NOLOOP", "1 SET q 1", "0 SET q 2", "1 MULTI; SET q 3; EXEC");
}
END_TEST

START_TEST(redirection)
{
    RUN("3 HELLO 3", "1 CLIENT TRACKING on REDIRECT 99999999", "1 CLIENT TRACKING on REDIRECT x",
        "1 CLIENT TRACKING on REDIRECT #3 REDIRECT 2", "1 CLIENT TRACKING on REDIRECT",
        "1 CLIENT TRACKING off REDIRECT 99999999", "1 CLIENT TRACKING maybe REDIRECT 99999999",
        "1 CLIENT TRACKING maybe REDIRECT #3", "1 CLIENT TRACKING off REDIRECT #3",
        "1 CLIENT TRACKING on REDIRECT #3", "1 CLIENT TRACKINGINFO", "1 CLIENT GETREDIR", "1 GET a",
        "0 SET a 1", "1 GET a", "1 SET a 2", "1 HELLO 3", "1 GET a", "1 GET b", "0 SET a 3",
        "1 HELLO 2", "0 SET b 3", "1 GET c; GET d; GET e", "1 HELLO 3", "0 SET c 1", "0 SET d 1",
        "2 CLIENT TRACKING on NOLOOP REDIRECT #3", "2 GET e; GET f", "2 SET f 1", "0 SET e 1",
        "2 GET e", "2 CLIENT TRACKING on REDIRECT #1", "0 SET e 2", "2 GET e",
        "2 CLIENT TRACKING on", "0 SET e 3", "2 HELLO 3", "2 GET e", "0 SET e 4",
        "2 CLIENT TRACKING off", "2 CLIENT TRACKING on BCAST PREFIX x: REDIRECT #3", "0 SET x:1 1",
        "2 HELLO 2", "0 SET x:2 1");
}
END_TEST

START_TEST(resp2_hears_nothing_until_it_speaks_resp3)
{
    RUN("1 CLIENT TRACKING on", "1 GET a", "0 SET a 1", "1 GET a", "1 GET b", "1 HELLO 3",
        "0 SET a 2", "0 SET b 1", "1 GET a", "1 HELLO 2", "0 SET a 3", "1 PING");
}
END_TEST

START_TEST(redirection_to_a_subscriber)
{
    RUN("3 SUBSCRIBE __redis__:invalidate", "1 CLIENT TRACKING on REDIRECT #3", "1 GET a; GET b",
        "0 SET a 1", "1 HELLO 3", "1 GET a", "0 SET a 2",
        "2 CLIENT TRACKING on BCAST REDIRECT #3 PREFIX x:", "0 SET x:1 1", "2 SET x:2 1");
}
END_TEST

START_TEST(a_redirection_whose_target_is_gone_is_broken)
{
    struct wire *c = wire_open(proxy->port), *target = wire_open(proxy->port),
                *other = wire_open(proxy->port);
    char command[100];
    wire_expect(c, "HELLO 3", "%*");
    snprintf(command, sizeof command, "CLIENT TRACKING on REDIRECT %s",
             wire_ask(target, "CLIENT ID") + 1);
    wire_expect(c, command, "+OK");
    wire_expect(c, "GET a", "*");
    wire_expect(target, "QUIT", "+OK");
    wire_expect(target, NULL, "closed");
    wire_expect(other, "SET a broken", "+OK");
    wire_expect(c, NULL, ">[$\"tracking-redir-broken\", :*]");
    wire_expect(c, "CLIENT TRACKINGINFO", "%{$\"flags\": ~[$\"on\", $\"broken_redirect\"]*");
    wire_expect(other, "CLIENT LIST", "*flags=tR *");
    wire_close(c);
    wire_close(target);
    wire_close(other);
}
END_TEST

/* --- changes of the cluster --- */

/* Everything is declared invalid; what else is said before is of no interest. */
static void expect_flush(struct wire *c)
{
    for (;;) {
        const char *heard = wire_next(c);
        if (strcmp(heard, FLUSHED) == 0)
            return;
        ck_assert_msg(*heard == '>', "%s instead of a push", heard);
    }
}

/* Say no more of what was before; from now on each change is heard. */
static void expect_tracks(struct wire *c, struct wire *other, const char *key)
{
    char command[200], want[200];
    while (!wire_is_silent(c, 100))
        ck_assert(*wire_next(c) == '>');
    snprintf(command, sizeof command, "GET %s", key);
    wire_expect(c, command, "*");
    snprintf(command, sizeof command, "SET %s x", key);
    wire_expect(other, command, "+OK");
    snprintf(want, sizeof want, ">[$\"invalidate\", *[$\"%s\"]]", key);
    wire_expect(c, NULL, want);
}

static struct wire *tracker(const char *options)
{
    struct wire *c = wire_open(proxy->port);
    char command[200];
    wire_expect(c, "HELLO 3", "%*");
    snprintf(command, sizeof command, "CLIENT TRACKING on %s", options);
    wire_expect(c, command, "+OK");
    return c;
}

START_TEST(failover_invalidates_everything)
{
    struct wire *c = tracker(""), *b = tracker("BCAST"), *other = wire_open(proxy->port);
    int master = cluster_master(cluster, 0);
    char key[64], command[100];
    snprintf(key, sizeof key, "%s", cluster_key(cluster, master, "track", 0));
    snprintf(command, sizeof command, "GET %s", key);
    wire_expect(c, command, "*");
    ck_assert(cluster_failover(cluster, cluster_replica_of(cluster, master)));
    expect_flush(c);
    expect_flush(b);
    expect_tracks(c, other, key);
    expect_tracks(b, other, key);
    wire_close(c);
    wire_close(b);
    wire_close(other);
}
END_TEST

START_TEST(a_dead_master_invalidates_everything)
{
    struct wire *c = tracker(""), *b = tracker("BCAST"), *other = wire_open(proxy->port);
    int master = cluster_master(cluster, 1);
    char key[64], command[100];
    snprintf(key, sizeof key, "%s", cluster_key(cluster, master, "track", 0));
    snprintf(command, sizeof command, "GET %s", key);
    wire_expect(c, command, "*");
    cluster_kill(cluster, master);
    expect_flush(c);
    expect_flush(b);
    ck_assert(proxy_wait_serves_all(proxy, 20000));
    expect_tracks(c, other, key);
    expect_tracks(b, other, key);
    wire_close(c);
    wire_close(b);
    wire_close(other);
}
END_TEST

START_TEST(a_slot_that_moves_invalidates_everything)
{
    struct wire *c = tracker("OPTIN"), *other = wire_open(proxy->port);
    int from = cluster_master(cluster, 0), to = cluster_master(cluster, 1);
    char key[64], command[100];
    snprintf(key, sizeof key, "%s", cluster_key(cluster, from, "move", 0));
    snprintf(command, sizeof command, "GET %s", key);
    wire_expect(c, "CLIENT CACHING yes", "+OK");
    wire_expect(c, command, "*");
    ck_assert(cluster_reshard(cluster, 20, from, to));
    expect_flush(c);
    ck_assert(cluster_reshard(cluster, 20, to, from));
    while (!wire_is_silent(c, 100))
        ck_assert(*wire_next(c) == '>');
    wire_expect(c, "CLIENT CACHING yes", "+OK");
    expect_tracks(c, other, key);
    wire_close(c);
    wire_close(other);
}
END_TEST

/* --- nobody keeps what is out of date --- */

#define READERS 6
#define KEYS    60

struct reader {
    struct wire *wire;
    char *cache[KEYS]; /* NULL: not known */
};

static void forget(struct reader *r, int key)
{
    free(r->cache[key]);
    r->cache[key] = NULL;
}

static void take_push(struct reader *r, const char *push)
{
    int key;
    ck_assert_msg(strncmp(push, ">[$\"invalidate\", ", 17) == 0, "%s", push);
    if (push[17] == '_')
        for (key = 0; key < KEYS; key++)
            forget(r, key);
    for (const char *p = strstr(push, "$\"key:"); p; p = strstr(p + 1, "$\"key:"))
        if (sscanf(p, "$\"key:%d\"", &key) == 1)
            forget(r, key);
}

static void read_key(struct reader *r, int key)
{
    char command[32];
    snprintf(command, sizeof command, "GET key:%d", key);
    wire_send(r->wire, command);
    for (;;) {
        char *heard = wire_read(r->wire, WIRE_EXACT);
        if (*heard != '>') {
            forget(r, key);
            r->cache[key] = heard;
            return;
        }
        take_push(r, heard);
        free(heard);
    }
}

/* Are all values that are still cached those that are there now? Reads invalidations first. */
static bool caches_are_true(void *arg)
{
    struct reader *readers = arg;
    struct wire *w = wire_open(proxy->port);
    bool good = true;
    for (int i = 0; i < READERS; i++) {
        while (!wire_is_silent(readers[i].wire, 0)) {
            char *heard = wire_read(readers[i].wire, WIRE_EXACT);
            take_push(&readers[i], heard);
            free(heard);
        }
        for (int key = 0; key < KEYS; key++) {
            char command[32];
            snprintf(command, sizeof command, "GET key:%d", key);
            const char *now = wire_ask(w, command);
            if (*now == '$' && readers[i].cache[key] && strcmp(now, readers[i].cache[key]) != 0 &&
                !(strcmp(now, "$nil") == 0 && strcmp(readers[i].cache[key], "_") == 0))
                good = false;
        }
    }
    wire_close(w);
    return good;
}

static void stir(struct reader *readers, struct wire *writer, uint64_t *seed, int rounds)
{
    for (int n = 0; n < rounds; n++) {
        struct reader *r = &readers[random_next(seed) % READERS];
        int key = (int)(random_next(seed) % KEYS);
        char command[64];
        if (!r->cache[key])
            read_key(r, key);
        snprintf(command, sizeof command, "INCR key:%d", (int)(random_next(seed) % KEYS));
        if (n % 3 == 0)
            wire_expect(writer, command, "*");
    }
}

START_TEST(no_stale_value_stays_whatever_happens_to_the_cluster)
{
    struct reader readers[READERS] = {{0}};
    struct wire *writer = wire_open(proxy->port);
    uint64_t seed = test_seed();
    for (int i = 0; i < READERS; i++)
        readers[i].wire = tracker(i % 2 ? "NOLOOP" : "");
    for (int change = 0; change < 4; change++) {
        int master = cluster_master(cluster, change % 3);
        stir(readers, writer, &seed, 1500);
        if (change == 0)
            ck_assert(cluster_failover(cluster, cluster_replica_of(cluster, master)));
        if (change == 1)
            ck_assert(cluster_reshard(cluster, 300, master, cluster_master(cluster, 2)));
        if (change == 2)
            cluster_kill(cluster, master);
        stir(readers, writer, &seed, 1500);
        ck_assert_msg(wait_until(caches_are_true, readers, 10000), "stale after change %d", change);
    }
    for (int i = 0; i < READERS; i++) {
        for (int key = 0; key < KEYS; key++)
            forget(&readers[i], key);
        wire_close(readers[i].wire);
    }
    wire_close(writer);
}
END_TEST

FIXTURE_SUITE("tracking", 60, "--threads 3", default_mode, noloop_optin_optout, bcast_mode,
              redirection, redirection_to_a_subscriber, resp2_hears_nothing_until_it_speaks_resp3,
              a_redirection_whose_target_is_gone_is_broken, failover_invalidates_everything,
              a_dead_master_invalidates_everything, a_slot_that_moves_invalidates_everything,
              no_stale_value_stays_whatever_happens_to_the_cluster)
