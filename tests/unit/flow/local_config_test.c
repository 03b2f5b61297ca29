/* local_config_test: CONFIG GET and SET as of one server: what is slotway's, what is the nodes',
 * what is both's, and that a change is made everywhere or nowhere. */
#include "base/event.h"
#include "flow/slowlog.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAILED(name, why)                                                                          \
    "-ERR CONFIG SET failed (possibly related to argument '" name "') - " why "\r\n"
#define IMMUTABLE(name) FAILED(name, "can't set immutable config")
#define NO_INT(name)    FAILED(name, "argument couldn't be parsed into an integer")
#define OK3             "+OK\r\n", "+OK\r\n", "+OK\r\n"

/* --- GET --- */

/* The client sends a CONFIG GET, one master (any) gets it, and no other, and answers so. */
static void get(const char *line, const char *answer, const char *want)
{
    flow_send(f, c, line);
    flow_answer(f, flow_any_gets(line), answer);
    flow_expect(f, c, want);
    for (int i = 0; i < FLOW_NODES; i++)
        flow_node_gets_nothing(f, (enum flow_node)i);
}

START_TEST(a_nodes_values_are_shown_but_for_slotways_own)
{
    flow_again("maxclients 77\nproto-max-bulk-len 2mb\n");
    get("CONFIG GET *max*",
        "*6\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n"
        "$18\r\nproto-max-bulk-len\r\n$3\r\n999\r\n",
        "*6\r\n$10\r\nmaxclients\r\n$2\r\n77\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n"
        "$18\r\nproto-max-bulk-len\r\n$3\r\n999\r\n");
    get("CONFIG GET nosuch", "*0\r\n", "*0\r\n");
}
END_TEST

START_TEST(resp3_clients_get_a_map)
{
    flow_hello(c, 3);
    flow_send(f, c, "CONFIG GET x");
    enum flow_node node = flow_any_gets("HELLO 3"); /* a connection of that protocol */
    flow_answer(f, node, "%0\r\n");
    flow_node_serves(f, node, "CONFIG GET x", "%0\r\n");
    flow_expect(f, c, "%0\r\n");
    get("CONFIG GET a b", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$0\r\n\r\n",
        "%2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$0\r\n\r\n");
    get("CONFIG GET a", "%1\r\n$1\r\na\r\n$1\r\n1\r\n", "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
}
END_TEST

START_TEST(the_password_is_that_of_clients_and_no_nodes)
{
    flow_again("requirepass mine\nauth-password theirs\n");
    flow_send(f, c, "AUTH mine");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "CONFIG GET requirepass");
    enum flow_node node = flow_any_gets("AUTH theirs");
    flow_answer(f, node, "+OK\r\n");
    flow_node_serves(f, node, "CONFIG GET requirepass",
                     "*2\r\n$11\r\nrequirepass\r\n$6\r\ntheirs\r\n");
    flow_expect(f, c, "*2\r\n$11\r\nrequirepass\r\n$4\r\nmine\r\n");
}
END_TEST

START_TEST(what_is_no_list_of_names_and_values_is_an_error)
{
    static const char *const odd[] = {"+OK\r\n", ":4\r\n", "*2\r\n$1\r\na\r\n$-1\r\n",
                                      "*2\r\n$-1\r\n$1\r\na\r\n"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        get("CONFIG GET a", odd[i], "-ERR slotway can't merge what the nodes answered\r\n");
    get("CONFIG GET a", "-ERR of the node\r\n", "-ERR of the node\r\n");
}
END_TEST

/* --- SET --- */

START_TEST(slotways_own_are_set_here_and_no_node_hears_of_them)
{
    static const struct flow_case good[] = {
        {"CONFIG SET timeout 7", "+OK\r\n"},
        {"config set MAXCLIENTS 55 slowlog-max-len 12", "+OK\r\n"},
        {"CONFIG SET slowlog-log-slower-than -1 tcp-keepalive 0 protected-mode NO", "+OK\r\n"},
    };
    flow_asks(c, good);
    const struct config *config = f->w->config;
    ck_assert_uint_eq(config->timeout, 7);
    ck_assert_uint_eq(config->maxclients, 55);
    ck_assert_uint_eq(config->slowlog_max_len, 12);
    ck_assert_int_eq(config->slowlog_log_slower_than, -1);
    ck_assert_uint_eq(config->tcp_keepalive, 0);
    ck_assert(!config->protected_mode);
}
END_TEST

/* The latest entry of the slow log is this request. */
static void is_slow(const char *request)
{
    const struct slowlog_entry *newest = f->w->slowlog->newest;
    ck_assert_ptr_nonnull(newest);
    ck_assert_msg(memmem(newest->reply, newest->len, request, strlen(request)) != NULL, "%.*s",
                  (int)newest->len, newest->reply);
}

/* The threshold counts that the command itself has set, and passwords are not told. */
START_TEST(the_slow_log_has_what_is_set_here)
{
    static const struct flow_case all[] = {{"CONFIG SET slowlog-log-slower-than 0", "+OK\r\n"}};
    static const struct flow_case secret[] = {{"CONFIG SET requirepass x", "+OK\r\n"}};
    static const struct flow_case none[] = {{"CONFIG SET timeout 3", "+OK\r\n"},
                                            {"CONFIG SET slowlog-log-slower-than -1", "+OK\r\n"}};
    flow_asks(c, all);
    is_slow("*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$23\r\nslowlog-log-slower-than\r\n$1\r\n0\r\n");
    ck_assert_uint_eq(f->w->slowlog->count, 1);
    flow_asks(c, secret);
    is_slow("$11\r\nrequirepass\r\n$10\r\n(redacted)\r\n");
    flow_asks(c, none);
    is_slow("$7\r\ntimeout\r\n$1\r\n3\r\n");
    ck_assert_uint_eq(f->w->slowlog->count, 3);
}
END_TEST

START_TEST(the_nodes_are_set_on_all_masters_and_not_here)
{
    flow_merges("CONFIG SET maxmemory 1mb", OK3, "+OK\r\n");
    flow_merges("CONFIG SET maxmemory x", "+OK\r\n", "-ERR bad\r\n", "+OK\r\n", "-ERR bad\r\n");
    flow_merges("CONFIG SET nosuch x maxmemory 1", "-ERR Unknown option\r\n", "+OK\r\n", "+OK\r\n",
                "-ERR Unknown option\r\n");
    ck_assert_ptr_eq(f->process.config, f->config);
}
END_TEST

/* c sends line; each node gets `theirs` and answers so, the last one NODE_B. */
static void set(const char *line, const char *theirs, const char *answer, const char *want)
{
    flow_send(f, c, line);
    flow_node_serves(f, NODE_A, theirs, answer);
    flow_node_serves(f, NODE_C, theirs, answer);
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_B, theirs, answer);
    flow_expect(f, c, want);
}

START_TEST(slotways_part_follows_when_all_masters_have_taken_theirs)
{
    flow_send(f, c, "CONFIG SET maxmemory 1 timeout 9 hz 20", "GET b");
    flow_node_serves(f, NODE_A, "CONFIG SET maxmemory 1 hz 20", "+OK\r\n");
    flow_node_serves(f, NODE_B, "CONFIG SET maxmemory 1 hz 20", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    ck_assert_uint_ne(f->w->config->timeout, 9);
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_C, "CONFIG SET maxmemory 1 hz 20", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n$-1\r\n");
    ck_assert_uint_eq(f->w->config->timeout, 9);
    set("CONFIG SET maxmemory x timeout 10", "CONFIG SET maxmemory x", "-ERR bad\r\n",
        "-ERR bad\r\n");
    ck_assert_uint_eq(f->w->config->timeout, 9);
}
END_TEST

START_TEST(a_limit_of_both_is_set_here_and_there)
{
    set("CONFIG SET proto-max-bulk-len 2mb", "CONFIG SET proto-max-bulk-len 2mb", "+OK\r\n",
        "+OK\r\n");
    ck_assert_uint_eq(f->w->config->proto_max_bulk_len, 2 << 20);
    set("CONFIG SET Client-Query-Buffer-Limit 3mb", "CONFIG SET Client-Query-Buffer-Limit 3mb",
        "+OK\r\n", "+OK\r\n");
    ck_assert_uint_eq(f->w->config->client_query_buffer_limit, 3 << 20);
    /* what is wrong with it, nodes say */
    set("CONFIG SET proto-max-bulk-len 1 timeout 5", "CONFIG SET proto-max-bulk-len 1",
        "-ERR too small\r\n", "-ERR too small\r\n");
    ck_assert_uint_eq(f->w->config->proto_max_bulk_len, 2 << 20);
    ck_assert_uint_ne(f->w->config->timeout, 5);
    /* if they say nothing is, it is theirs alone */
    set("CONFIG SET proto-max-bulk-len 1 timeout 6", "CONFIG SET proto-max-bulk-len 1", "+OK\r\n",
        "+OK\r\n");
    ck_assert_uint_eq(f->w->config->proto_max_bulk_len, 2 << 20);
    ck_assert_uint_eq(f->w->config->timeout, 6);
}
END_TEST

START_TEST(bad_values_change_nothing_anywhere)
{
    static const struct flow_case bad[] = {
        {"CONFIG SET timeout", "-ERR wrong number of arguments for 'config|set' command\r\n"},
        {"CONFIG SET timeout 5 maxmemory", "-ERR syntax error\r\n"},
        {"CONFIG SET timeout x", NO_INT("timeout")},
        {"CONFIG SET timeout ", NO_INT("timeout")},
        {"CONFIG SET maxmemory 1 TIMEOUT x", NO_INT("timeout")},
        {"CONFIG SET timeout 5 maxclients x maxmemory 1", NO_INT("maxclients")},
        {"CONFIG SET protected-mode maybe",
         FAILED("protected-mode", "argument must be 'yes' or 'no'")},
        {"CONFIG SET timeout 5 timeout 6", FAILED("timeout", "duplicate parameter")},
        {"CONFIG SET timeout 5 TIMEOUT x", FAILED("TIMEOUT", "duplicate parameter")},
        {"CONFIG SET timeout 5 unixsocket /x", IMMUTABLE("unixsocket")},
        {"CONFIG SET TCP-backlog 1", IMMUTABLE("TCP-backlog")},
        {"CONFIG SET unixsocketperm 770", IMMUTABLE("unixsocketperm")},
        {"CONFIG SET tls-port 1", IMMUTABLE("tls-port")},
        {"CONFIG SET bind 1.2.3.4", IMMUTABLE("bind")},
        {"CONFIG SET port 1", FAILED("port", "Unable to listen on this port. slotway's listeners "
                                             "are fixed at its start")},
    };
    flow_asks(c, bad);
    ck_assert_ptr_eq(f->process.config, f->config);
}
END_TEST

START_TEST(what_is_out_of_range_is_told_with_the_range)
{
    char reply[300] = "";
    flow_send(f, c, "CONFIG SET timeout -1");
    flow_settle(f);
    ck_assert_int_gt(read(c, reply, sizeof reply - 1), 0);
    ck_assert_msg(strncmp(reply, FAILED("timeout", ""), strlen(FAILED("timeout", "")) - 2) == 0 &&
                      strstr(reply, "-1") && strstr(reply, "0"),
                  "%s", reply);
    ck_assert_ptr_eq(f->process.config, f->config);
}
END_TEST

START_TEST(what_is_fixed_at_the_start_may_be_set_to_what_it_is)
{
    static const struct flow_case same[] = {{"CONFIG SET port 5123 tcp-backlog 88", "+OK\r\n"},
                                            {"CONFIG SET port 5123 timeout 5", "+OK\r\n"}};
    flow_again("port 5123\ntcp-backlog 88\n");
    flow_asks(c, same);
    ck_assert_uint_eq(f->w->config->timeout, 5);
    ck_assert_uint_eq(f->w->config->port, 5123);
}
END_TEST

START_TEST(what_names_one_node_is_not_set_on_all)
{
    static const char *const names[] = {"ip", "port", "bus-port", "hostname", "tls-port"};
    char line[100], reply[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct flow_case bad[] = {{line, reply}};
        sprintf(line, "CONFIG SET timeout 5 cluster-announce-%s 7", names[i]);
        sprintf(reply,
                FAILED("cluster-announce-%s",
                       "each node of the cluster has its own: set it on the node itself"),
                names[i]);
        flow_asks(c, bad);
    }
    /* to say nothing is the same for all */
    flow_merges("CONFIG SET cluster-announce-ip ", OK3, "+OK\r\n");
    flow_merges("CONFIG SET cluster-announce-port 0", OK3, "+OK\r\n");
    ck_assert_ptr_eq(f->process.config, f->config);
}
END_TEST

START_TEST(changes_are_noted_and_passwords_not_told)
{
    static struct event events[EVENT_KEPT];
    static const struct flow_case good[] = {
        {"CONFIG SET timeout 31 requirepass opensesame", "+OK\r\n"}};
    uint64_t before = event_changed();
    flow_asks(c, good);
    ck_assert_str_eq(f->w->config->requirepass, "opensesame");
    ck_assert_uint_eq(event_copy(events, before), 2);
    ck_assert_str_eq(events[1].text, "timeout set to 31 by a client");
    ck_assert_str_eq(events[0].text, "requirepass set to another value by a client");
    ck_assert_int_eq(events[0].kind, EVENT_CONFIG);
    ck_assert_int_eq(events[0].severity, EVENT_INFO);
}
END_TEST

START_TEST(a_value_ends_where_its_bytes_do)
{
    static const char bytes[] = "CONFIG SET timeout 31 requirepass \"open\\x00sesame\"\r\n";
    flow_send_raw(f, c, bytes, sizeof bytes - 1);
    flow_expect(f, c,
                "-ERR CONFIG SET failed (possibly related to argument 'requirepass') - a NUL byte "
                "can't be part of it\r\n");
    ck_assert_ptr_eq(f->process.config, f->config);
}
END_TEST

START_TEST(whoever_leaves_before_the_answer_has_still_changed_it)
{
    flow_send(f, c, "CONFIG SET timeout 9 maxmemory 1");
    flow_node_serves(f, NODE_A, "CONFIG SET maxmemory 1", "+OK\r\n");
    flow_node_serves(f, NODE_B, "CONFIG SET maxmemory 1", "+OK\r\n");
    close(c);
    c = -1;
    flow_settle(f);
    flow_node_serves(f, NODE_C, "CONFIG SET maxmemory 1", "+OK\r\n");
    flow_settle(f);
    ck_assert_uint_eq(f->w->config->timeout, 9);
}
END_TEST

START_TEST(resetstat_is_for_nodes_and_slotway)
{
    ck_assert_uint_eq(f->process.accepted_before, 0);
    flow_merges("CONFIG RESETSTAT", OK3, "+OK\r\n");
    ck_assert_uint_eq(f->process.accepted_before, 1);
    flow_merges("CONFIG REWRITE", "+OK\r\n", "-ERR no file\r\n", "+OK\r\n", "-ERR no file\r\n");
}
END_TEST

UNIT_SUITE_WITH(
    "local_config", flow_begin, flow_end, {a_nodes_values_are_shown_but_for_slotways_own},
    {resp3_clients_get_a_map}, {the_password_is_that_of_clients_and_no_nodes},
    {what_is_no_list_of_names_and_values_is_an_error},
    {slotways_own_are_set_here_and_no_node_hears_of_them}, {the_slow_log_has_what_is_set_here},
    {the_nodes_are_set_on_all_masters_and_not_here},
    {slotways_part_follows_when_all_masters_have_taken_theirs},
    {a_limit_of_both_is_set_here_and_there}, {bad_values_change_nothing_anywhere},
    {what_is_out_of_range_is_told_with_the_range},
    {what_is_fixed_at_the_start_may_be_set_to_what_it_is}, {what_names_one_node_is_not_set_on_all},
    {changes_are_noted_and_passwords_not_told}, {a_value_ends_where_its_bytes_do},
    {whoever_leaves_before_the_answer_has_still_changed_it}, {resetstat_is_for_nodes_and_slotway})
