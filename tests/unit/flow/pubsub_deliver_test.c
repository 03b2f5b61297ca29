/* pubsub_deliver_test: messages to many clients, of any size, over several turns of the loop, while
 * clients come, leave or do not read. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(both_protocols_get_messages_of_any_size)
{
    enum { SIZE = 300000 };
    char *text = flow_pattern(SIZE), *message = malloc(SIZE + 100);
    size_t head = (size_t)sprintf(message, "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$%d\r\n", SIZE);
    memcpy(message + head, text, SIZE);
    memcpy(message + head + SIZE, "\r\n", 2);
    flow_hello(b, 3);
    pubsub_subscribe_x(a);
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, b, ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
    flow_answer_bytes(f, NODE_A, message, head + SIZE + 2);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n2"));
    strcpy(message + head + SIZE + 2, MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect_bytes(f, a, message, head + SIZE + 2 + strlen(MESSAGE("1\r\nx", "1\r\n2")));
    message[0] = message[head + SIZE + 2] = '>';
    flow_expect_bytes(f, b, message, head + SIZE + 2 + strlen(MESSAGE("1\r\nx", "1\r\n2")));
    free(text);
    free(message);
}
END_TEST

/* The node sends messages; go on until the first of them are waiting to be handed out. */
static void answer_and_queue(const char *messages)
{
    ssize_t len = (ssize_t)strlen(messages);
    ck_assert_int_eq(write(f->nodes[NODE_A].last->fd, messages, (size_t)len), len);
    while (!f->w->pubsub->queue)
        flow_turn(f);
}

START_TEST(many_subscribers_are_served_over_several_turns)
{
    enum { CLIENTS = 20 };
    int clients[CLIENTS];
    pubsub_subscribe_x(a);
    pubsub_join_x(b);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = flow_client(f);
        pubsub_join_x(clients[i]);
    }
    f->w->pubsub->per_turn = 3;
    answer_and_queue(MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    close(clients[7]); /* leaves in the middle */
    close(clients[CLIENTS - 1]);
    int late = flow_client(f);
    pubsub_join_x(late);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, late, MESSAGE("1\r\nx", "1\r\n3"));
    for (int i = 0; i < CLIENTS - 1; i++)
        if (i != 7) {
            flow_expect(f, clients[i],
                        MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2")
                            MESSAGE("1\r\nx", "1\r\n3"));
            close(clients[i]);
        }
    ck_assert_ptr_null(f->w->pubsub->queue);
    close(late);
}
END_TEST

START_TEST(everybody_leaves_while_messages_are_handed_out)
{
    pubsub_subscribe_x(a);
    pubsub_join_x(b);
    f->w->pubsub->per_turn = 1;
    answer_and_queue(MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    while (f->w->clients)
        client_close(f->w->clients);
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->queue);
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_closed_alone)
{
    pubsub_end();
    pubsub_begin_with("client-output-limit-pubsub 64kb\n");
    pubsub_subscribe_x(a);
    pubsub_join_x(b);
    char *text = flow_pattern(10000), message[10100];
    size_t len = (size_t)sprintf(message, MESSAGE("1\r\nx", "10000\r\n%s"), text);
    for (int i = 0; i < 400 && flow_count(f, COUNTER_clients_closed_output) == 0; i++) {
        flow_answer_bytes(f, NODE_A, message, len);
        flow_expect_bytes(f, b, message, len);
    }
    ck_assert_uint_eq(flow_count(f, COUNTER_clients_closed_output), 1);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients), 1);
    static struct event events[EVENT_KEPT];
    ck_assert_uint_ge(event_copy(events, 0), 1);
    ck_assert_ptr_nonnull(strstr(events[0].text, "its messages are not read"));
    free(text);
}
END_TEST

UNIT_SUITE_WITH("pubsub_deliver", pubsub_begin, pubsub_end,
                {both_protocols_get_messages_of_any_size},
                {many_subscribers_are_served_over_several_turns},
                {everybody_leaves_while_messages_are_handed_out},
                {a_client_that_does_not_read_is_closed_alone})
