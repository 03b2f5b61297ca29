/* blocking: clients that wait, on a real cluster: exact timeouts, clients that leave, failovers,
 * dead masters, slots that move, CLIENT UNBLOCK, WAIT, many at a time. */
#include "support/fixture.h"
#include "support/wire.h"
#include <string.h>
#include <unistd.h>

/* Milliseconds that a command takes whose timeout is `promised`, and its reply. */
static void measure(struct wire *w, const char *command, int promised, const char *want)
{
    int64_t begin = now_us();
    wire_expect(w, command, want);
    double off = (double)(now_us() - begin) / 1000 - promised;
    char what[100];
    snprintf(what, sizeof what, "%s ends late by", command);
    ck_assert_msg(off > -1, "%s came %f ms too early", command, -off);
    report_figure(what, off, 50, "ms");
}

START_TEST(timeouts_are_exact)
{
    struct wire *w = wire_open(proxy->port);
    measure(w, "BLPOP a 0.2", 200, "*nil");
    measure(w, "BLPOP a b c d 0.3", 300, "*nil"); /* several slots */
    measure(w, "BLMOVE a a LEFT RIGHT 0.25", 250, "*nil");
    measure(w, "BZPOPMIN a 0.1", 100, "*nil");
    measure(w, "XREAD BLOCK 150 STREAMS a $", 150, "*nil");
    measure(w, "WAIT 5 200", 200, ":1");
    wire_ask(w, "HELLO 3");
    measure(w, "BLMPOP 0.2 1 a LEFT", 200, "_");
    measure(w, "BLMPOP 0.2 2 a b LEFT", 200, "_");
    wire_close(w);
}
END_TEST

/* --- what nodes know --- */

struct blocked {
    int port, n;
};

static int blocked_at(int port)
{
    const char *info = ask_port(port, "INFO clients");
    const char *at = strstr(info, "blocked_clients:");
    return at ? atoi(at + strlen("blocked_clients:")) : -1;
}

static bool as_many_blocked(void *arg)
{
    const struct blocked *b = arg;
    return blocked_at(b->port) == b->n;
}

/* Until so many clients wait at the server at port. */
static void until_blocked(int port, int n)
{
    struct blocked b = {port, n};
    ck_assert_msg(wait_until(as_many_blocked, &b, 10000), "port %d has %d blocked, not %d", port,
                  blocked_at(port), n);
}

static const char *key_of(int master)
{
    return cluster_key(cluster, cluster_master(cluster, master), "key", 0);
}

static struct wire *waits(const char *format, const char *key)
{
    char command[200];
    struct wire *w = wire_open(proxy->port);
    int before = blocked_at(proxy->port);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof command, format, key, key);
#pragma GCC diagnostic pop
    wire_send(w, command);
    until_blocked(proxy->port, before + 1);
    return w;
}

START_TEST(a_client_that_leaves_is_gone_at_the_node)
{
    const char *key = key_of(0);
    int node = cluster_master(cluster, 0);
    struct wire *w = waits("BLPOP %s 0", key);
    until_blocked(node, 1);
    int64_t begin = now_us();
    wire_close(w);
    until_blocked(node, 0);
    report_figure("a client that left is gone at the node after", (double)(now_us() - begin) / 1000,
                  100, "ms");
    ck_assert_str_eq(ask_port(proxy->port, "RPUSH %s x", key), ":1");
    ck_assert_str_eq(ask_port(proxy->port, "LLEN %s", key), ":1");
    ask_port(proxy->port, "DEL %s", key);
}
END_TEST

START_TEST(unblock_works_over_threads_and_shows_in_the_list)
{
    struct wire *one = wire_open(proxy->port), *two = wire_open(proxy->port);
    char id[32], list[64];
    snprintf(id, sizeof id, "%s", wire_ask(one, "CLIENT ID") + 1);
    snprintf(list, sizeof list, "*id=%s *flags=b *cmd=blpop*", id);
    for (int i = 0; i < 6; i++) {
        char command[64];
        wire_send(one, i % 2 ? "BLPOP a 0" : "BLPOP a b 0");
        until_blocked(proxy->port, 1);
        wire_expect(two, "CLIENT LIST", list);
        snprintf(command, sizeof command, "CLIENT UNBLOCK %s%s", id, i % 3 ? " ERROR" : "");
        wire_expect(two, command, ":1");
        wire_expect(one, NULL, i % 3 ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK" : "*nil");
        wire_expect(two, command, ":0");
    }
    wire_close(one);
    wire_close(two);
}
END_TEST

/* --- changes while clients wait --- */

static const struct {
    const char *wait, *wake, *reply;
} kinds[] = {
    {"BLPOP %s 30", "RPUSH %s x", "*[$\"*\", $\"x\"]"},
    {"BLMOVE %s %s LEFT LEFT 30", "RPUSH %s x", "$\"x\""},
    {"BZPOPMAX %s 30", "ZADD %s 1 x", "*[$\"*\", $\"x\", $\"1\"]"},
    {"XREAD BLOCK 30000 STREAMS %s $", "XADD %s 7-7 f x", "*[*[$\"*\", *[*[$\"7-7\"*"},
    {"BLPOP %s {another}slot 30", "RPUSH %s x", "*[$\"*\", $\"x\"]"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* One client of each kind waits for keys of that master; change() happens; then each is woken. */
static void through(int master, void (*change)(int master))
{
    struct wire *w[KINDS];
    char keys[KINDS][64];
    for (int i = 0; i < KINDS; i++) {
        snprintf(keys[i], sizeof keys[i], "%s",
                 cluster_key(cluster, cluster_master(cluster, master), "k", i));
        ask_port(proxy->port, "DEL %s", keys[i]);
        w[i] = waits(kinds[i].wait, keys[i]);
    }
    change(master);
    for (int i = 0; i < KINDS; i++) {
        char wake[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(wake, sizeof wake, kinds[i].wake, keys[i]);
#pragma GCC diagnostic pop
        const char *woken = ask_port(proxy->port, wake);
        ck_assert_msg(*woken != '-', "%s: %s", wake, woken);
        wire_expect(w[i], NULL, kinds[i].reply);
        wire_close(w[i]);
    }
}

static void change_failover(int master)
{
    ck_assert(
        cluster_failover(cluster, cluster_replica_of(cluster, cluster_master(cluster, master))));
}

START_TEST(they_wait_on_through_a_failover)
{
    through(0, change_failover);
}
END_TEST

static void change_kill(int master)
{
    cluster_kill(cluster, cluster_master(cluster, master));
}

START_TEST(they_wait_on_when_their_master_dies)
{
    through(1, change_kill);
}
END_TEST

static void change_reshard(int master)
{
    ck_assert(cluster_reshard(
        cluster, cluster_node_at(cluster, cluster_master(cluster, master))->slots - 1,
        cluster_master(cluster, master), cluster_master(cluster, (master + 1) % 3)));
}

START_TEST(they_wait_on_when_their_slots_move)
{
    int from = cluster_master(cluster, 2), to = cluster_master(cluster, 0);
    int slots = cluster_node_at(cluster, from)->slots - 1;
    through(2, change_reshard);
    ck_assert(cluster_reshard(cluster, slots, to, from));
}
END_TEST

START_TEST(a_timeout_spans_a_failover)
{
    char command[64];
    struct wire *w = wire_open(proxy->port);
    snprintf(command, sizeof command, "BLPOP %s 3", key_of(0));
    int64_t begin = now_us();
    wire_send(w, command);
    until_blocked(proxy->port, 1);
    change_failover(0);
    wire_expect(w, NULL, "*nil");
    double off = (double)(now_us() - begin) / 1000 - 3000;
    ck_assert_msg(off > -1, "%f ms too early", -off);
    report_figure("a timeout of 3 s over a failover ends late by", off, 50, "ms");
    wire_close(w);
}
END_TEST

/* --- WAIT --- */

START_TEST(wait_counts_the_least_of_the_masters_written_to)
{
    char set[2][64];
    struct wire *w = wire_open(proxy->port);
    for (int i = 0; i < 2; i++)
        snprintf(set[i], sizeof set[i], "SET %s x", key_of(i));
    wire_expect(w, set[0], "+OK");
    wire_expect(w, "WAIT 1 5000", ":1");
    wire_expect(w, "WAIT x 0", "-ERR value is not an integer or out of range");
    wire_expect(w, "WAIT 1 -1", "-ERR timeout is negative");
    cluster_freeze(cluster, cluster_replica_of(cluster, cluster_master(cluster, 1)));
    wire_expect(w, set[0], "+OK");
    wire_expect(w, "WAIT 1 5000", ":1"); /* it wrote to this one only */
    wire_expect(w, set[1], "+OK");
    wire_expect(w, "WAIT 1 100", ":0");
    cluster_thaw(cluster);
    wire_expect(w, "WAIT 1 10000", ":1");
    wire_close(w);
}
END_TEST

/* --- many --- */

START_TEST(many_wait_at_a_time)
{
    int n = test_full() ? 9000 : 600;
    struct wire **w = calloc((size_t)n, sizeof *w);
    for (int i = 0; i < n; i++) {
        char command[64];
        w[i] = wire_open(proxy->port);
        snprintf(command, sizeof command, "BLPOP list%d 0", i);
        wire_send(w[i], command);
    }
    until_blocked(proxy->port, n);
    int64_t begin = now_us();
    for (int i = 0; i < n; i++)
        ask_port(proxy->port, "RPUSH list%d %d", i, i);
    for (int i = 0; i < n; i++) {
        char want[64];
        snprintf(want, sizeof want, "*[$\"list%d\", $\"%d\"]", i, i);
        wire_expect(w[i], NULL, want);
        wire_close(w[i]);
    }
    report_figure("clients woken one after the other, each", (double)(now_us() - begin) / n, -1,
                  "us");
    free(w);
}
END_TEST

FIXTURE_SUITE("blocking", 60, "--timeout 1", timeouts_are_exact,
              a_client_that_leaves_is_gone_at_the_node,
              unblock_works_over_threads_and_shows_in_the_list, they_wait_on_through_a_failover,
              they_wait_on_when_their_master_dies, they_wait_on_when_their_slots_move,
              a_timeout_spans_a_failover, wait_counts_the_least_of_the_masters_written_to,
              many_wait_at_a_time)
