/* pubsub_test: subscriptions of clients, and what slotway subscribes at nodes for them. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <unistd.h>

static int a, b;

static void begin_with(const char *config)
{
    f = flow_start(config);
    f->w->pubsub->home_choice = 0; /* NODE_A */
    a = flow_client(f);
    b = flow_client(f);
}

static void begin(void)
{
    begin_with(NULL);
}

static void end(void)
{
    close(a);
    close(b);
    flow_stop(f);
}

#define CONFIRMED(verb, name, count) "*3\r\n$" verb "\r\n$" name "\r\n:" #count "\r\n"
#define SUBSCRIBED(name, count)      CONFIRMED("9\r\nsubscribe", name, count)
#define UNSUBSCRIBED(name, count)    CONFIRMED("11\r\nunsubscribe", name, count)
#define PONG                         "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
#define MESSAGE(name, text)          "*3\r\n$7\r\nmessage\r\n$" name "\r\n$" text "\r\n"

/* The client subscribes to x, which nobody had. */
static void subscribe_x(int client)
{
    flow_send(f, client, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, client, SUBSCRIBED("1\r\nx", 1));
}

/* The client joins it: the node confirms once more. */
static void join_x(int client)
{
    flow_send(f, client, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, client, SUBSCRIBED("1\r\nx", 1));
}

START_TEST(two_clients_share_one_subscription)
{
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_expect_nothing(f, a); /* not before the node has confirmed it */
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "2\r\nhi")); /* published before b came */
    flow_expect(f, a, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, a, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, a, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, b, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    flow_node_gets_nothing(f, NODE_A);
    flow_send(f, b, "UNSUBSCRIBE x");
    flow_expect(f, b, UNSUBSCRIBED("1\r\nx", 0));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_expect_nothing(f, a);
    ck_assert_uint_eq(flow_node_links(f, NODE_B), 0);
}
END_TEST

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

START_TEST(resp3_clients_get_pushes_and_may_go_on_with_commands)
{
    flow_hello(b, 3);
    subscribe_x(a);
    flow_send(f, b, "SUBSCRIBE x", "GET b", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_gets(f, NODE_A, "HELLO 3");
    flow_answer(f, NODE_A, "%0\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, b, ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n+1\r\n+PONG\r\n");
}
END_TEST

START_TEST(both_protocols_get_messages_of_any_size)
{
    enum { SIZE = 300000 };
    char *text = flow_pattern(SIZE), *message = malloc(SIZE + 100);
    size_t head = (size_t)sprintf(message, "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$%d\r\n", SIZE);
    memcpy(message + head, text, SIZE);
    memcpy(message + head + SIZE, "\r\n", 2);
    flow_hello(b, 3);
    subscribe_x(a);
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

START_TEST(a_subscribed_resp2_client_may_do_little_else)
{
    subscribe_x(a);
    flow_send(f, a, "GET b", "PING", "PING hello", "PING 1 2", "CONFIG GET maxmemory", "NOSUCH",
              "HELLO 3", "RESET", "GET b");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, a,
                "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                "RESET are allowed in this context\r\n" PONG "*2\r\n$4\r\npong\r\n$5\r\nhello\r\n"
                "-ERR wrong number of arguments for 'ping' command\r\n"
                "-ERR Can't execute 'config|get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                "QUIT / RESET are allowed in this context\r\n"
                "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
                "-ERR Can't execute 'hello': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
                "/ RESET are allowed in this context\r\n"
                "+RESET\r\n+1\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_subscription_along)
{
    subscribe_x(a);
    close(a);
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    client_close(f->w->clients); /* b, while it waits */
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1) UNSUBSCRIBED("1\r\nx", 0));
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
    a = flow_client(f);
}
END_TEST

START_TEST(what_came_between_two_subscriptions_is_not_confirmed_by_the_first)
{
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    client_close(f->w->clients->next); /* a */
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A,
                SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "3\r\nold") UNSUBSCRIBED("1\r\nx", 0));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "3\r\nnew"));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "3\r\nnew"));
}
END_TEST

START_TEST(a_lost_home_is_replaced_unseen)
{
    subscribe_x(a);
    flow_node_dies(f, NODE_A);
    flow_node_gets(f, NODE_B, "SUBSCRIBE x");
    flow_send(f, b, "SUBSCRIBE x"); /* waits for the new node */
    flow_node_gets(f, NODE_B, "SUBSCRIBE x");
    flow_answer(f, NODE_B, SUBSCRIBED("1\r\nx", 1));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_B, SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_B, MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, b, MESSAGE("1\r\nx", "1\r\n2"));
    flow_node_returns(f, NODE_A); /* no reason to go back */
    flow_publish(f);
    flow_node_gets_nothing(f, NODE_A);
    f->nodes[NODE_B].flags |= TOPOLOGY_FAIL;
    flow_publish(f);
    flow_node_serves(f, NODE_C, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_C, MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n3"));
}
END_TEST

START_TEST(garbage_closes_a_link_and_it_is_opened_again)
{
    subscribe_x(a);
    flow_answer(f, NODE_A, ":1\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\ny", 1)); /* never asked for */
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, "+OK\r\n"); /* a link that never worked: another master */
    flow_node_serves(f, NODE_B, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_B, MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n3"));
}
END_TEST

START_TEST(nobody_answers_in_time)
{
    end();
    begin_with("failover-timeout 300\n");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_dies(f, (enum flow_node)i);
    flow_send(f, a, "SUBSCRIBE x", "PING");
    flow_expect(f, a, "-CLUSTERDOWN No node of the cluster answers for this slot\r\n+PONG\r\n");
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
}
END_TEST

START_TEST(a_refusal_of_the_node_reaches_the_client)
{
    flow_send(f, a, "SUBSCRIBE x", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", "-NOPERM this user has no permissions\r\n");
    flow_expect(f, a, "-NOPERM this user has no permissions\r\n+PONG\r\n");
    flow_send(f, a, "SUBSCRIBE x", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", "-LOADING Redis is loading\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1) PONG);
}
END_TEST

#define SPACE          "19\r\n__keyspace@0__:*key"
#define PSUB           CONFIRMED("10\r\npsubscribe", SPACE, 1)
#define EVENT(channel) "*4\r\n$8\r\npmessage\r\n$" SPACE "\r\n$" channel "\r\n$3\r\nset\r\n"

START_TEST(keyspace_notifications_come_from_all_masters)
{
    flow_send(f, a, "PSUBSCRIBE __keyspace@0__:*key");
    flow_node_serves(f, NODE_A, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_node_serves(f, NODE_B, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_C, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_expect(f, a, PSUB);
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_answer(f, (enum flow_node)i, EVENT("19\r\n__keyspace@0__:akey"));
    flow_expect(f, a,
                EVENT("19\r\n__keyspace@0__:akey") EVENT("19\r\n__keyspace@0__:akey")
                    EVENT("19\r\n__keyspace@0__:akey"));
    /* A failover: the replica is asked, the old master is not listened to any more. */
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_B)
            f->owner[slot] = REPLICA_B;
    f->nodes[NODE_B].flags = TOPOLOGY_REPLICA;
    f->nodes[REPLICA_B].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_serves(f, REPLICA_B, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_answer(f, NODE_B, EVENT("19\r\n__keyspace@0__:akey"));
    flow_node_gets(f, NODE_B, "PUNSUBSCRIBE __keyspace@0__:*key");
    flow_expect_nothing(f, a);
    flow_answer(f, REPLICA_B, EVENT("19\r\n__keyspace@0__:akey"));
    flow_expect(f, a, EVENT("19\r\n__keyspace@0__:akey"));
}
END_TEST

START_TEST(a_pattern_for_everything_gets_each_message_once)
{
    flow_send(f, a, "PSUBSCRIBE *");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "PSUBSCRIBE *",
                         CONFIRMED("10\r\npsubscribe", "1\r\n*", 1));
    flow_expect(f, a, CONFIRMED("10\r\npsubscribe", "1\r\n*", 1));
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_answer(f, (enum flow_node)i,
                    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$1\r\n1\r\n");
    flow_expect(f, a, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$1\r\n1\r\n");
}
END_TEST

#define SSUB(name)   CONFIRMED("10\r\nssubscribe", name, 1)
#define SUNSUB(name) CONFIRMED("12\r\nsunsubscribe", name, 0)

START_TEST(shard_channels_follow_their_slot)
{
    flow_send(f, a, "SSUBSCRIBE b");
    flow_node_gets(f, NODE_A, "SSUBSCRIBE b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_node_serves(f, NODE_C, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb"));
    f->owner[3300] = NODE_C;
    flow_publish(f);
    flow_node_gets_nothing(f, NODE_A);
    /* The node gives the slot away before the map says so. */
    flow_answer(f, NODE_C, SUNSUB("1\r\nb"));
    flow_node_gets(f, NODE_C, "SSUBSCRIBE b");
    flow_answer_redirect(f, NODE_C, "MOVED", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "SSUBSCRIBE b", SSUB("1\r\nb"));
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_answer(f, NODE_B, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_expect(f, a, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n1\r\n");
    /* The map says so first. */
    f->owner[3300] = NODE_A;
    flow_publish(f);
    flow_node_gets(f, NODE_B, "SUNSUBSCRIBE b");
    flow_answer_redirect(f, NODE_B, "MOVED", 3300, NODE_A);
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_answer(f, NODE_A, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n2\r\n");
    flow_expect(f, a, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n2\r\n");
    flow_send(f, a, "SUNSUBSCRIBE");
    flow_expect(f, a, SUNSUB("1\r\nb"));
}
END_TEST

START_TEST(shard_channels_of_several_slots_in_one_command)
{
    flow_send(f, a, "SSUBSCRIBE b c");
    flow_node_serves(f, NODE_B, "SSUBSCRIBE c", SSUB("1\r\nc"));
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb") CONFIRMED("10\r\nssubscribe", "1\r\nc", 2));
    end();
    begin_with("cross-slot no\n");
    flow_send(f, a, "SSUBSCRIBE b c");
    flow_expect(f, a, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
}
END_TEST

START_TEST(publish_counts_slotways_clients_and_those_of_others)
{
    flow_send(f, b, "PUBLISH x 1"); /* nobody: as the node says */
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":3\r\n");
    flow_expect(f, b, ":3\r\n");
    flow_send(f, a, "SUBSCRIBE x", "PSUBSCRIBE x*");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "PSUBSCRIBE x*", CONFIRMED("10\r\npsubscribe", "2\r\nx*", 2));
    flow_settle(f);
    int c = flow_client(f);
    join_x(c);
    flow_send(f, b, "PUBLISH x 1", "PUBLISH y 1", "SPUBLISH b 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":3\r\n"); /* two are slotway's */
    flow_node_serves(f, NODE_A, "PUBLISH y 1", ":0\r\n");
    flow_node_serves(f, NODE_A, "SPUBLISH b 1", ":5\r\n");
    flow_expect(f, b, ":4\r\n:0\r\n:5\r\n");
    /* What ended a moment ago may still be counted by the node. */
    flow_send(f, c, "RESET");
    flow_send(f, a, "RESET");
    flow_settle(f);
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_gets(f, NODE_A, "PUNSUBSCRIBE x*");
    flow_send(f, b, "PUBLISH x 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":2\r\n");
    flow_expect(f, b, ":0\r\n");
    close(c);
}
END_TEST

START_TEST(pubsub_shows_clients_of_slotway_and_of_others)
{
    flow_send(f, a, "SUBSCRIBE x xx");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "SUBSCRIBE xx", SUBSCRIBED("2\r\nxx", 2));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1) SUBSCRIBED("2\r\nxx", 2));
    flow_send(f, b, "PUBSUB CHANNELS x");
    flow_node_serves(f, NODE_A, "PUBSUB CHANNELS x", "*1\r\n$1\r\nx\r\n");
    flow_node_serves(f, NODE_B, "PUBSUB CHANNELS x", "*1\r\n$1\r\nx\r\n");
    flow_node_serves(f, NODE_C, "PUBSUB CHANNELS x", "*1\r\n$1\r\ny\r\n");
    flow_expect(f, b, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    flow_send(f, b, "PUBSUB NUMSUB x z");
    flow_node_serves(f, NODE_A, "PUBSUB NUMSUB x z", "*4\r\n$1\r\nx\r\n:1\r\n$1\r\nz\r\n:0\r\n");
    flow_node_serves(f, NODE_B, "PUBSUB NUMSUB x z", "*4\r\n$1\r\nx\r\n:2\r\n$1\r\nz\r\n:1\r\n");
    flow_node_serves(f, NODE_C, "PUBSUB NUMSUB x z", "*4\r\n$1\r\nx\r\n:0\r\n$1\r\nz\r\n:0\r\n");
    flow_expect(f, b, "*4\r\n$1\r\nx\r\n:3\r\n$1\r\nz\r\n:1\r\n");
    flow_send(f, b, "PUBSUB NUMPAT");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "PUBSUB NUMPAT", ":1\r\n");
    flow_expect(f, b, ":3\r\n");
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
    subscribe_x(a);
    join_x(b);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = flow_client(f);
        join_x(clients[i]);
    }
    f->w->pubsub->per_turn = 3;
    answer_and_queue(MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    close(clients[7]); /* leaves in the middle */
    close(clients[CLIENTS - 1]);
    int late = flow_client(f);
    join_x(late);
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
    subscribe_x(a);
    join_x(b);
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
    end();
    begin_with("client-output-limit-pubsub 64kb\n");
    subscribe_x(a);
    join_x(b);
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

START_TEST(commands_of_one_turn_share_a_confirmation)
{
    enum { CLIENTS = 5 };
    int clients[CLIENTS];
    static const char command[] = "SUBSCRIBE x\r\n";
    subscribe_x(a);
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

START_TEST(publish_leaves_a_home_that_died)
{
    flow_send(f, b, "PUBLISH x 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":0\r\n");
    flow_expect(f, b, ":0\r\n");
    flow_node_dies(f, NODE_A);
    flow_settle(f);
    flow_send(f, b, "PUBLISH x 2"); /* no byte of it was sent */
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_serves(f, NODE_B, "PUBLISH x 2", ":0\r\n");
    flow_expect(f, b, ":0\r\n");
}
END_TEST

/* A's replica is master of its slots now, and A the replica. */
static void fail_over_a(void)
{
    for (int slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = REPLICA_A;
    flow_publish(f);
}

START_TEST(publish_leaves_a_home_that_is_no_master_any_more)
{
    flow_send(f, a, "PUBLISH x 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":0\r\n");
    flow_expect(f, a, ":0\r\n");
    fail_over_a();
    flow_send(f, a, "PUBLISH x 2");
    flow_node_serves(f, REPLICA_A, "PUBLISH x 2", ":0\r\n");
    flow_expect(f, a, ":0\r\n");
}
END_TEST

START_TEST(a_home_that_is_no_master_any_more_is_left_without_loss)
{
    subscribe_x(a);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0"));
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n0")); /* very late */
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n1")); /* it was late */
    flow_expect_nothing(f, a);
    /* Either may be first. */
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n2"));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n2") MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2") MESSAGE("1\r\nx", "1\r\n3"));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n3"));
    /* What was published twice comes twice. */
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n4") MESSAGE("1\r\nx", "1\r\n4"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n4") MESSAGE("1\r\nx", "1\r\n4"));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n4") MESSAGE("1\r\nx", "1\r\n4"));
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_A, "PING", PONG);
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n5"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n5"));
}
END_TEST

/* A message of the new home must not overtake one of the old: PUBLISH is held until everything that
 * went to the old one has been answered, and its messages have been read. */
START_TEST(publish_waits_until_the_old_home_has_been_heard)
{
    subscribe_x(a);
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_send(f, b, "PUBLISH x 1"); /* not all listen at the new one */
    flow_node_gets(f, NODE_A, "PUBLISH x 1");
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_send(f, b, "PUBLISH x 2", "PING");
    flow_node_gets_nothing(f, NODE_A);
    flow_node_gets_nothing(f, REPLICA_A);
    flow_answer(f, NODE_A, ":1\r\n");
    flow_expect(f, b, ":1\r\n");
    flow_node_gets(f, NODE_A, "PING");
    flow_node_gets_nothing(f, REPLICA_A);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1") PONG);
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_node_serves(f, REPLICA_A, "PUBLISH x 2", ":1\r\n");
    flow_expect(f, b, ":1\r\n+PONG\r\n");
}
END_TEST

/* A home that falls silent holds nobody up for long. */
START_TEST(publish_goes_on_without_a_word_from_the_old_home)
{
    subscribe_x(a);
    fail_over_a();
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_send(f, b, "PUBLISH x 1");
    flow_node_gets(f, NODE_A, "PING");
    flow_node_serves(f, REPLICA_A, "PUBLISH x 1", ":1\r\n");
    flow_expect(f, b, ":1\r\n");
}
END_TEST

/* Clients that subscribe all the time keep answers due at the new home for ever. */
START_TEST(a_home_is_left_although_new_subscriptions_are_under_way)
{
    subscribe_x(a);
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_send(f, b, "SUBSCRIBE y"); /* at both, because PUBLISH goes to the old one yet */
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE y");
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", SUBSCRIBED("1\r\ny", 2));
    flow_node_serves(f, NODE_A, "PING", PONG);
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\ny", 2));
    flow_expect(f, b, SUBSCRIBED("1\r\ny", 1));
    flow_send(f, b, "SUBSCRIBE z"); /* at the new one only */
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE z");
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE y", UNSUBSCRIBED("1\r\ny", 0));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nz", 3));
    flow_expect(f, b, SUBSCRIBED("1\r\nz", 2));
}
END_TEST

START_TEST(keyspace_notifications_are_no_copies_of_those_before)
{
    static const char event[] = MESSAGE("16\r\n__keyspace@0__:b", "3\r\nset");
    static const char confirmed[] = SUBSCRIBED("16\r\n__keyspace@0__:b", 1);
    flow_send(f, a, "SUBSCRIBE __keyspace@0__:b");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "SUBSCRIBE __keyspace@0__:b", confirmed);
    flow_expect(f, a, confirmed);
    flow_answer(f, NODE_A, event);
    flow_expect(f, a, event);
    fail_over_a();
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE __keyspace@0__:b", confirmed);
    flow_answer(f, REPLICA_A, event);
    flow_expect(f, a, event);
}
END_TEST

START_TEST(a_home_that_dies_while_it_is_left_brings_nothing_twice)
{
    subscribe_x(a);
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0"));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_node_dies(f, NODE_A);
    flow_settle(f);
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
    /* Published before the new home was subscribed, and again now. */
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0"));
}
END_TEST

START_TEST(publish_in_a_transaction_counts_at_the_node_that_ran_it)
{
    /* Another worker's client, and its subscription at B, which is not this worker's home. */
    struct census_entry *x = census_take(PUBSUB_CHANNEL, "x", 1);
    census_add_clients(x, 1);
    census_add_link(x, f->w->slot_node[7365], 1);
    flow_send(f, a, "MULTI", "SET c 1", "PUBLISH x 1", "EXEC");
    flow_node_gets(f, NODE_B, "MULTI");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n");
    flow_expect(f, a, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n");
    census_add_link(x, f->w->slot_node[7365], -1);
    census_add_clients(x, -1);
    census_release(x);
}
END_TEST

START_TEST(replies_switched_off_do_not_concern_subscriptions)
{
    flow_send(f, a, "CLIENT REPLY OFF", "PING", "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
}
END_TEST

START_TEST(slotway_logs_in_before_it_subscribes)
{
    end();
    begin_with("auth-user proxy\nauth-password secret\n");
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "AUTH proxy secret");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
}
END_TEST

static Suite *pubsub_suite(void)
{
    Suite *suite = suite_create("pubsub");
    TCase *t = tcase_create("pubsub");
    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, two_clients_share_one_subscription);
    tcase_add_test(t, each_name_is_confirmed_in_its_place_with_its_count);
    tcase_add_test(t, resp3_clients_get_pushes_and_may_go_on_with_commands);
    tcase_add_test(t, both_protocols_get_messages_of_any_size);
    tcase_add_test(t, a_subscribed_resp2_client_may_do_little_else);
    tcase_add_test(t, a_client_that_leaves_takes_its_subscription_along);
    tcase_add_test(t, what_came_between_two_subscriptions_is_not_confirmed_by_the_first);
    tcase_add_test(t, a_lost_home_is_replaced_unseen);
    tcase_add_test(t, garbage_closes_a_link_and_it_is_opened_again);
    tcase_add_test(t, nobody_answers_in_time);
    tcase_add_test(t, a_refusal_of_the_node_reaches_the_client);
    tcase_add_test(t, keyspace_notifications_come_from_all_masters);
    tcase_add_test(t, a_pattern_for_everything_gets_each_message_once);
    tcase_add_test(t, shard_channels_follow_their_slot);
    tcase_add_test(t, shard_channels_of_several_slots_in_one_command);
    tcase_add_test(t, publish_counts_slotways_clients_and_those_of_others);
    tcase_add_test(t, pubsub_shows_clients_of_slotway_and_of_others);
    tcase_add_test(t, many_subscribers_are_served_over_several_turns);
    tcase_add_test(t, everybody_leaves_while_messages_are_handed_out);
    tcase_add_test(t, a_client_that_does_not_read_is_closed_alone);
    tcase_add_test(t, commands_of_one_turn_share_a_confirmation);
    tcase_add_test(t, publish_leaves_a_home_that_died);
    tcase_add_test(t, publish_leaves_a_home_that_is_no_master_any_more);
    tcase_add_test(t, a_home_that_is_no_master_any_more_is_left_without_loss);
    tcase_add_test(t, publish_waits_until_the_old_home_has_been_heard);
    tcase_add_test(t, publish_goes_on_without_a_word_from_the_old_home);
    tcase_add_test(t, a_home_is_left_although_new_subscriptions_are_under_way);
    tcase_add_test(t, keyspace_notifications_are_no_copies_of_those_before);
    tcase_add_test(t, a_home_that_dies_while_it_is_left_brings_nothing_twice);
    tcase_add_test(t, publish_in_a_transaction_counts_at_the_node_that_ran_it);
    tcase_add_test(t, replies_switched_off_do_not_concern_subscriptions);
    tcase_add_test(t, slotway_logs_in_before_it_subscribes);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(pubsub_suite)
