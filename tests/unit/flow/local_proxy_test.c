/* local_proxy_test: PROXY: slotway's configuration, its figures, and its view of the cluster. */
#include "base/event.h"
#include "cluster/discovery_state.h"
#include "support/flow_unit.h"
#include "version.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OK         "+OK\r\n"
#define ARITY(sub) "-ERR wrong number of arguments for 'proxy|" sub "' command\r\n"

/* --- CONFIG --- */

START_TEST(directives_are_found_by_their_names)
{
    static const struct flow_case cases[] = {
        {"PROXY CONFIG GET port", "*2\r\n$4\r\nport\r\n$4\r\n5019\r\n"},
        {"proxy config get MAX-PIPE*", "*2\r\n$12\r\nmax-pipeline\r\n$2\r\n77\r\n"},
        {"PROXY CONFIG GET port max-pipelin?",
         "*4\r\n$4\r\nport\r\n$4\r\n5019\r\n$12\r\nmax-pipeline\r\n$2\r\n77\r\n"},
        {"PROXY CONFIG GET nosuch", "*0\r\n"},
        {"PROXY CONFIG GET maxmemory", "*0\r\n"}, /* the nodes' own */
    };
    static const struct flow_case resp3[] = {
        {"PROXY CONFIG GET port", "%1\r\n$4\r\nport\r\n$4\r\n5019\r\n"},
        {"PROXY CONFIG GET nosuch", "%0\r\n"},
    };
    flow_again("port 5019\nmax-pipeline 77\n");
    flow_asks(c, cases);
    flow_hello(c, 3);
    flow_asks(c, resp3);
}
END_TEST

START_TEST(passwords_are_hidden_unless_there_is_none)
{
    static const struct flow_case cases[] = {
        {"PROXY CONFIG GET requirepass auth-password",
         "*4\r\n$11\r\nrequirepass\r\n$0\r\n\r\n$13\r\nauth-password\r\n$8\r\n********\r\n"},
    };
    flow_again("auth-password sesame\n");
    flow_asks(c, cases);
    flow_send(f, c, "PROXY CONFIG GET *");
    ck_assert_ptr_null(strstr(flow_received(c), "sesame"));
}
END_TEST

START_TEST(directives_are_set_all_or_none)
{
    static struct event events[EVENT_KEPT];
    static const struct flow_case good[] = {{"PROXY CONFIG SET max-pipeline 18 timeout 19", OK}};
    static const struct flow_case others[] = {
        {"PROXY CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$2\r\n19\r\n"},
        {"PROXY CONFIG SET timeouts x", "-ERR PROXY CONFIG SET failed: unknown directive "
                                        "\"timeouts\"; did you mean \"timeout\"?\r\n"},
        {"PROXY CONFIG SET timeout 20 max-pipeline 17 port 1",
         "-ERR PROXY CONFIG SET failed: port cannot change while slotway runs\r\n"},
    };
    uint64_t before = event_changed();
    flow_asks(c, good);
    ck_assert_uint_eq(event_copy(events, before), 2);
    flow_asks(c, others);
    ck_assert_uint_eq(f->w->config->max_pipeline, 18);
    ck_assert_uint_eq(f->w->config->timeout, 19);
}
END_TEST

START_TEST(a_value_ends_where_its_bytes_do)
{
    static const char bytes[] = "PROXY CONFIG SET timeout 21 requirepass \"open\\x00sesame\"\r\n";
    flow_send_raw(f, c, bytes, sizeof bytes - 1);
    flow_expect(f, c,
                "-ERR PROXY CONFIG SET failed: requirepass: a NUL byte can't be part of it\r\n");
    ck_assert_ptr_eq(f->process.config, f->config);
}
END_TEST

/* --- the cluster --- */

/* Nodes have the ids 1 to 6 and ports of their own. */
#define N(n)    "000000000000000000000000000000000000000" n
#define PORT(i) f->nodes[i].port

START_TEST(nodes_are_listed_with_their_state)
{
    char want[2000], bulk[2100];
    struct topology *t;
    f->nodes[NODE_A].flags |= TOPOLOGY_FAIL | TOPOLOGY_SILENT;
    f->nodes[REPLICA_B].flags |= TOPOLOGY_PFAIL | TOPOLOGY_LAGGING | TOPOLOGY_LOADING;
    f->nodes[NODE_C].flags |= TOPOLOGY_BUSY;
    flow_publish(f);
    t = f->w->topology;
    strcpy(t->nodes[NODE_B].version, "7.0.15");
    t->nodes[NODE_B].epoch = 12;
    snprintf(
        want, sizeof want,
        N("1") " 127.0.0.1:%u master,fail,silent - slots=5462 epoch=0 version=?\n" N(
            "2") " 127.0."
                 "0.1:%u "
                 "master "
                 "- "
                 "slots="
                 "5461 "
                 "epoch="
                 "12 "
                 "version="
                 "7.0."
                 "15\n" N("3") " 127.0.0.1:%u master,busy - slots=5461 epoch=0 version=?\n" N("4") " 127.0.0.1:%u replica " N(
                     "1") " slots=0 epoch=0 version=?\n" N("5") " 127.0.0.1:%u "
                                                                "replica,fail?,lagging,"
                                                                "loading " N(
                                                                    "2") " slots=0 "
                                                                         "epoch=0 "
                                                                         "version=?"
                                                                         "\n" N("6") " 127.0.0.1:%"
                                                                                     "u replica " N(
                                                                                         "3") " slo"
                                                                                              "ts="
                                                                                              "0 "
                                                                                              "epoc"
                                                                                              "h=0 "
                                                                                              "vers"
                                                                                              "ion="
                                                                                              "?\n",
        PORT(0), PORT(1), PORT(2), PORT(3), PORT(4), PORT(5));
    snprintf(bulk, sizeof bulk, "$%zu\r\n%s\r\n", strlen(want), want);
    flow_send(f, c, "PROXY NODES");
    flow_expect(f, c, bulk);
    flow_hello(c, 3);
    snprintf(bulk, sizeof bulk, "=%zu\r\ntxt:%s\r\n", strlen(want) + 4, want);
    flow_send(f, c, "PROXY NODES");
    flow_expect(f, c, bulk);
}
END_TEST

/* A range of slots with its owner and, if there is one, its replica, at the end of out. */
static void put_range(char *out, size_t cap, unsigned first, unsigned last, int owner, int replica)
{
    size_t at = strlen(out);
    at += (size_t)snprintf(out + at, cap - at, "*%d\r\n:%u\r\n:%u\r\n", replica < 0 ? 3 : 4, first,
                           last);
    const int nodes[] = {owner, replica};
    for (int i = 0; i < 2 && nodes[i] >= 0; i++)
        at += (size_t)snprintf(out + at, cap - at,
                               "*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$40\r\n%040d\r\n", PORT(nodes[i]),
                               nodes[i] + 1);
}

START_TEST(slots_are_those_of_the_nodes)
{
    char want[2000] = "*3\r\n";
    put_range(want, sizeof want, 0, 5461, NODE_A, REPLICA_A);
    put_range(want, sizeof want, 5462, 10922, NODE_B, REPLICA_B);
    put_range(want, sizeof want, 10923, 16383, NODE_C, REPLICA_C);
    flow_send(f, c, "PROXY SLOTS");
    flow_expect(f, c, want);
    f->owner[0] = f->owner[16383] = NODE_B; /* ranges of one slot, at both ends */
    f->owner[5] = f->owner[6] = FLOW_NODES; /* and a gap */
    f->nodes[REPLICA_C].hidden = true;
    flow_publish(f);
    strcpy(want, "*6\r\n");
    put_range(want, sizeof want, 0, 0, NODE_B, REPLICA_B);
    put_range(want, sizeof want, 1, 4, NODE_A, REPLICA_A);
    put_range(want, sizeof want, 7, 5461, NODE_A, REPLICA_A);
    put_range(want, sizeof want, 5462, 10922, NODE_B, REPLICA_B);
    put_range(want, sizeof want, 10923, 16382, NODE_C, -1);
    put_range(want, sizeof want, 16383, 16383, NODE_B, REPLICA_B);
    flow_send(f, c, "PROXY SLOTS");
    flow_expect(f, c, want);
}
END_TEST

START_TEST(without_nodes_there_is_nothing_to_list)
{
    static const struct flow_case cases[] = {{"PROXY NODES", "$0\r\n\r\n"},
                                             {"PROXY SLOTS", "*0\r\n"}};
    for (int i = 0; i < FLOW_NODES; i++)
        f->nodes[i].hidden = true;
    flow_publish(f);
    flow_asks(c, cases);
}
END_TEST

static unsigned hints;

static void on_hint(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    hints++;
}

START_TEST(refresh_tells_discovery)
{
    static const struct flow_case cases[] = {{"PROXY REFRESH", OK}};
    static struct discovery discovery;
    discovery.loop = f->w->loop;
    ev_async_init(&discovery.hint, on_hint);
    ev_async_start(discovery.loop, &discovery.hint);
    f->process.discovery = &discovery;
    flow_asks(c, cases);
    ck_assert_uint_eq(hints, 1);
    f->process.discovery = NULL;
    ev_async_stop(discovery.loop, &discovery.hint);
}
END_TEST

/* --- itself --- */

START_TEST(what_it_is)
{
    static const struct flow_case cases[] = {
        {"PROXY", "-ERR wrong number of arguments for 'proxy' command\r\n"},
        {"PROXY nosuch", "-ERR unknown subcommand 'nosuch'. Try PROXY HELP.\r\n"},
        {"PROXY NODES x", ARITY("nodes")},
        {"PROXY CONFIG", ARITY("config")},
        {"PROXY CONFIG GET", ARITY("config|get")},
        {"PROXY CONFIG SET", ARITY("config|set")},
        {"PROXY CONFIG SET timeout", ARITY("config|set")},
        {"PROXY CONFIG SET timeout 1 port", ARITY("config|set")},
        {"PROXY CONFIG nosuch", "-ERR unknown subcommand 'nosuch'. Try PROXY HELP.\r\n"},
    };
    char version[40];
    snprintf(version, sizeof version, "$%zu\r\n%s\r\n", strlen(SLOTWAY_VERSION), SLOTWAY_VERSION);
    flow_asks(c, cases);
    flow_send(f, c, "PROXY VERSION");
    flow_expect(f, c, version);
    flow_send(f, c, "PROXY INFO");
    const char *got = flow_received(c);
    flow_contains(got, "\r\n# slotway\r\n", "\r\nslotway_clients:1\r\n");
    ck_assert_msg(got[0] == '$', "%s", got);
    flow_send(f, c, "PROXY HELP");
    flow_contains(flow_received(c), "+CONFIG GET <pattern> [<pattern> ...]\r",
                  "+CONFIG SET <directive> <value> [<directive> <value> ...]\r", "+INFO\r",
                  "+NODES\r", "+REFRESH\r", "+SLOTS\r", "+VERSION\r", "+HELP\r");
}
END_TEST

UNIT_SUITE_WITH("local_proxy", flow_begin, flow_end, {directives_are_found_by_their_names},
                {passwords_are_hidden_unless_there_is_none}, {directives_are_set_all_or_none},
                {a_value_ends_where_its_bytes_do}, {nodes_are_listed_with_their_state},
                {slots_are_those_of_the_nodes}, {without_nodes_there_is_nothing_to_list},
                {refresh_tells_discovery}, {what_it_is})
