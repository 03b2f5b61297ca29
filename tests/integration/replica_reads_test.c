/* replica reads: asked for by a client (READONLY) or by read-from; what no replica can serve, the
 * master serves. */
#include "support/fake_node.h"
#include "support/fixture.h"
#include <string.h>

/* GETs that a node has executed. */
static long long gets_of(int port)
{
    const char *at = strstr(ask_port(port, "INFO commandstats"), "cmdstat_get:calls=");
    return at ? atoll(at + strlen("cmdstat_get:calls=")) : 0;
}

static long long gets_of_replicas(struct cluster *c)
{
    long long sum = 0;
    for (int i = 0; i < c->nnodes; i++)
        if (!c->nodes[i].master)
            sum += gets_of(c->nodes[i].port);
    return sum;
}

static void fill(redisContext *r)
{
    for (int i = 0; i < 200; i++)
        expect(r, "OK", "SET replica:%d v%d", i, i);
}

static void read_all(redisContext *r)
{
    char want[16];
    for (int i = 0; i < 200; i++) {
        snprintf(want, sizeof want, "\"v%d\"", i);
        expect(r, want, "GET replica:%d", i);
    }
}

/* Replication is asynchronous: wait until each replica has what its master has. */
static bool replicas_have_all(void *arg)
{
    struct cluster *c = arg;
    for (int i = 0; i < c->nnodes; i++) {
        if (!c->nodes[i].master)
            continue;
        char size[32];
        snprintf(size, sizeof size, "%s", ask_port(c->nodes[i].port, "DBSIZE"));
        int replica = cluster_replica_of(c, c->nodes[i].port);
        if (strcmp(ask_port(replica, "DBSIZE"), size) != 0)
            return false;
    }
    return true;
}

START_TEST(by_default_masters_are_read)
{
    redisContext *r = client_open(proxy->port);
    fill(r);
    long long before = gets_of_replicas(cluster);
    read_all(r);
    ck_assert_int_eq(gets_of_replicas(cluster), before);
    redisFree(r);
}
END_TEST

START_TEST(readonly_clients_may_read_replicas)
{
    redisContext *r = client_open(proxy->port);
    fill(r);
    ck_assert(wait_until(replicas_have_all, cluster, 5000));
    long long before = gets_of_replicas(cluster);
    expect(r, "OK", "READONLY");
    read_all(r);
    expect(r, "OK", "SET replica:0 v0");
    long long readonly = gets_of_replicas(cluster);
    printf("  %lld of 200 reads were served by replicas\n", readonly - before);
    ck_assert_int_gt(readonly, before);
    expect(r, "OK", "READWRITE");
    read_all(r);
    ck_assert_int_eq(gets_of_replicas(cluster), readonly);
    redisFree(r);
}
END_TEST

START_TEST(dead_replica_fails_nothing)
{
    struct proxy *p = proxy_start(cluster, "--read-from replica");
    redisContext *r = client_open(p->port);
    fill(r);
    ck_assert(wait_until(replicas_have_all, cluster, 5000));
    long long before = gets_of_replicas(cluster);
    read_all(r);
    ck_assert_int_gt(gets_of_replicas(cluster), before);
    int frozen = cluster_replica_of(cluster, cluster_master(cluster, 0));
    int killed = cluster_replica_of(cluster, cluster_master(cluster, 1));
    cluster_kill(cluster, killed);
    cluster_freeze(cluster, frozen);
    int64_t start = now_ms();
    for (int round = 0; round < 3; round++)
        read_all(r);
    printf("  600 reads with a dead and a frozen replica took %lld ms\n",
           (long long)(now_ms() - start));
    cluster_heal(cluster);
    read_all(r);
    redisFree(r);
    stop_and_check(p);
}
END_TEST

START_TEST(read_from_may_change_at_run_time)
{
    redisContext *r = client_open(proxy->port);
    fill(r);
    ck_assert(wait_until(replicas_have_all, cluster, 5000));
    long long before = gets_of_replicas(cluster);
    expect(r, "OK", "PROXY CONFIG SET read-from prefer-replica");
    read_all(r);
    long long then = gets_of_replicas(cluster);
    ck_assert_int_gt(then, before);
    expect(r, "OK", "PROXY CONFIG SET read-from nearest");
    read_all(r);
    expect(r, "OK", "PROXY CONFIG SET read-from master");
    then = gets_of_replicas(cluster);
    read_all(r);
    ck_assert_int_eq(gets_of_replicas(cluster), then);
    redisFree(r);
}
END_TEST

/* --- a replica that is behind: two scripted nodes say so --- */

struct pair {
    struct fake_node *master, *replica;
    int answers; /* about replication that slotway is to have from both */
};

static void say(struct fake_node *node, const char *word, const char *text)
{
    char bulk[1024];
    snprintf(bulk, sizeof bulk, "$%zu\r\n%s\r\n", strlen(text), text);
    fake_node_rule(node, word, FAKE_TEXT, bulk, 0, -1);
}

static void say_who_is_there(const struct pair *p, struct fake_node *node)
{
    static const char *const id[] = {"1111111111111111111111111111111111111111",
                                     "2222222222222222222222222222222222222222"};
    char text[512];
    snprintf(text, sizeof text,
             "%s 127.0.0.1:%d@1 %smaster - 0 0 1 connected 0-16383\n"
             "%s 127.0.0.1:%d@1 %sslave %s 0 0 1 connected\n",
             id[0], fake_node_port(p->master), node == p->master ? "myself," : "", id[1],
             fake_node_port(p->replica), node == p->replica ? "myself," : "", id[0]);
    say(node, "NODES", text);
}

static bool both_are_known(void *arg)
{
    const struct pair *p = arg;
    return fake_node_received(p->master, "replication") >= p->answers &&
           fake_node_received(p->replica, "replication") >= p->answers;
}

/* Do reads go to a replica that says this of its replication? */
static void check_fitness(const char *replication, int max_lag, bool fit)
{
    struct pair p = {.master = fake_node_start(),
                     .replica = fake_node_start(),
                     .answers = 10 + max_lag * 1000 / 50}; /* longer than the lag that is allowed */
    char flags[200], key[24];
    say_who_is_there(&p, p.master);
    say_who_is_there(&p, p.replica);
    say(p.master, "replication", "role:master\r\nmaster_repl_offset:5000\r\n");
    say(p.replica, "replication", replication);
    snprintf(flags, sizeof flags,
             "--threads 1 --read-from replica --refresh-interval 50 --replica-max-lag %d "
             "127.0.0.1:%d",
             max_lag, fake_node_port(p.master));
    struct proxy *reader = proxy_start(NULL, flags);
    redisContext *c = client_open(reader->port);
    ck_assert(wait_until(both_are_known, &p, 10000));
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "lag:%d:", i);
        expect(c, "nil", "GET %s", key);
        ck_assert_msg(fake_node_executed(fit ? p.replica : p.master, key) == 1,
                      "%s, replica-max-lag %d: not served by the %s", replication, max_lag,
                      fit ? "replica" : "master");
    }
    redisFree(c);
    stop_and_check(reader);
    fake_node_stop(p.replica);
    fake_node_stop(p.master);
}

#define LINK_UP   "role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:"
#define LINK_DOWN "role:slave\r\nmaster_link_status:down\r\nslave_repl_offset:"

START_TEST(a_replica_that_is_behind_serves_nothing)
{
    check_fitness(LINK_UP "5000\r\n", 1, true);
    check_fitness(LINK_UP "4999\r\n", 1, false);
    check_fitness(LINK_UP "4999\r\n", 0, true);
    check_fitness(LINK_DOWN "5000\r\n", 0, false);
}
END_TEST

FIXTURE_SUITE("replica reads", 40, NULL, by_default_masters_are_read,
              readonly_clients_may_read_replicas, dead_replica_fails_nothing,
              read_from_may_change_at_run_time, a_replica_that_is_behind_serves_nothing)
