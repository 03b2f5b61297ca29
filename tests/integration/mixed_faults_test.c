/* mixed faults: clients that put transactions, blocking pops, publishing and plain commands into
 * one pipeline, others that wait in BLPOP, subscribers, and the load of the other tests beside
 * them, through failovers, resharding and a death: each reply has one right value, and has it. */
#include "support/fixture.h"
#include "support/load.h"
#include <limits.h>
#include <pthread.h>
#include <string.h>

enum { MIXERS = 9, LISTENERS = 3, LOW_SLOTS = 30, TEXT = 200 };

/* What a client sends in one piece. %t: its hash tag; %i: its number; %s: of the round; %v: both,
 * "i:s"; %n: how often its counters were increased; %1: 1. */
static const struct {
    const char *command, *reply;
} steps[] = {
    {"RPUSH {%t}q %v", ":%1"},
    {"MULTI", "OK"},
    {"INCR {%t}a", "QUEUED"},
    {"ECHO %v", "QUEUED"},
    {"RPUSH {%t}w %v", "QUEUED"},
    {"INCR {%t}b", "QUEUED"},
    {"EXEC", "[:%n, \"%v\", :%1, :%n]"},
    {"BLPOP {%t}none {%t}q 5", "[\"{%t}q\", \"%v\"]"},
    {"BLMOVE {%t}w {%t}x RIGHT LEFT 5", "\"%v\""},
    {"GET {%t}a", "\"%n\""},
    {"LPOP {%t}x", "\"%v\""},
    {"RPUSH far:%i %v", ":%1"},
    {"BLPOP {%t}none far:%i 5", "[\"far:%i\", \"%v\"]"},
    {"RPUSH {%t}wait %v", ":*"},
    {"PUBLISH news:%i %s", ":*"},
};
enum { STEPS = sizeof steps / sizeof *steps };

struct mixer {
    int number;
    char tag[32];
    pthread_t thread, waiter;
    int round, count, waited; /* round: read by the test's own thread, too */
    bool may_lose;            /* its master is the one that dies */
    int lost;                 /* rounds that did not go as they should, for that reason */
    char wrong[3 * TEXT];
};

struct listener {
    pthread_t thread;
    int last[MIXERS], ended;
    char wrong[TEXT];
};

static struct mixer mixers[MIXERS];
static struct listener listeners[LISTENERS];
static struct load *load;
static int stop;
static bool a_master_dies;

/* loose: any number of rounds may be lost, but nobody else's reply is right. */
static void expand(const struct mixer *m, const char *template, bool loose, char out[TEXT])
{
    size_t len = 0;
    for (const char *p = template; *p; p++) {
        char *at = out + len;
        size_t room = TEXT - len;
        if (*p != '%')
            len += (size_t)snprintf(at, room, "%c", *p);
        else if (*++p == 't')
            len += (size_t)snprintf(at, room, "%s", m->tag);
        else if (*p == 'i')
            len += (size_t)snprintf(at, room, "%d", m->number);
        else if (*p == 'v')
            len += (size_t)snprintf(at, room, loose ? "%d:*" : "%d:%d", m->number, m->round);
        else if (loose)
            len += (size_t)snprintf(at, room, "*");
        else
            len += (size_t)snprintf(at, room, "%d",
                                    *p == 'n'   ? m->count
                                    : *p == 's' ? m->round
                                                : 1);
        ck_assert(len < TEXT);
    }
    out[len] = '\0';
}

static char *next_reply(redisContext *c)
{
    void *r = NULL;
    if (redisGetReply(c, &r) != REDIS_OK)
        return strdup(c->errstr);
    char *text = render(r);
    freeReplyObject(r);
    return text;
}

static bool is_maybe(const char *reply)
{
    return *reply == '-' && strstr(reply, "may or may not") != NULL;
}

static void check_step(struct mixer *m, int i, const char *got, bool *lost)
{
    char want[TEXT];
    expand(m, steps[i].reply, false, want);
    if (text_matches(got, want))
        return;
    if (a_master_dies && strncmp(steps[i].command, "PUBLISH", 7) == 0 && is_maybe(got))
        return; /* all messages go through one node, which may be the dead one */
    expand(m, steps[i].reply, true, want);
    if (m->may_lose && (text_matches(got, want) || strcmp(got, "nil") == 0 || is_maybe(got)))
        *lost = true;
    else if (!*m->wrong)
        snprintf(m->wrong, sizeof m->wrong, "round %d, %s: %.200s, expected %.200s", m->round,
                 steps[i].command, got, want);
}

/* After a loss its keys begin again. */
static void start_over(struct mixer *m, redisContext *c)
{
    char *got;
    do {
        redisAppendCommand(c, "DEL {%s}a {%s}b {%s}q {%s}w {%s}x far:%d", m->tag, m->tag, m->tag,
                           m->tag, m->tag, m->number);
        got = next_reply(c);
        bool maybe = is_maybe(got);
        if (!maybe && *got != ':' && !*m->wrong)
            snprintf(m->wrong, sizeof m->wrong, "DEL: %.200s", got);
        free(got);
        if (!maybe)
            break;
    } while (!*m->wrong);
    m->count = 0;
    m->lost++;
}

static void one_round(struct mixer *m, redisContext *c)
{
    char command[TEXT];
    bool lost = false;
    __atomic_fetch_add(&m->round, 1, __ATOMIC_RELAXED);
    m->count++;
    for (int i = 0; i < STEPS; i++) {
        expand(m, steps[i].command, false, command);
        redisAppendCommand(c, command);
    }
    for (int i = 0; i < STEPS; i++) {
        char *got = next_reply(c);
        check_step(m, i, got, &lost);
        free(got);
    }
    if (lost && !*m->wrong)
        start_over(m, c);
}

static void *mix(void *arg)
{
    struct mixer *m = arg;
    redisContext *c = client_open(proxy->port);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && !*m->wrong) {
        one_round(m, c);
        poll_pause(3);
    }
    /* Round 0 is the last one for who waits and who listens. */
    redisAppendCommand(c, "RPUSH {%s}wait %d:0", m->tag, m->number);
    free(next_reply(c));
    redisAppendCommand(c, "PUBLISH news:%d 0", m->number);
    free(next_reply(c));
    redisFree(c);
    return NULL;
}

/* Waits for what its mixer gives it, in order. */
static void *wait_for_it(void *arg)
{
    struct mixer *m = arg;
    redisContext *c = client_open(proxy->port);
    char want[TEXT], got_wrong[TEXT] = "";
    int number = -1;
    while (number != 0 && !*got_wrong) {
        redisAppendCommand(c, "BLPOP {%s}wait 0", m->tag);
        char *got = next_reply(c);
        snprintf(want, sizeof want, "[\"{%s}wait\", \"%d:*\"]", m->tag, m->number);
        if (text_matches(got, want)) {
            number = atoi(strrchr(got, ':') + 1);
            if (number && number != m->waited + 1 && !m->may_lose)
                snprintf(got_wrong, TEXT, "%d after %d", number, m->waited);
            m->waited = number ? number : m->waited;
        } else if (!m->may_lose || !is_maybe(got)) {
            snprintf(got_wrong, TEXT, "%.100s", got);
        }
        free(got);
    }
    if (*got_wrong)
        snprintf(m->wrong, sizeof m->wrong, "who waits in BLPOP got %s", got_wrong);
    redisFree(c);
    return NULL;
}

static void hear(struct listener *l, const redisReply *r)
{
    bool pattern = r->type == REDIS_REPLY_ARRAY && r->elements == 4;
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 3 || r->elements > 4) {
        snprintf(l->wrong, sizeof l->wrong, "no message");
        return;
    }
    const char *channel = r->element[pattern ? 2 : 1]->str;
    int who = atoi(channel + strlen("news:"));
    int number = atoi(r->element[pattern ? 3 : 2]->str);
    if (number == 0) {
        l->ended++;
        return;
    }
    if (number != l->last[who] + 1 && !a_master_dies)
        snprintf(l->wrong, sizeof l->wrong, "%s: %d after %d", channel, number, l->last[who]);
    l->last[who] = number;
}

static void *listen_to_all(void *arg)
{
    struct listener *l = arg;
    redisContext *c = client_open(proxy->port);
    redisAppendCommand(c, l == listeners ? "PSUBSCRIBE news:*"
                                         : "SUBSCRIBE news:0 news:1 news:2 news:3 news:4 news:5 "
                                           "news:6 news:7 news:8");
    for (int i = 0; i < (l == listeners ? 1 : MIXERS); i++)
        free(next_reply(c));
    __atomic_fetch_add(&l->ended, 1, __ATOMIC_RELEASE); /* begin() waits for it */
    while (l->ended < MIXERS + 1 && !*l->wrong) {
        redisReply *r = NULL;
        if (redisGetReply(c, (void **)&r) != REDIS_OK)
            snprintf(l->wrong, sizeof l->wrong, "%s", c->errstr);
        else
            hear(l, r);
        freeReplyObject(r);
    }
    redisFree(c);
    return NULL;
}

static bool all_listen(void *arg)
{
    (void)arg;
    for (int i = 0; i < LISTENERS; i++)
        if (!__atomic_load_n(&listeners[i].ended, __ATOMIC_ACQUIRE))
            return false;
    return true;
}

/* A hash tag in the lowest slots of a master, which redis-cli moves first. */
static void choose_tag(struct mixer *m, int master)
{
    int first = 0, n = 0;
    while (cluster->owner[first] != master)
        first++;
    do
        snprintf(m->tag, sizeof m->tag, "mix:%d:%d", m->number, n++);
    while (cluster_slot(m->tag, strlen(m->tag)) - (unsigned)first >= LOW_SLOTS);
}

static void begin(int dying)
{
    static uint8_t groups[CLUSTER_SLOTS];
    char far[32];
    ck_assert_str_eq(ask_port(proxy->port, "FLUSHALL"), "OK");
    ck_assert(cluster_refresh(cluster));
    cluster_groups(cluster, groups);
    memset(mixers, 0, sizeof mixers);
    memset(listeners, 0, sizeof listeners);
    stop = 0;
    a_master_dies = dying != 0;
    for (int i = 0; i < LISTENERS; i++)
        pthread_create(&listeners[i].thread, NULL, listen_to_all, &listeners[i]);
    ck_assert(wait_until(all_listen, NULL, 10000));
    for (int i = 0; i < MIXERS; i++) {
        struct mixer *m = &mixers[i];
        m->number = i;
        choose_tag(m, cluster_master(cluster, i % 3));
        snprintf(far, sizeof far, "far:%d", i);
        m->may_lose = dying && (cluster_owner_of(cluster, m->tag) == dying ||
                                cluster_owner_of(cluster, far) == dying);
        pthread_create(&m->waiter, NULL, wait_for_it, m);
        pthread_create(&m->thread, NULL, mix, m);
    }
    struct load_options o = {.port = proxy->port,
                             .mixed = 4,
                             .pinned = 2,
                             .groups = 3,
                             .pace_ms = 25,
                             .group_of_slot = groups};
    load = load_start(&o);
    load_fault_begins(load);
}

static int fewest_rounds(void)
{
    int least = INT_MAX;
    for (int i = 0; i < MIXERS; i++) {
        int round = __atomic_load_n(&mixers[i].round, __ATOMIC_RELAXED);
        least = round < least ? round : least;
    }
    return least;
}

static bool rounds_go_on(void *arg)
{
    return fewest_rounds() >= *(int *)arg;
}

static void go_on(void)
{
    int least = fewest_rounds() + 30;
    if (!wait_until(rounds_go_on, &least, (int)(20000 * test_slack())))
        for (int i = 0; i < MIXERS; i++)
            ck_assert_msg(mixers[i].round >= least, "client %d is stuck: %s", i, mixers[i].wrong);
}

static void check_keys(const struct mixer *m, redisContext *c)
{
    char count[32];
    snprintf(count, sizeof count, "\"%d\"", m->count);
    if (m->count || !m->may_lose) {
        expect(c, count, "GET {%s}a", m->tag);
        expect(c, count, "GET {%s}b", m->tag);
    }
    expect(c, ":0", "EXISTS {%s}q {%s}w {%s}x {%s}none far:%d", m->tag, m->tag, m->tag, m->tag,
           m->number);
    expect(c, m->may_lose ? ":*" : ":0", "LLEN {%s}wait", m->tag);
}

static void end(void)
{
    int rounds = 0, lost = 0;
    go_on();
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < MIXERS; i++) {
        struct mixer *m = &mixers[i];
        pthread_join(m->thread, NULL);
        ck_assert_msg(!*m->wrong, "client %d: %s", i, m->wrong);
        pthread_join(m->waiter, NULL);
        ck_assert_msg(!*m->wrong, "client %d: %s", i, m->wrong);
        ck_assert(m->may_lose || m->waited == m->round);
        rounds += m->round;
        lost += m->lost;
    }
    for (int i = 0; i < LISTENERS; i++) {
        pthread_join(listeners[i].thread, NULL);
        ck_assert_msg(!*listeners[i].wrong, "listener %d: %s", i, listeners[i].wrong);
        for (int k = 0; k < MIXERS; k++)
            ck_assert(a_master_dies || listeners[i].last[k] == mixers[k].round);
    }
    struct load_result r = load_finish(load);
    load_assert_clean(&r);
    redisContext *c = client_open(proxy->port);
    for (int i = 0; i < MIXERS; i++)
        check_keys(&mixers[i], c);
    redisFree(c);
    printf("  %d rounds of %d commands, %d of them lost by a dead master\n", rounds, STEPS, lost);
}

START_TEST(failovers)
{
    begin(0);
    go_on();
    for (int i = 0; i < 3; i++) {
        int replica = cluster_replica_of(cluster, cluster_master(cluster, i));
        ck_assert_msg(cluster_failover(cluster, replica), "failover of master %d", i);
        go_on();
    }
    end();
}
END_TEST

START_TEST(resharding)
{
    begin(0);
    go_on();
    for (int i = 0; i < 3; i++) {
        int from = cluster_master(cluster, i), to = cluster_master(cluster, (i + 1) % 3);
        ck_assert_msg(cluster_reshard(cluster, LOW_SLOTS, from, to), "resharding");
        go_on();
        ck_assert_msg(cluster_reshard(cluster, LOW_SLOTS, to, from), "resharding back");
    }
    end();
}
END_TEST

START_TEST(a_dead_master)
{
    int dying = cluster_master(cluster, 1);
    begin(dying);
    go_on();
    load_may_lose(load, 1);
    load_may_fail(load, 1);
    cluster_kill(cluster, dying);
    go_on();
    load_may_lose(load, -1);
    cluster_heal(cluster);
    end();
}
END_TEST

FIXTURE_SUITE("mixed faults", 120, NULL, failovers, resharding, a_dead_master)
