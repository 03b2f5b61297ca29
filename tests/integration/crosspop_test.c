/* crosspop: consumers of queues in several slots, as Celery's and Sidekiq's workers are: each
 * element is delivered once, to somebody who is there, also while masters change. */
#include "support/fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { QUEUES = 3, CONSUMERS = 12, PRODUCERS = 3, LIMIT = 200000 };

static const char *const queues[QUEUES] = {"queue:{high}", "queue:{default}", "queue:{low}"};
static _Atomic unsigned char delivered[LIMIT];
static _Atomic int made, got, errors;
static _Atomic bool producing, consuming;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char wrong[200]; /* the last error */
static uint64_t first_seed;

static void note_error(const char *what, const char *text)
{
    pthread_mutex_lock(&lock);
    atomic_fetch_add(&errors, 1);
    snprintf(wrong, sizeof wrong, "%s: %s", what, text);
    pthread_mutex_unlock(&lock);
}

static void *produce(void *arg)
{
    redisContext *c = client_open(proxy->port);
    uint64_t seed = first_seed + (uint64_t)(uintptr_t)arg;
    while (producing) {
        int n = atomic_fetch_add(&made, 1);
        if (n >= LIMIT)
            break;
        /* Now a few at once, now one after a pause, so that consumers both find and wait. */
        redisReply *r = redisCommand(c, "%s %s %d", n % 2 ? "RPUSH" : "LPUSH",
                                     queues[random_next(&seed) % QUEUES], n);
        if (!r || r->type == REDIS_REPLY_ERROR)
            note_error("push", r ? r->str : c->errstr);
        freeReplyObject(r);
        if (random_next(&seed) % 4 == 0)
            poll_pause(1 + (int)(random_next(&seed) % 8));
    }
    redisFree(c);
    return NULL;
}

static void consume_one(redisReply *r)
{
    if (r->type == REDIS_REPLY_ARRAY && r->elements == 2) {
        const redisReply *value = r->element[1];
        if (value->type == REDIS_REPLY_ARRAY) /* BLMPOP */
            value = value->element[0];
        atomic_fetch_add(&delivered[atoi(value->str)], 1);
        atomic_fetch_add(&got, 1);
    } else if (r->type == REDIS_REPLY_ERROR) {
        note_error("pop", r->str);
    }
}

static void *consume(void *arg)
{
    static const char *const formats[] = {"BLPOP %s %s %s 1", "BRPOP %s %s %s 0.3",
                                          "BLMPOP 1 3 %s %s %s RIGHT"};
    int which = (int)(uintptr_t)arg;
    redisContext *c = client_open(proxy->port);
    while (consuming) {
        redisReply *r = redisCommand(c, formats[which % 3], queues[which % 3],
                                     queues[(which + 1) % 3], queues[(which + 2) % 3]);
        ck_assert_msg(r != NULL, "consumer: %s", c->errstr);
        consume_one(r);
        freeReplyObject(r);
    }
    redisFree(c);
    return NULL;
}

static int left_in_queues(void)
{
    int n = 0;
    for (int i = 0; i < QUEUES; i++)
        n += atoi(ask_port(proxy->port, "LLEN %s", queues[i]) + 1);
    return n;
}

static bool all_taken(void *arg)
{
    (void)arg;
    return left_in_queues() == 0;
}

/* Consumers and producers run while harm() happens; then every element was delivered once, but for
 * those of consumers that left. */
static void run_load(void (*harm)(void), int least)
{
    pthread_t consumers[CONSUMERS], producers[PRODUCERS];
    memset((void *)delivered, 0, sizeof delivered);
    made = got = errors = 0;
    first_seed = test_seed();
    producing = consuming = true;
    for (int i = 0; i < QUEUES; i++)
        ask_port(proxy->port, "DEL %s", queues[i]);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_create(&consumers[i], NULL, consume, (void *)(uintptr_t)i);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, produce, (void *)(uintptr_t)(i + 1));
    int64_t begin = now_ms();
    harm();
    while (made < least && now_ms() - begin < 20000)
        poll_pause(10);
    producing = false;
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    ck_assert_msg(wait_until(all_taken, NULL, 20000), "%d elements stay", left_in_queues());
    consuming = false;
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    printf("  %d elements made, %d delivered, in %lld ms\n", made, got,
           (long long)(now_ms() - begin));
}

static void check_each_once(void)
{
    int missing = 0, twice = 0;
    for (int i = 0; i < made && i < LIMIT; i++) {
        missing += delivered[i] == 0;
        twice += delivered[i] > 1;
    }
    ck_assert_msg(errors == 0, "%d errors, the last: %s", errors, wrong);
    ck_assert_msg(missing == 0 && twice == 0, "%d missing, %d twice of %d", missing, twice, made);
}

/* Consumers that go away at any moment of their wait: what they were given is lost only if they got
 * it. */
static void leave_all_the_time(void)
{
    for (int i = 0; i < 300; i++) {
        int fd = raw_open(proxy->port, 0);
        char line[200];
        int len = snprintf(line, sizeof line, "BLPOP nothing{x} nothing{y} nothing{z} 0\r\n");
        ck_assert(raw_send(fd, line, (size_t)len, 1000));
        if (i % 3 == 0)
            poll_pause(1);
        close(fd);
    }
}

START_TEST(each_element_is_delivered_once)
{
    run_load(leave_all_the_time, 3000);
    check_each_once();
}
END_TEST

static void fail_over_each(void)
{
    for (int i = 0; i < 3; i++)
        ck_assert(
            cluster_failover(cluster, cluster_replica_of(cluster, cluster_master(cluster, i))));
}

START_TEST(also_through_failovers)
{
    run_load(fail_over_each, 2000);
    check_each_once();
}
END_TEST

static void move_slots(void)
{
    for (int i = 0; i < QUEUES; i++) {
        int from = cluster_owner_of(cluster, queues[i]);
        int to = cluster_master(cluster, 0) == from ? cluster_master(cluster, 1)
                                                    : cluster_master(cluster, 0);
        ck_assert(run("redis-cli --cluster check 127.0.0.1:%d >/dev/null", from) >= 0);
        ck_assert(cluster_reshard(cluster, 400, from, to));
        ck_assert(cluster_reshard(cluster, 400, to, from));
        ck_assert(cluster_refresh(cluster));
    }
}

START_TEST(also_while_slots_move)
{
    run_load(move_slots, 2000);
    check_each_once();
}
END_TEST

static void kill_one(void)
{
    cluster_kill(cluster, cluster_owner_of(cluster, queues[1]));
}

/* Replication is asynchronous: what a master did last may be undone by its death, so an element may
 * come twice, or never, as with any client. But all go on. */
START_TEST(consumers_go_on_when_a_master_dies)
{
    run_load(kill_one, 3000);
    int missing = 0, twice = 0;
    for (int i = 0; i < made && i < LIMIT; i++) {
        missing += delivered[i] == 0;
        twice += delivered[i] > 1;
    }
    printf("  a master died: %d never, %d twice of %d; %d errors (%s)\n", missing, twice, made,
           errors, wrong);
    ck_assert_msg(missing + twice <= errors + 50, "%d never, %d twice, %d errors", missing, twice,
                  errors);
    ck_assert_int_ge(got, made / 2);
}
END_TEST

static bool one_blocked(void *arg)
{
    (void)arg;
    return strstr(ask_port(proxy->port, "INFO clients"), "blocked_clients:0") == NULL;
}

START_TEST(an_element_wakes_a_consumer_soon)
{
    redisContext *c = client_open(proxy->port);
    double most = 0;
    for (int i = 0; i < QUEUES; i++)
        ask_port(proxy->port, "DEL %s", queues[i]);
    for (int i = 0; i < 50; i++) {
        redisReply *r;
        redisAppendCommand(c, "BLPOP %s %s %s 0", queues[0], queues[1], queues[2]);
        int done = 0;
        while (!done)
            redisBufferWrite(c, &done);
        ck_assert(wait_until(one_blocked, NULL, 5000));
        int64_t begin = now_us();
        ask_port(proxy->port, "RPUSH %s %d", queues[i % QUEUES], i);
        ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        ck_assert_int_eq(atoi(r->element[1]->str), i);
        double took = (double)(now_us() - begin) / 1000;
        most = took > most ? took : most;
        freeReplyObject(r);
    }
    report_figure("an element in one of three slots arrives within", most, 50, "ms");
    redisFree(c);
}
END_TEST

FIXTURE_SUITE("crosspop", 90, NULL, each_element_is_delivered_once, also_through_failovers,
              also_while_slots_move, consumers_go_on_when_a_master_dies,
              an_element_wakes_a_consumer_soon)
