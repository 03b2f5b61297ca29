/* monitor_test: what MONITOR shows and to whom, and the connections on which scripts are heard. */
#include "flow/client.h"
#include "flow/monitor.h"
#include "support/flow_unit.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int m;

static void begin(void)
{
    flow_begin();
    m = flow_client(f);
}

static void end(void)
{
    close(m);
    flow_end();
}

/* A node answers on the connection on which its scripts are heard. */
static void listens(enum flow_node node)
{
    flow_lease_opens(node, "5");
    flow_node_serves(f, node, "MONITOR", "+OK\r\n");
}

static void watch(void)
{
    flow_send(f, m, "MONITOR");
    for (int node = NODE_A; node <= NODE_C; node++)
        listens(node);
    flow_expect(f, m, "+OK\r\n");
}

/* The monitor's next bytes end with this. */
static void expect_line(const char *want)
{
    char line[1000];
    flow_settle(f);
    ssize_t n = recv(m, line, sizeof line - 1, 0);
    ck_assert_int_gt(n, 0);
    line[n] = '\0';
    size_t len = strlen(want);
    ck_assert_msg((size_t)n >= len && strcmp(line + n - len, want) == 0, "%s", line);
}

START_TEST(arguments_are_quoted_and_passwords_hidden)
{
    static const char odd[] = "*2\r\n$4\r\nECHO\r\n$5\r\n\"\\\n\x01\xff\r\n";
    watch();
    flow_send_raw(f, c, odd, sizeof odd - 1);
    expect_line("] \"ECHO\" \"\\\"\\\\\\n\\x01\\xff\"\r\n");
    flow_send(f, c, "AUTH user word");
    expect_line("] \"AUTH\" \"(redacted)\" \"(redacted)\"\r\n");
    flow_send(f, c, "HELLO 2 AUTH user word");
    expect_line("] \"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\"\r\n");
    flow_send(f, c, "CLIENT ID", "CONFIG GET x", "PROXY VERSION", "NOSUCH", "GET");
    expect_line("] \"CLIENT\" \"ID\"\r\n");
}
END_TEST

START_TEST(scripts_are_heard_on_each_master_and_nothing_else_of_theirs)
{
    watch();
    flow_answer(f, NODE_C, "+1.000000 [0 1.2.3.4:5] \"GET\" \"x\"\r\n");
    flow_answer(f, NODE_C, "+1.000000 [0 lua] \"GET\" \"x\"\r\n");
    flow_expect(f, m, "+1.000000 [0 lua] \"GET\" \"x\"\r\n");
    flow_node_cuts(f, NODE_C);
    flow_publish(f);
    flow_lease_opens(NODE_C, "6");
    flow_node_gets(f, NODE_C, "MONITOR");
}
END_TEST

START_TEST(it_is_answered_when_every_master_is_listened_to)
{
    flow_send(f, m, "MONITOR", "RESET");
    listens(NODE_A);
    listens(NODE_B);
    flow_expect_nothing(f, m);
    flow_send(f, c, "PING");
    flow_expect(f, c, "+PONG\r\n");
    flow_expect_nothing(f, m);
    listens(NODE_C);
    flow_expect(f, m, "+OK\r\n+RESET\r\n");
}
END_TEST

START_TEST(a_master_that_can_not_be_listened_to_is_not_waited_for)
{
    flow_send(f, m, "MONITOR");
    listens(NODE_A);
    listens(NODE_B);
    flow_node_gets(f, NODE_C, "CLIENT ID");
    f->nodes[NODE_C].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_expect(f, m, "+OK\r\n");
    f->nodes[NODE_C].flags &= ~TOPOLOGY_SILENT;
    flow_publish(f);
}
END_TEST

static bool one_is_lost(void *arg)
{
    (void)arg;
    return flow_count(f, COUNTER_backends_failed) == 1;
}

START_TEST(a_master_that_refuses_is_not_waited_for)
{
    flow_send(f, m, "MONITOR");
    listens(NODE_A);
    listens(NODE_B);
    flow_node_serves(f, NODE_C, "CLIENT ID", ":5\r\n");
    flow_node_serves(f, NODE_C, "MONITOR", "-BUSY Redis is busy running a script.\r\n");
    flow_until(f, one_is_lost, NULL, "the connection is closed");
    flow_publish(f);
    flow_expect(f, m, "+OK\r\n");
    listens(NODE_C);
}
END_TEST

START_TEST(who_leaves_before_the_answer_leaves_nothing_behind)
{
    flow_send(f, m, "MONITOR");
    listens(NODE_A);
    close(m);
    m = flow_client(f);
    listens(NODE_B);
    listens(NODE_C);
    flow_settle(f);
    ck_assert(!monitor_is_on(f->w));
    watch();
}
END_TEST

START_TEST(what_is_no_line_closes_the_connection)
{
    watch();
    flow_answer(f, NODE_C, ":5\r\n");
    flow_until(f, one_is_lost, NULL, "the connection is closed");
    flow_expect_nothing(f, m);
}
END_TEST

static bool no_links(void *arg)
{
    (void)arg;
    return flow_node_links(f, NODE_A) + flow_node_links(f, NODE_B) + flow_node_links(f, NODE_C) ==
           0;
}

static void expect_no_links(void)
{
    flow_until(f, no_links, NULL, "nobody listens");
}

START_TEST(who_watches_may_not_touch_keys_in_transactions_either)
{
    watch();
    flow_send(f, m, "MULTI", "GET k", "EXEC", "MULTI", "PING", "DISCARD");
    flow_settle(f);
    char text[4000] = "";
    ssize_t n = recv(m, text, sizeof text - 1, 0);
    ck_assert_int_gt(n, 0);
    ck_assert_msg(strstr(text, "-ERR Replica can't interact with the keyspace\r\n"), "%s", text);
    ck_assert_msg(strstr(text, "-EXECABORT Transaction discarded because of previous errors."),
                  "%s", text);
    ck_assert_msg(!strstr(text, "nested"), "%s", text);
    ck_assert_msg(strstr(text, "] \"EXEC\"\r\n"), "%s", text);
    flow_send(f, c, "MULTI", "MONITOR", "SSUBSCRIBE x", "EXEC");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"
                "-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n"
                "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n");
}
END_TEST

START_TEST(watching_is_not_idling)
{
    end();
    f = flow_start("timeout 1\n");
    c = flow_client(f);
    m = flow_client(f);
    watch();
    for (struct client *each = f->w->clients; each; each = each->next)
        each->active -= 10;
    ev_invoke(f->w->loop, &f->w->slow_timer, EV_TIMER);
    flow_expect_closed(f, c);
    ck_assert_ptr_nonnull(f->w->clients);
}
END_TEST

START_TEST(nobody_listens_when_nobody_watches)
{
    watch();
    flow_send(f, m, "RESET");
    flow_expect(f, m, "+RESET\r\n");
    expect_no_links();
    flow_send(f, c, "PING");
    flow_expect_nothing(f, m);
    watch();
    close(m);
    expect_no_links();
    m = flow_client(f);
}
END_TEST

UNIT_SUITE_WITH("monitor", begin, end, {arguments_are_quoted_and_passwords_hidden},
                {scripts_are_heard_on_each_master_and_nothing_else_of_theirs},
                {it_is_answered_when_every_master_is_listened_to},
                {a_master_that_can_not_be_listened_to_is_not_waited_for},
                {a_master_that_refuses_is_not_waited_for},
                {who_leaves_before_the_answer_leaves_nothing_behind},
                {what_is_no_line_closes_the_connection},
                {who_watches_may_not_touch_keys_in_transactions_either}, {watching_is_not_idling},
                {nobody_listens_when_nobody_watches})
