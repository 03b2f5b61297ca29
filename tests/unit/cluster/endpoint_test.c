/* endpoint_test: an address at which a node is, or may be; the node is played by this test. */
#include "base/log.h"
#include "cluster/endpoint.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID       "0123456789012345678901234567890123456789"
#define OTHER    "9876543210987654321098765432109876543210"
#define NODES    ID " 127.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-100 [93->-" OTHER "]\n"
#define CALM     ID " 127.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-100\n"
#define SERVER   "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n"
#define MASTER   "# Replication\r\nrole:master\r\nmaster_repl_offset:77\r\n"
#define REPLICA  "role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:70\r\n"
#define UNLINKED "role:slave\r\nmaster_link_status:down\r\nslave_repl_offset:71\r\n"

static struct endpoint_env env;
static struct endpoint *e;
static struct health health[TOPOLOGY_MAX_NODES];
static _Atomic bool moving[SLOT_COUNT];
static int listener, peer;
static unsigned changes;

static void on_change(void *ctx)
{
    ck_assert_ptr_eq(ctx, &env);
    changes++;
}

static void set_up(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    ck_assert(log_open("/dev/null"));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&in, len), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&in, &len), 0);
    env = (struct endpoint_env){.loop = ev_loop_new(0),
                                .registry = registry_new(),
                                .config = config_default(),
                                .health = health,
                                .moving = moving,
                                .on_change = on_change,
                                .on_return = on_change,
                                .ctx = &env};
    e = endpoint_new(&env, "127.0.0.1", ntohs(in.sin_port));
    e->wanted = true;
    peer = -1;
}

static void tear_down(void)
{
    endpoint_free(e);
    if (peer >= 0)
        close(peer);
    if (listener >= 0)
        close(listener);
    registry_free(env.registry);
    config_unref((struct config *)env.config);
    ev_loop_destroy(env.loop);
}

/* The node is sent this many commands, which are the last thing that it is sent. */
static void expect_commands(const char *last, unsigned n)
{
    char got[4096] = "";
    size_t len = 0;
    unsigned seen = 0;
    while (seen < n || !strstr(got, last)) {
        ev_run(env.loop, EVRUN_NOWAIT);
        ssize_t more = recv(peer, got + len, sizeof got - 1 - len, MSG_DONTWAIT);
        len += more > 0 ? (size_t)more : 0;
        got[len] = '\0';
        seen = 0;
        for (const char *p = got; (p = strchr(p, '*')); p++)
            seen++;
    }
    ck_assert_uint_eq(seen, n);
}

static void connect_to_peer(void)
{
    endpoint_tick(e, control_clock(), true);
    ck_assert_ptr_nonnull(e->control);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    expect_commands("LIST", 4);
}

static void answer(const char *bytes)
{
    ck_assert_int_eq(write(peer, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

static void answer_text(const char *text)
{
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", strlen(text));
    answer(head);
    answer(text);
    answer("\r\n");
}

/* Everything that the node was asked has been answered and read. */
static void settle(void)
{
    while (e->control && control_unanswered(e->control) > 0)
        ev_run(env.loop, EVRUN_ONCE);
}

static void answer_all(const char *nodes, const char *replication)
{
    answer_text(nodes);
    answer_text(SERVER);
    answer_text(replication);
    answer("*1\r\n*4\r\n$4\r\nname\r\n$4\r\njson\r\n$3\r\nver\r\n:20609\r\n");
    settle();
}

static void ask_and_answer(const char *bytes)
{
    endpoint_ask(e);
    expect_commands("NODES", 1);
    answer(bytes);
    settle();
}

START_TEST(it_learns_who_is_there)
{
    connect_to_peer();
    ck_assert(!endpoint_is_up(e));
    answer_all(NODES, MASTER);
    ck_assert(endpoint_is_up(e));
    ck_assert(!endpoint_is_suspected(e));
    ck_assert_ptr_nonnull(e->view);
    ck_assert_str_eq(registry_id(env.registry, e->node), ID);
    ck_assert_str_eq(e->run_id, "abc");
    ck_assert_str_eq(e->version, "7.0.15");
    ck_assert_str_eq(e->software, "7.0.15 json 20609");
    ck_assert(e->info_known && !e->link_up);
    ck_assert_int_eq(health_get(&health[e->node].offset), 77);
    ck_assert(moving[93] && !moving[94]);
}
END_TEST

START_TEST(what_has_not_changed_is_not_told)
{
    connect_to_peer();
    answer_all(NODES, REPLICA);
    ck_assert(e->link_up);
    changes = 0;
    endpoint_ask(e);
    endpoint_ask(e); /* while an answer is due: once more after it */
    endpoint_ask(e);
    expect_commands("NODES", 1);
    answer_text(NODES);
    expect_commands("NODES", 1);
    answer_text(NODES);
    settle();
    ck_assert_uint_eq(changes, 0);
    endpoint_probe(e);
    endpoint_probe(e); /* an answer is due */
    expect_commands("keyspace", 3);
    answer_text(UNLINKED);
    answer_text("used_memory:5\r\nmaxmemory:9\r\n");
    answer_text("db0:keys=3,expires=0\r\ndb1:keys=4,expires=1\r\n");
    settle();
    ck_assert(!e->link_up);
    ck_assert_uint_eq(changes, 1);
    ck_assert_int_eq(health_get(&health[e->node].keys), 7);
    ck_assert_int_eq(health_get(&health[e->node].memory_limit), 9);
}
END_TEST

START_TEST(slots_are_noted_while_they_move)
{
    connect_to_peer();
    answer_all(NODES, MASTER);
    ck_assert(moving[93]);
    changes = 0;
    endpoint_ask(e);
    expect_commands("NODES", 1);
    answer_text(CALM);
    settle();
    ck_assert(!moving[93]);
    ck_assert_uint_eq(changes, 0); /* the map is the same */
}
END_TEST

START_TEST(a_node_that_loads_or_runs_a_script_is_up)
{
    connect_to_peer();
    answer_all(NODES, MASTER);
    ask_and_answer("-LOADING Redis is loading the dataset in memory\r\n");
    ck_assert(e->loading && !e->busy && endpoint_is_up(e));
    ask_and_answer("-BUSY Redis is busy running a script.\r\n");
    ck_assert(!e->loading && e->busy);
    changes = 0;
    ask_and_answer("-BUSY Redis is busy running a script.\r\n");
    ck_assert_uint_eq(changes, 0);
    endpoint_ask(e);
    expect_commands("NODES", 1);
    answer_text(NODES);
    settle();
    ck_assert(!e->busy);
    ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(what_is_no_map_changes_nothing)
{
    static const char *const replies[] = {"$3\r\nabc\r\n", "+OK\r\n", "*0\r\n", "$-1\r\n",
                                          "-ERR This instance has cluster support disabled\r\n"};
    connect_to_peer();
    answer_all(NODES, MASTER);
    struct view *view = e->view;
    changes = 0;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        ask_and_answer(replies[i]);
    ck_assert_ptr_eq(e->view, view);
    ck_assert_uint_eq(changes, 0);
    ck_assert(endpoint_is_up(e));
}
END_TEST

START_TEST(a_view_that_is_too_old_is_forgotten)
{
    connect_to_peer();
    answer_all(NODES, MASTER);
    changes = 0;
    endpoint_tick(e, e->view_at + 2, true);
    ck_assert_ptr_nonnull(e->view);
    endpoint_tick(e, e->view_at + 1000, true);
    ck_assert_ptr_null(e->view);
    ck_assert_uint_eq(changes, 1);
}
END_TEST

static bool is_down(void)
{
    return e->control == NULL;
}

static void until_down(void)
{
    while (!is_down())
        ev_run(env.loop, EVRUN_ONCE);
}

START_TEST(a_lost_connection_is_replaced_at_once)
{
    connect_to_peer();
    answer_all(NODES, MASTER);
    close(peer);
    until_down();
    ck_assert_ptr_null(e->view);
    ck_assert_uint_eq(e->node, TOPOLOGY_NO_NODE);
    ck_assert(endpoint_is_suspected(e) && !e->refused);
    ck_assert(!endpoint_is_silent(e, e->unwell_since));
    connect_to_peer();
    answer_all(NODES, MASTER);
    ck_assert(!endpoint_is_suspected(e));
    ck_assert_str_eq(registry_id(env.registry, e->node), ID);
}
END_TEST

START_TEST(where_nobody_listens_it_tries_again_after_a_pause)
{
    close(listener);
    listener = -1;
    double now = control_clock();
    endpoint_tick(e, now, true);
    if (e->control)
        until_down();
    ck_assert(e->refused && endpoint_is_silent(e, now));
    endpoint_tick(e, now + 0.01, true);
    ck_assert(is_down());
    ck_assert(e->silent);
    e->wanted = false;
    endpoint_tick(e, now + 1, true);
    ck_assert(is_down());
    e->wanted = true;
    endpoint_tick(e, now + 1, true);
    ck_assert(e->control || e->retry_at > now + 1);
}
END_TEST

START_TEST(silence_is_suspicious_then_certain_and_then_a_reason_to_connect_anew)
{
    connect_to_peer();
    answer_all(NODES, MASTER);
    endpoint_ask(e);
    expect_commands("NODES", 1);
    double since = control_waiting_since(e->control);
    endpoint_tick(e, since + 0.2, true);
    ck_assert(!endpoint_is_suspected(e));
    endpoint_tick(e, since + 0.5, true);
    ck_assert(endpoint_is_suspected(e) && !endpoint_is_silent(e, since + 0.5));
    changes = 0;
    endpoint_tick(e, since + 1.1, true);
    ck_assert(endpoint_is_silent(e, since + 1.1));
    ck_assert_uint_eq(changes, 1);
    endpoint_tick(e, since + 2.5, true);
    ck_assert(is_down());
    ck_assert(endpoint_is_silent(e, since + 2.5));
    close(peer);
    connect_to_peer();
    ck_assert(endpoint_is_silent(e, since + 2.5)); /* until it has answered */
    answer_all(NODES, MASTER);
    ck_assert(!endpoint_is_suspected(e));
}
END_TEST

START_TEST(a_replica_is_behind_what_its_master_had_then)
{
    struct endpoint master = {.nsamples = 0}, replica = {.offset = 100};
    ck_assert(!endpoint_is_behind(&replica, &master, 10, 1000));
    for (int i = 0; i < ENDPOINT_SAMPLES + 4; i++)
        master.samples[master.nsamples++ % ENDPOINT_SAMPLES] = (struct endpoint_sample){
            .at = 900 + 5 * i, .offset = 90 + i};
    /* Offset 101 was reached at 955: that is more than 10 s ago at 966, and not at 960. */
    ck_assert(!endpoint_is_behind(&replica, &master, 10, 960));
    ck_assert(endpoint_is_behind(&replica, &master, 10, 966));
    replica.offset = 109;
    ck_assert(!endpoint_is_behind(&replica, &master, 10, 2000));
}
END_TEST

UNIT_SUITE_WITH("endpoint", set_up, tear_down, {it_learns_who_is_there},
                {what_has_not_changed_is_not_told}, {slots_are_noted_while_they_move},
                {a_node_that_loads_or_runs_a_script_is_up}, {what_is_no_map_changes_nothing},
                {a_view_that_is_too_old_is_forgotten}, {a_lost_connection_is_replaced_at_once},
                {where_nobody_listens_it_tries_again_after_a_pause},
                {silence_is_suspicious_then_certain_and_then_a_reason_to_connect_anew},
                {a_replica_is_behind_what_its_master_had_then})
