/* pubsub: subscriptions through slotway are those of one server, whatever happens to the nodes.
 * SLOTWAY_TEST_SEED repeats a run. */
#include "cluster/slot.h"
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <string.h>
#include <unistd.h>

/* --- the same as one server --- */

#define PAIRS 4 /* two speak RESP2, two RESP3 */
#define STEPS 1000

/* A connection to slotway and one to redis-server. */
struct pair {
    struct wire *ours, *theirs;
};

static uint64_t seed;

static uint32_t chance(uint32_t n)
{
    return (uint32_t)(random_next(&seed) % n);
}

static const char *one_of(const char *const *words, uint32_t n)
{
    return words[chance(n)];
}

#define ONE_OF(words) one_of(words, sizeof(words) / sizeof *(words))

static void add_words(char *command, const char *const *words, uint32_t n, int least)
{
    for (int i = least + (int)chance(3); i > 0; i--) {
        strcat(command, " ");
        strcat(command, words[chance(n)]);
    }
}

static void make_command(char *command, size_t cap)
{
    static const char *const channels[] = {"news", "chat", "n", "{t}1", "x"};
    static const char *const patterns[] = {"n*", "[cx]*", "?", "nothing"};
    static const char *const others[] = {
        "PING hello",    "GET key",         "SET key 1",
        "PUBSUB NUMPAT", "SPUBLISH {t}1 m", "PUBSUB NUMSUB news x",
        "SUBSCRIBE",     "PUBSUB NOSUCH",   "PUBSUB CHANNELS news",
        "PUBLISH news",  "PING a b",        "PUBSUB SHARDNUMSUB {t}1",
        "EXEC"};
    switch (chance(8)) {
    case 0:
        strcpy(command, "SUBSCRIBE");
        add_words(command, channels, 5, 1);
        return;
    case 1:
        strcpy(command, "UNSUBSCRIBE");
        add_words(command, channels, 5, 1); /* without names: the order of the answers differs */
        return;
    case 2:
        strcpy(command, "PSUBSCRIBE");
        add_words(command, patterns, 4, 1);
        return;
    case 3:
        strcpy(command, "PUNSUBSCRIBE");
        add_words(command, patterns, 4, chance(4) ? 1 : 0);
        return;
    case 4:
        snprintf(command, cap, "%s {t}1", chance(2) ? "SSUBSCRIBE" : "SUNSUBSCRIBE");
        return;
    case 5:
        strcpy(command, ONE_OF(others));
        return;
    default:
        snprintf(command, cap, "PUBLISH %s m%u", ONE_OF(channels), chance(1000));
    }
}

/* Where a line belongs: messages, those to patterns, answers. */
static int class_of(const char *line)
{
    bool message = strstr(line, "[$\"message\"") || strstr(line, "[$\"smessage\"");
    return message ? 0 : strstr(line, "[$\"pmessage\"") ? 1 : 2;
}

/* Between its message and its answer, PUBLISH of a client that is subscribed itself has no order in
 * a cluster; and one server keeps patterns in the order of a hash. */
static int compare_lines(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int order = class_of(x) - class_of(y);
    return order ? order : class_of(x) == 1 ? strcmp(x, y) : 0;
}

/* Stable, for few. */
static void sort_lines(char **lines, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && compare_lines(&lines[k - 1], &lines[k]) > 0; k--) {
            char *line = lines[k];
            lines[k] = lines[k - 1];
            lines[k - 1] = line;
        }
}

/* All that has come up to the answer to a PING, rendered and sorted. *n: how many. expected: so
 * many come for sure. */
static char *read_all(struct wire *w, size_t expected, size_t *n)
{
    enum { MOST = 100 };
    char *lines[MOST], *text = malloc(100000);
    size_t count = 0, at = 0;
    for (; count < expected; count++)
        lines[count] = wire_read(w, WIRE_EXACT);
    wire_send(w, "PING the-end");
    for (;; count++) {
        ck_assert_uint_lt(count, MOST);
        lines[count] = wire_read(w, WIRE_EXACT);
        if (strstr(lines[count], "the-end"))
            break;
    }
    *n = count;
    sort_lines(lines, count);
    for (size_t i = 0; i <= count; i++) {
        at += (size_t)sprintf(text + at, "%s ", lines[i]);
        free(lines[i]);
    }
    return text;
}

START_TEST(same_as_one_redis_server)
{
    struct pair pairs[PAIRS];
    int redis = plain_redis_start(NULL);
    seed = test_seed();
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = (struct pair){wire_open(proxy->port), wire_open(redis)};
        wire_ask(pairs[i].ours, i % 2 ? "HELLO 3" : "HELLO 2");
        wire_ask(pairs[i].theirs, i % 2 ? "HELLO 3" : "HELLO 2");
    }
    for (int step = 0; step < STEPS; step++) {
        char command[400] = "";
        uint32_t who = chance(PAIRS);
        make_command(command, sizeof command);
        wire_send(pairs[who].theirs, command);
        wire_send(pairs[who].ours, command);
        for (uint32_t k = 0; k < PAIRS; k++) {
            uint32_t i = (who + k) % PAIRS; /* who asked first: then the others have their news */
            size_t n, m;
            char *want = read_all(pairs[i].theirs, 0, &n);
            char *got = read_all(pairs[i].ours, n, &m);
            ck_assert_msg(strcmp(got, want) == 0,
                          "step %d of SLOTWAY_TEST_SEED=%llu: %s from %u, seen by %u\n  slotway "
                          "%.800s\n  redis   %.800s",
                          step, (unsigned long long)test_seed(), command, who, i, got, want);
            free(want);
            free(got);
        }
    }
    for (int i = 0; i < PAIRS; i++) {
        wire_close(pairs[i].ours);
        wire_close(pairs[i].theirs);
    }
}
END_TEST

/* --- nodes that die and slots that move --- */

/* A subscriber to a channel, and who publishes numbers on it. */
struct line {
    struct wire *subscriber;
    redisContext *publisher;
    const char *verb; /* PUBLISH, SPUBLISH */
    char channel[64];
    long sent, received;
    long before; /* a node died after so many: what it told others may still be on its way */
};

static void line_open(struct line *l, bool shard, const char *channel)
{
    char command[100];
    memset(l, 0, sizeof *l);
    snprintf(l->channel, sizeof l->channel, "%s", channel);
    snprintf(command, sizeof command, "%s %s", shard ? "SSUBSCRIBE" : "SUBSCRIBE", channel);
    l->verb = shard ? "SPUBLISH" : "PUBLISH";
    l->subscriber = wire_open(proxy->port);
    l->publisher = client_open(proxy->port);
    wire_expect(l->subscriber, command, "*[$\"*ubscribe\", *, :1]");
}

static void line_close(struct line *l)
{
    wire_close(l->subscriber);
    redisFree(l->publisher);
}

static const char *line_publish(struct line *l)
{
    return ask(l->publisher, "%s %s %d", l->verb, l->channel, (int)++l->sent);
}

/* The next message is there: what number? Numbers only grow: nothing comes twice. */
static void line_receive(struct line *l)
{
    const char *got = wire_next(l->subscriber);
    const char *at = strstr(got, l->channel);
    ck_assert_msg(at != NULL, "%s", got);
    long number = strtol(at + strlen(l->channel) + strlen("\", $\""), NULL, 10);
    if (number <= l->before && number <= l->received)
        return;
    ck_assert_msg(number > l->received && number <= l->sent, "%s after %ld of %ld", got,
                  l->received, l->sent);
    l->received = number;
}

/* Published messages arrive again. */
static bool line_is_back(void *arg)
{
    struct line *l = arg;
    line_publish(l);
    while (!wire_is_silent(l->subscriber, 20))
        line_receive(l);
    return l->received == l->sent;
}

/* Every one of the next messages arrives, once. */
static void line_goes_on(struct line *l)
{
    for (int i = 0; i < 200; i++) {
        const char *got = line_publish(l);
        ck_assert_msg(*got == ':', "%s", got);
    }
    while (l->received < l->sent) {
        long before = l->received;
        line_receive(l);
        ck_assert_int_eq(l->received, before + 1);
    }
    ck_assert(wire_is_silent(l->subscriber, 0));
}

/* Whatever has happened: they arrive again, and from then on every one does, once. */
static void line_check(struct line *l)
{
    ck_assert(wait_until(line_is_back, l, (int)(20000 * test_slack())));
    line_goes_on(l);
}

/* At which node is slotway subscribed to the channel? */
static int home_of(const char *channel)
{
    for (int i = 0; i < cluster->nnodes; i++) {
        char zero[100];
        snprintf(zero, sizeof zero, "[\"%s\", :0]", channel);
        const char *got = ask_port(cluster->nodes[i].port, "PUBSUB NUMSUB %s", channel);
        if (*got == '[' && strcmp(got, zero) != 0)
            return cluster->nodes[i].port;
    }
    return 0;
}

static bool home_is_known(void *arg)
{
    return home_of(((struct line *)arg)->channel) != 0;
}

/* A channel, and a shard channel of the node at which slotway is subscribed to it: that node. */
static int lines_open(struct line *line, struct line *shard)
{
    line_open(line, false, "numbers");
    ck_assert(wait_until(home_is_known, line, 5000));
    int home = home_of("numbers");
    line_open(shard, true, cluster_key(cluster, home, "shard-", 0));
    line_check(line);
    line_check(shard);
    return home;
}

START_TEST(a_killed_node_is_replaced_unseen)
{
    struct line line, shard;
    int home = lines_open(&line, &shard);
    line.before = line.sent;
    shard.before = shard.sent;
    cluster_kill(cluster, home);
    line_check(&line);
    line_check(&shard); /* the slot has a new master */
    cluster_heal(cluster);
    line_check(&line);
    line_check(&shard);
    line_close(&line);
    line_close(&shard);
}
END_TEST

START_TEST(a_planned_failover_goes_unseen)
{
    struct line line, shard;
    int home = lines_open(&line, &shard);
    shard.before = shard.sent; /* as the bus brings them, the replica has them later */
    ck_assert(cluster_failover(cluster, cluster_replica_of(cluster, home)));
    line_check(&line);
    line_check(&shard);
    line_close(&line);
    line_close(&shard);
}
END_TEST

static bool is_silent(void *arg)
{
    char state[60];
    snprintf(state, sizeof state, ":%d master,silent ", *(int *)arg);
    return strstr(ask_port(proxy->port, "PROXY NODES"), state) != NULL;
}

/* For less than the cluster's timeout: what it is given meanwhile is late, not lost. */
START_TEST(a_moment_without_a_master_loses_nothing)
{
    struct line line, shard;
    int home = lines_open(&line, &shard);
    char command[100];
    snprintf(command, sizeof command, "SPUBLISH %s %ld", shard.channel, ++shard.sent);
    struct wire *publisher = wire_open(proxy->port);
    cluster_freeze(cluster, home);
    wire_send(publisher, command);
    ck_assert(wait_until(is_silent, &home, 5000));
    cluster_thaw(cluster);
    wire_expect(publisher, NULL, ":1");
    line_receive(&shard);
    ck_assert_int_eq(shard.received, shard.sent);
    line_check(&shard);
    line_check(&line);
    wire_close(publisher);
    line_close(&line);
    line_close(&shard);
}
END_TEST

static bool home_is_left(void *arg)
{
    return strcmp(ask_port(*(int *)arg, "PUBSUB NUMSUB numbers"), "[\"numbers\", :0]") == 0;
}

START_TEST(a_planned_restart_of_the_home_goes_unseen)
{
    struct line line;
    line_open(&line, false, "numbers");
    line_check(&line);
    int home = home_of("numbers");
    ck_assert(cluster_failover(cluster, cluster_replica_of(cluster, home)));
    line_goes_on(&line);
    ck_assert(wait_until(home_is_left, &home, 10000));
    line_goes_on(&line);
    ck_assert(cluster_restart(cluster, home, home));
    line_goes_on(&line);
    line_close(&line);
}
END_TEST

static void cut_links(void)
{
    for (int i = 0; i < cluster->nnodes; i++)
        ask_port(cluster->nodes[i].port, "CLIENT KILL TYPE pubsub");
}

START_TEST(links_that_are_cut_are_replaced_unseen)
{
    struct line line, shard;
    line_open(&line, false, "numbers");
    line_open(&shard, true, "shard-1");
    for (int i = 0; i < 6; i++) {
        cut_links();
        line_check(&line);
        line_check(&shard);
    }
    line_close(&line);
    line_close(&shard);
}
END_TEST

/* Nothing of slotway's is subscribed at any node. */
static bool nodes_are_clean(void *arg)
{
    (void)arg;
    for (int i = 0; i < cluster->nnodes; i++) {
        int port = cluster->nodes[i].port;
        if (strcmp(ask_port(port, "PUBSUB CHANNELS"), "[]") != 0 ||
            strcmp(ask_port(port, "PUBSUB NUMPAT"), ":0") != 0 ||
            strcmp(ask_port(port, "PUBSUB SHARDCHANNELS"), "[]") != 0)
            return false;
    }
    return true;
}

/* A node alone can be clean for a moment, while a link that was cut is not open again yet. */
static bool all_is_clean(void *arg)
{
    return strcmp(ask_port(proxy->port, "PUBSUB CHANNELS"), "[]") == 0 &&
           strcmp(ask_port(proxy->port, "PUBSUB NUMPAT"), ":0") == 0 && nodes_are_clean(arg);
}

/* Clients that come, go, subscribe and leave in all ways, while links are cut. */
START_TEST(churn_leaves_nothing_behind)
{
    enum { CLIENTS = 40, ACTIONS = 2000 };
    static const char *const actions[] = {
        "SUBSCRIBE c%u c%u",   "UNSUBSCRIBE c%u",  "PSUBSCRIBE p%u*",  "PUNSUBSCRIBE",
        "SSUBSCRIBE s%u s%u",  "SUNSUBSCRIBE s%u", "UNSUBSCRIBE",      "RESET",
        "PSUBSCRIBE __key%u*", "SUBSCRIBE c%u",    "PUBLISH c%u text", "SPUBLISH s%u text",
    };
    int fds[CLIENTS];
    static char sink[1 << 16];
    seed = test_seed();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = raw_open(proxy->port, 0);
    for (int n = 0; n < ACTIONS; n++) {
        char command[100];
        uint32_t i = chance(CLIENTS);
        int len = snprintf(command, sizeof command - 2, ONE_OF(actions), chance(5), chance(5));
        memcpy(command + len, "\r\n", 2);
        raw_read(fds[i], sink, sizeof sink, 0);
        raw_send(fds[i], command, (size_t)len + 2, 1000);
        if (chance(30) == 0) {
            close(fds[i]);
            fds[i] = raw_open(proxy->port, 0);
        }
        if (chance(200) == 0)
            cut_links();
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    ck_assert(wait_until(all_is_clean, NULL, (int)(20000 * test_slack())));
}
END_TEST

static const char *node_id(int port)
{
    return cluster_node_at(cluster, port)->id;
}

static void give_slot(uint16_t slot, int from, int to)
{
    ask_port(to, "CLUSTER SETSLOT %d IMPORTING %s", slot, node_id(from));
    ask_port(from, "CLUSTER SETSLOT %d MIGRATING %s", slot, node_id(to));
    ck_assert_str_eq(ask_port(to, "CLUSTER SETSLOT %d NODE %s", slot, node_id(to)), "OK");
    for (int i = 0; i < 3; i++)
        ask_port(cluster_master(cluster, i), "CLUSTER SETSLOT %d NODE %s", slot, node_id(to));
}

START_TEST(a_shard_channel_moves_with_its_slot)
{
    struct line shard;
    cluster_refresh(cluster);
    int from = cluster_master(cluster, 0), to = cluster_master(cluster, 1);
    line_open(&shard, true, cluster_key(cluster, from, "shard-", 1));
    uint16_t slot = slot_of_key(shard.channel, strlen(shard.channel));
    line_check(&shard);
    give_slot(slot, from, to);
    line_check(&shard);
    give_slot(slot, to, from);
    line_check(&shard);
    line_close(&shard);
    ck_assert(cluster_wait_whole(cluster, 20000));
}
END_TEST

/* --- keyspace notifications --- */

static void expect_one_event_a_master(struct wire *events)
{
    redisContext *c = client_open(proxy->port);
    cluster_refresh(cluster);
    for (int i = 0; i < 3; i++) {
        char want[200];
        const char *key = cluster_key(cluster, cluster_master(cluster, i), "watched:", i);
        expect(c, "OK", "SET %s 1", key);
        snprintf(want, sizeof want, "*[$\"pmessage\", *, $\"__keyspace@0__:%s\", $\"set\"]", key);
        wire_expect(events, NULL, want);
    }
    ck_assert(wire_is_silent(events, 20));
    redisFree(c);
}

/* Do events of all masters arrive again? */
static bool events_are_back(void *arg)
{
    struct wire *events = arg;
    redisContext *c = client_open(proxy->port);
    int n = 0;
    cluster_refresh(cluster);
    for (int i = 0; i < 3; i++)
        ask(c, "SET %s 1", cluster_key(cluster, cluster_master(cluster, i), "watched:", 0));
    while (!wire_is_silent(events, 50)) {
        wire_next(events);
        n++;
    }
    redisFree(c);
    return n == 3;
}

START_TEST(keyspace_notifications_come_from_every_master_once)
{
    struct wire *events = wire_open(proxy->port), *all = wire_open(proxy->port);
    redisContext *c = client_open(proxy->port);
    expect(c, "OK", "CONFIG SET notify-keyspace-events K$");
    wire_expect(events, "PSUBSCRIBE __keyspace@0__:watched:*", "*[$\"psubscribe\", *, :1]");
    wire_expect(all, "PSUBSCRIBE *", "*[$\"psubscribe\", $\"*\", :1]");
    expect_one_event_a_master(events);
    expect_one_event_a_master(events);
    for (int i = 0; i < 6; i++)
        wire_expect(all, NULL, "*[$\"pmessage\", $\"*\", *, $\"set\"]");
    expect(c, ":1", "PUBLISH news hello");
    wire_expect(all, NULL, "*[$\"pmessage\", $\"*\", $\"news\", $\"hello\"]");
    ck_assert(wire_is_silent(all, 50)); /* though slotway listens at all masters */
    ck_assert(cluster_failover(cluster, cluster_replica_of(cluster, cluster_master(cluster, 2))));
    for (int i = 0; i < cluster->nnodes; i++) /* it was set on masters only */
        ck_assert_str_eq(ask_port(cluster->nodes[i].port, "CONFIG SET notify-keyspace-events K$"),
                         "OK");
    ck_assert(wait_until(events_are_back, events, (int)(20000 * test_slack())));
    expect_one_event_a_master(events);
    for (int i = 0; i < cluster->nnodes; i++)
        ck_assert_str_eq(
            ask_port(cluster->nodes[i].port, "CONFIG SET notify-keyspace-events %s", ""), "OK");
    wire_close(events);
    wire_close(all);
    redisFree(c);
}
END_TEST

/* --- many clients --- */

/* Subscribers of slotway at all nodes. */
static int backend_subscriptions(const char *channel)
{
    int n = 0;
    for (int i = 0; i < cluster->nnodes; i++) {
        const char *got = ask_port(cluster->nodes[i].port, "PUBSUB NUMSUB %s", channel);
        const char *colon = strchr(got, ':');
        n += colon ? atoi(colon + 1) : 0;
    }
    return n;
}

static bool is_closed(void *arg)
{
    return strcmp(ask(arg, "CLIENT LIST TYPE pubsub"), "\"\"") == 0;
}

START_TEST(thousands_share_one_subscription_and_a_silent_one_goes_alone)
{
    int count = test_full() ? 9000 : 1000, good = 0;
    struct wire **subscribers = malloc((size_t)count * sizeof *subscribers);
    redisContext *c = client_open(proxy->port);
    char want[32];
    for (int i = 0; i < count; i++) {
        subscribers[i] = wire_open(proxy->port);
        wire_expect(subscribers[i], "SUBSCRIBE crowd", "*[$\"subscribe\", $\"crowd\", :1]");
    }
    ck_assert_int_le(backend_subscriptions("crowd"), 2); /* --threads 2 */
    snprintf(want, sizeof want, ":%d", count);
    expect(c, want, "PUBLISH crowd hello");
    for (int i = 0; i < count; i++) {
        wire_expect(subscribers[i], NULL, "*[$\"message\", $\"crowd\", $\"hello\"]");
        if (i > 0)
            wire_close(subscribers[i]);
    }
    /* The last one does not read any more. */
    char *text = malloc(60000);
    memset(text, 'x', 60000);
    struct wire *reader = wire_open(proxy->port);
    wire_expect(reader, "SUBSCRIBE crowd", "*[$\"subscribe\", $\"crowd\", :1]");
    for (; good < 2000; good++) {
        const char *got = ask(c, "PUBLISH crowd %b", text, (size_t)60000);
        free(wire_read(reader, WIRE_SHAPE));
        if (strcmp(got, ":1") == 0)
            break;
    }
    ck_assert_int_lt(good, 2000);
    wire_close(reader);
    wire_close(subscribers[0]);
    ck_assert(wait_until(is_closed, c, 10000));
    free(text);
    free(subscribers);
    redisFree(c);
}
END_TEST

START_TEST(client_list_and_kill_know_subscribers)
{
    redisContext *c = client_open(proxy->port);
    struct wire *w = wire_open(proxy->port);
    wire_expect(w, "SUBSCRIBE x y", "*[$\"subscribe\", $\"x\", :1]");
    wire_expect(w, NULL, "*[$\"subscribe\", $\"y\", :2]");
    wire_expect(w, "PSUBSCRIBE p*", "*[$\"psubscribe\", $\"p*\", :3]");
    wire_expect(w, "SSUBSCRIBE s", "*[$\"ssubscribe\", $\"s\", :1]");
    expect(c, "\"id=* flags=P db=0 sub=2 psub=1 ssub=1 *\"", "CLIENT LIST TYPE pubsub");
    expect(c, ":1", "CLIENT KILL TYPE pubsub");
    ck_assert_str_eq(wire_next(w), "closed");
    expect(c, "\"\"", "CLIENT LIST TYPE pubsub");
    wire_close(w);
    redisFree(c);
}
END_TEST

FIXTURE_SUITE("pubsub", 120, "--threads 2 --client-output-limit-pubsub 1mb",
              same_as_one_redis_server, a_killed_node_is_replaced_unseen,
              a_planned_failover_goes_unseen, a_planned_restart_of_the_home_goes_unseen,
              a_moment_without_a_master_loses_nothing, links_that_are_cut_are_replaced_unseen,
              churn_leaves_nothing_behind, a_shard_channel_moves_with_its_slot,
              keyspace_notifications_come_from_every_master_once,
              thousands_share_one_subscription_and_a_silent_one_goes_alone,
              client_list_and_kill_know_subscribers)
