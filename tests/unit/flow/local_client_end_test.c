/* local_client_end_test: CLIENT KILL and UNBLOCK: whom they mean, and what they answer. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <unistd.h>

START_TEST(unblock_asks_the_node_and_its_reply_is_the_answer)
{
    int other = flow_client(f);
    char line[64];
    uint64_t id = flow_newest(f)->id - 1;
    snprintf(line, sizeof line, "CLIENT UNBLOCK %llu ERROR", (unsigned long long)id);
    flow_send(f, other, line);
    flow_expect(f, other, ":0\r\n");
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    struct flow_link *lease = f->nodes[NODE_A].last;
    flow_send(f, other, line);
    flow_expect(f, other, ":1\r\n");
    flow_node_serves(f, NODE_A, "CLIENT UNBLOCK 7 ERROR", ":1\r\n");
    flow_expect_nothing(f, c);
    f->nodes[NODE_A].last = lease;
    flow_answer(f, NODE_A, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    flow_expect(f, c, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    close(other);
}
END_TEST

START_TEST(unblock_ends_a_wait_for_a_node_too)
{
    int other = flow_client(f);
    char line[64];
    snprintf(line, sizeof line, "CLIENT UNBLOCK %llu",
             (unsigned long long)(flow_newest(f)->id - 1));
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "BLPOP b 0");
    flow_settle(f);
    flow_send(f, other, line);
    flow_expect(f, other, ":1\r\n");
    flow_expect(f, c, "*-1\r\n");
    flow_node_returns(f, NODE_A);
    flow_send(f, c, "BLMOVE b b LEFT LEFT 0");
    flow_node_gets(f, NODE_A, "CLIENT ID"); /* how the node knows it is not known yet */
    struct flow_link *lease = f->nodes[NODE_A].last;
    flow_send(f, other, line);
    flow_expect(f, other, ":1\r\n");
    flow_answer(f, NODE_A, ":9\r\n");
    flow_node_gets(f, NODE_A, "BLMOVE b b LEFT LEFT 0");
    flow_node_gets(f, NODE_A, "CLIENT UNBLOCK 9 TIMEOUT");
    f->nodes[NODE_A].last = lease;
    flow_answer(f, NODE_A, "*-1\r\n");
    flow_expect(f, c, "*-1\r\n");
    close(other);
}
END_TEST

static unsigned long long id_of_newest(void)
{
    return (unsigned long long)flow_newest(f)->id;
}

START_TEST(a_client_is_killed_by_its_id)
{
    char line[64];
    int other = flow_client(f);
    snprintf(line, sizeof line, "CLIENT KILL ID %llu", id_of_newest());
    flow_send(f, other, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_send(f, c, line);
    flow_expect(f, c, ":1\r\n");
    flow_expect_closed(f, other);
    flow_answer(f, NODE_A, "$1\r\n1\r\n"); /* for nobody any more */
    flow_send(f, c, line);
    flow_expect(f, c, ":0\r\n");
    close(other);
}
END_TEST

START_TEST(who_kills_all_is_spared_unless_it_says_so)
{
    int others[] = {flow_client(f), flow_client(f)};
    flow_send(f, c, "CLIENT KILL TYPE normal", "PING");
    flow_expect(f, c, ":2\r\n+PONG\r\n");
    for (int i = 0; i < 2; i++) {
        flow_expect_closed(f, others[i]);
        close(others[i]);
    }
    flow_send(f, c, "GET b", "CLIENT KILL TYPE normal SKIPME no", "SET b 1");
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    flow_expect(f, c, "$-1\r\n:1\r\n"); /* it gets its replies, that to the kill included */
    flow_expect_closed(f, c);
    flow_node_gets_nothing(f, NODE_A); /* and what follows is dropped */
}
END_TEST

START_TEST(filters_must_all_agree)
{
    char line[100];
    int other = flow_client(f);
    unsigned long long id = id_of_newest();
    static const char *const others[] = {"TYPE pubsub", "MAXAGE 1000", "ADDR 10.0.0.1:5"};
    for (int i = 0; i < 3; i++) {
        snprintf(line, sizeof line, "CLIENT KILL ID %llu %s", id, others[i]);
        flow_send(f, c, line);
        flow_expect(f, c, ":0\r\n");
    }
    flow_send(f, c, "CLIENT KILL 10.0.0.1:5");
    flow_expect(f, c, "-ERR No such client\r\n");
    snprintf(line, sizeof line, "CLIENT KILL USER default ID %llu TYPE normal", id);
    flow_send(f, c, line);
    flow_expect(f, c, ":1\r\n");
    flow_expect_closed(f, other);
    close(other);
}
END_TEST

START_TEST(bad_arguments_kill_nobody)
{
    static const struct flow_case bad[] = {
        {"CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"},
        {"CLIENT KILL ID x", "-ERR client-id should be greater than 0\r\n"},
        {"CLIENT KILL TYPE none", "-ERR Unknown client type 'none'\r\n"},
        {"CLIENT KILL USER nobody", "-ERR No such user 'nobody'\r\n"},
        {"CLIENT KILL MAXAGE 0", "-ERR maxage should be greater than 0\r\n"},
        {"CLIENT KILL SKIPME maybe", "-ERR syntax error\r\n"},
        {"CLIENT KILL TYPE normal ID", "-ERR syntax error\r\n"},
        {"CLIENT KILL TYPE normal NO such", "-ERR syntax error\r\n"},
        {"CLIENT UNBLOCK x", "-ERR value is not an integer or out of range\r\n"},
        {"CLIENT UNBLOCK 1 now", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"},
    };
    int other = flow_client(f);
    flow_asks(c, bad);
    flow_send(f, other, "PING");
    flow_expect(f, other, "+PONG\r\n");
    close(other);
}
END_TEST

UNIT_SUITE_WITH("local_client_end", flow_begin, flow_end,
                {unblock_asks_the_node_and_its_reply_is_the_answer},
                {unblock_ends_a_wait_for_a_node_too}, {a_client_is_killed_by_its_id},
                {who_kills_all_is_spared_unless_it_says_so}, {filters_must_all_agree},
                {bad_arguments_kill_nobody})
