/* demoted master: a master sleeps through its own failover and wakes up with its old data, its old
 * map and requests in its sockets. Nobody who asks slotway may be served by it. */
#include "support/fixture.h"
#include <pthread.h>
#include <string.h>

#define POLLERS 6
#define DEPTH   3 /* reads that each has under way */

/* When the old master is woken. */
enum wake {
    WAKE_AT_ONCE,      /* when the new one is master, whether slotway knows it or not */
    WAKE_AFTER_WRITE,  /* when a write to the new one was acknowledged through slotway */
    WAKE_AFTER_DIRECT, /* when another client has written to the new one */
    WAKE_DURING,       /* while the others elect the new one */
    WAKES
};

static const char *const wake_names[WAKES] = {"at once", "after a write", "after a direct write",
                                              "during the election"};

static const char *key, *slow_key; /* both belong to the master that sleeps */
static long acknowledged;          /* greatest value whose SET slotway answered with OK */
static long direct;                /* … and that was written past it */
static int64_t direct_at;          /* µs */
static int64_t latest_stale;       /* µs: when a read began that did not see `direct` */
static int stop;

struct poller {
    pthread_t thread;
    redisContext *c;
    long last; /* the value that it saw last */
    long reads, backwards, stale, errors;
    long sent_after[DEPTH]; /* what was acknowledged when each read under way was sent */
    long direct_before[DEPTH];
    int64_t sent_at[DEPTH];
};

static void send_read(struct poller *p, int i)
{
    p->sent_after[i] = __atomic_load_n(&acknowledged, __ATOMIC_ACQUIRE);
    p->direct_before[i] = __atomic_load_n(&direct, __ATOMIC_ACQUIRE);
    p->sent_at[i] = now_us();
    redisAppendCommand(p->c, "GET %s", key);
    int done = 0;
    redisBufferWrite(p->c, &done);
}

static void judge(struct poller *p, int i, const redisReply *r)
{
    long value = r && r->type == REDIS_REPLY_STRING ? atol(r->str) : -1;
    p->reads++;
    if (value < 0) {
        p->errors++;
        return;
    }
    p->backwards += value < p->last;
    p->stale += value < p->sent_after[i];
    if (value < p->direct_before[i])
        __atomic_store_n(&latest_stale, p->sent_at[i], __ATOMIC_RELEASE);
    p->last = value;
}

static void *poll_key(void *arg)
{
    struct poller *p = arg;
    for (int i = 0; i < DEPTH; i++)
        send_read(p, i);
    for (int i = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i = (i + 1) % DEPTH) {
        redisReply *r = NULL;
        if (redisGetReply(p->c, (void **)&r) != REDIS_OK) {
            p->errors++;
            break;
        }
        judge(p, i, r);
        freeReplyObject(r);
        poll_pause(1);
        send_read(p, i);
    }
    return NULL;
}

static void write_next(redisContext *c)
{
    expect(c, "OK", "SET %s %d", key, (int)acknowledged + 1);
    __atomic_store_n(&acknowledged, acknowledged + 1, __ATOMIC_RELEASE);
}

static void write_past(int port)
{
    ck_assert_str_eq(ask_port(port, "SET %s %d", key, (int)acknowledged + 1), "OK");
    direct_at = now_us();
    __atomic_store_n(&direct, acknowledged + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&acknowledged, acknowledged + 1, __ATOMIC_RELEASE);
}

static bool is_master(void *arg)
{
    return strstr(ask_port(*(int *)arg, "INFO replication"), "role:master") != NULL;
}

/* Its links have found that the other one is silent: it asks for votes now or soon. */
static bool suspects(void *arg)
{
    return strstr(ask_port(*(int *)arg, "CLUSTER NODES"), ",fail") != NULL ||
           strstr(ask_port(*(int *)arg, "CLUSTER NODES"), "master,fail") != NULL || is_master(arg);
}

/* A write that sleeps in the old master's socket. */
struct sleeper {
    redisContext *c;
    int value;
};

static void send_slow(struct sleeper *s)
{
    int done = 0;
    redisAppendCommand(s->c, "SET %s %d", slow_key, ++s->value);
    redisBufferWrite(s->c, &done);
}

/* stays: if it is acknowledged it is there to stay. (A master that wakes during the election may
 * execute and acknowledge it, and lose the election: that loss is the cluster's.) */
static void check_slow(struct sleeper *s, redisContext *other, bool stays)
{
    redisReply *r = NULL;
    ck_assert_int_eq(redisGetReply(s->c, (void **)&r), REDIS_OK);
    char *text = render(r), want[32];
    snprintf(want, sizeof want, "\"%d\"", s->value);
    printf("  the write under way was answered with %s\n", text);
    if (strcmp(text, "OK") != 0)
        ck_assert_msg(text_matches(text, "-ERR *may or may not have been executed*"), "%s", text);
    else if (stays)
        expect(other, want, "GET %s", slow_key);
    free(text);
    freeReplyObject(r);
}

static void one_round(enum wake wake, redisContext *writer, struct sleeper *s)
{
    cluster_heal(cluster);
    int old = cluster_owner_of(cluster, key), new = cluster_replica_of(cluster, old);
    redisContext *to_old = client_open(old);
    int64_t woken;

    for (int i = 0; i < 20; i++)
        write_next(writer);
    expect(to_old, "OK", "SET %s %d", slow_key, s->value);
    expect(to_old, ":1", "WAIT 1 5000"); /* what it has acknowledged is not its own to lose */
    redisFree(to_old);
    cluster_freeze(cluster, old);
    send_slow(s);
    ck_assert(wait_until(wake == WAKE_DURING ? suspects : is_master, &new, 20000));
    if (wake == WAKE_AFTER_WRITE)
        write_next(writer);
    if (wake == WAKE_AFTER_DIRECT)
        write_past(new);
    woken = now_us();
    cluster_thaw(cluster);
    if (wake != WAKE_DURING)
        for (int i = 0; i < 300; i++)
            write_next(writer);
    ck_assert(cluster_wait_whole(cluster, 30000));
    write_next(writer);
    check_slow(s, writer, wake != WAKE_DURING);
    if (wake == WAKE_AFTER_DIRECT) {
        int64_t stale = latest_stale - woken;
        report_figure("reads after it woke that did not see another client's write",
                      stale > 0 ? (double)stale / 1000 : 0, 150, "ms");
    }
    char want[32];
    snprintf(want, sizeof want, "\"%ld\"", acknowledged);
    expect(writer, want, "GET %s", key);
}

START_TEST(nobody_is_served_by_it)
{
    static struct poller pollers[POLLERS];
    struct sleeper s = {.c = client_open(proxy->port)};
    redisContext *writer = client_open(proxy->port);

    key = strdup(cluster_key(cluster, cluster_master(cluster, 0), "polled", 0));
    slow_key = strdup(cluster_key(cluster, cluster_master(cluster, 0), "slow", 0));
    redisSetTimeout(s.c, (struct timeval){.tv_sec = 60});
    write_next(writer);
    for (int i = 0; i < POLLERS; i++) {
        pollers[i].c = client_open(proxy->port);
        pthread_create(&pollers[i].thread, NULL, poll_key, &pollers[i]);
    }
    for (int i = 0; i < (test_full() ? 5 : 1) * WAKES; i++) {
        printf("  it is woken %s\n", wake_names[i % WAKES]);
        one_round((enum wake)(i % WAKES), writer, &s);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < POLLERS; i++) {
        struct poller *p = &pollers[i];
        pthread_join(p->thread, NULL);
        redisFree(p->c);
        printf("  poller %d: %ld reads\n", i, p->reads);
        ck_assert_int_eq(p->errors, 0);
        ck_assert_msg(p->backwards == 0, "%ld reads went back in time", p->backwards);
        ck_assert_msg(p->stale == 0, "%ld reads are older than what was acknowledged before",
                      p->stale);
    }
    redisFree(writer);
    redisFree(s.c);
}
END_TEST

FIXTURE_SUITE("demoted master", 200, "--threads 2", nobody_is_served_by_it)
