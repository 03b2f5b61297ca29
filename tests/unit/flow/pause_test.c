/* pause_test: CLIENT PAUSE: what is held back, by whom, and until when. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <unistd.h>

START_TEST(client_pause_holds_writes_back_until_it_is_over)
{
    int other = flow_client(f);
    flow_send(f, c, "CLIENT PAUSE 100 WRITE");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, other, "GET b", "SET b 1", "PING");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, other, "+1\r\n");
    flow_node_gets_nothing(f, NODE_A);
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, other, "+OK\r\n+PONG\r\n");
    close(other);
}
END_TEST

START_TEST(client_unpause_ends_a_pause)
{
    int other = flow_client(f);
    flow_send(f, c, "CLIENT PAUSE 100000");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, other, "PING", "GET b");
    flow_node_gets_nothing(f, NODE_A);
    flow_expect_nothing(f, other);
    flow_send(f, c, "CLIENT UNPAUSE");
    flow_expect(f, c, "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, other, "+PONG\r\n+1\r\n");
    close(other);
}
END_TEST

static Suite *pause_suite(void)
{
    Suite *suite = suite_create("pause");
    TCase *t = tcase_create("pause");
    tcase_add_checked_fixture(t, flow_begin, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, client_pause_holds_writes_back_until_it_is_over);
    tcase_add_test(t, client_unpause_ends_a_pause);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(pause_suite)
