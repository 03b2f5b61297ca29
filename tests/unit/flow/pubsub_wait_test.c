/* pubsub_wait_test: SUBSCRIBE is answered when nodes have confirmed all of it: each name in its
 * place, several commands by one question. */
#include "support/pubsub_unit.h"
#include <unistd.h>

START_TEST(each_name_is_confirmed_in_its_place_with_its_count)
{
    flow_send(f, a, "SUBSCRIBE x y x", "PSUBSCRIBE p*", "UNSUBSCRIBE", "PUNSUBSCRIBE",
              "UNSUBSCRIBE", "UNSUBSCRIBE nosuch", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", SUBSCRIBED("1\r\ny", 2));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1) SUBSCRIBED("1\r\ny", 2) SUBSCRIBED("1\r\nx", 2));
    flow_node_serves(f, NODE_A, "PSUBSCRIBE p*", CONFIRMED("10\r\npsubscribe", "2\r\np*", 3));
    flow_expect(f, a,
                CONFIRMED("10\r\npsubscribe", "2\r\np*", 3) UNSUBSCRIBED("1\r\nx", 2)
                    UNSUBSCRIBED("1\r\ny", 1) CONFIRMED(
                        "12\r\npunsubscribe", "2\r\np*",
                        0) "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n" UNSUBSCRIBED("6\r\nnosuch",
                                                                                    0) "+PONG\r\n");
}
END_TEST

START_TEST(commands_of_one_turn_share_a_confirmation)
{
    enum { CLIENTS = 5 };
    int clients[CLIENTS];
    static const char command[] = "SUBSCRIBE x\r\n";
    pubsub_subscribe_x(a);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = flow_client(f);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(write(clients[i], command, sizeof command - 1), sizeof command - 1);
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_gets_nothing(f, NODE_A);
    for (int i = 0; i < CLIENTS; i++) {
        flow_expect(f, clients[i], SUBSCRIBED("1\r\nx", 1));
        close(clients[i]);
    }
}
END_TEST

UNIT_SUITE_WITH("pubsub_wait", pubsub_begin, pubsub_end,
                {each_name_is_confirmed_in_its_place_with_its_count},
                {commands_of_one_turn_share_a_confirmation})
