/* pubsub_link_answers_test: what a node may send on a link for subscriptions, what closes it, and
 * what its refusals mean. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SSUB(name)   CONFIRMED("10\r\nssubscribe", name, 1)
#define SUNSUB(name) CONFIRMED("12\r\nsunsubscribe", name, 0)

/* a is subscribed to x, and nothing is under way. */
static void begin_subscribed(void)
{
    pubsub_begin();
    pubsub_subscribe_x(a);
}

static void again_subscribed(void)
{
    pubsub_end();
    begin_subscribed();
}

START_TEST(what_can_not_come_closes_the_link)
{
    static const char *const odd[] = {
        ":1\r\n",
        "+OK\r\n",
        "-ERR for what?\r\n",
        "$1\r\nx\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n$7\r\nmessage\r\n",
        "*3\r\n:1\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*3\r\n$-1\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*3\r\n$5\r\nother\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*3\r\n$7\r\nMESSAGE\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\n1\r\n",
        "*3\r\n$7\r\nmessage\r\n$-1\r\n$1\r\n1\r\n",
        "*4\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*3\r\n$8\r\npmessage\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*4\r\n$8\r\npmessage\r\n$1\r\nx\r\n:1\r\n$1\r\n1\r\n",
        ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n1\r\n",
        PONG,
        SUBSCRIBED("1\r\nx", 1), /* once more than asked for */
        SUBSCRIBED("1\r\ny", 2),
        UNSUBSCRIBED("1\r\nx", 0),
        CONFIRMED("10\r\npsubscribe", "1\r\nx", 2),
        CONFIRMED("12\r\npunsubscribe", "1\r\nx", 1),
        "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
        SUNSUB("1\r\nx"),
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        flow_answer(f, NODE_A, odd[i]);
        ck_assert_msg(flow_count(f, COUNTER_backends_garbage) == 1, "\"%s\" did not", odd[i]);
        flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
        flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n2"));
        flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
        again_subscribed();
    }
}
END_TEST

START_TEST(what_nobody_wants_any_more_is_passed_over)
{
    flow_answer(f, NODE_A,
                MESSAGE("1\r\ny",
                        "1\r\n1") "*4\r\n$8\r\npmessage\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\n1\r\n"
                                  "*3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n$1\r\n1\r\n"
                                  "*3\r\n$7\r\nmessage\r\n$0\r\n\r\n$1\r\n1\r\n" MESSAGE("1\r\nx",
                                                                                         "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
}
END_TEST

/* In the order of the commands, each with its own. */
START_TEST(an_answer_to_something_else_closes_the_link)
{
    static const char *const odd[] = {SUBSCRIBED("1\r\nz", 2),
                                      UNSUBSCRIBED("1\r\ny", 1),
                                      SUBSCRIBED("1\r\nx", 1),
                                      PONG,
                                      "+OK\r\n",
                                      ":1\r\n"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        flow_send(f, b, "SUBSCRIBE y z");
        flow_node_gets(f, NODE_A, "SUBSCRIBE y");
        flow_node_gets(f, NODE_A, "SUBSCRIBE z");
        flow_answer(f, NODE_A, odd[i]);
        ck_assert_msg(flow_count(f, COUNTER_backends_garbage) == 1, "\"%s\" did not", odd[i]);
        flow_expect_nothing(f, b);
        again_subscribed();
    }
    int third = flow_client(f);
    flow_send(f, third, "SSUBSCRIBE b");
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, third, SSUB("1\r\nb"));
    flow_answer(f, NODE_A, SSUB("1\r\nb")); /* once more */
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    close(third);
}
END_TEST

START_TEST(whatever_answers_ping_shows_that_the_node_lives)
{
    static const char *const answers[] = {PONG, "+PONG\r\n", "-LOADING Redis is loading\r\n",
                                          MESSAGE("1\r\ny", "1\r\n1") PONG};
    struct pubsub *hub = f->w->pubsub;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        hub->links->heard -= 2000000; /* a while ago */
        link_check_all(hub);
        flow_node_serves(f, NODE_A, "PING", answers[i]);
        ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
        ck_assert_ptr_null(hub->links->ops);
    }
    hub->links->heard -= 2000000;
    link_check_all(hub);
    flow_node_serves(f, NODE_A, "PING", ":1\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
}
END_TEST

/* x as a channel, as a pattern and as a shard channel are three things. */
START_TEST(each_kind_has_words_of_its_own)
{
    static const char message[] = MESSAGE("1\r\nb", "1\r\n1"),
                      pmessage[] = "*4\r\n$8\r\npmessage\r\n$1\r\nb\r\n$1\r\nb\r\n$1\r\n1\r\n",
                      smessage[] = "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n1\r\n";
    flow_send(f, a, "SUBSCRIBE b");
    flow_node_serves(f, NODE_A, "SUBSCRIBE b", SUBSCRIBED("1\r\nb", 2));
    flow_expect(f, a, SUBSCRIBED("1\r\nb", 2));
    struct flow_link *plain = f->nodes[NODE_A].last;
    flow_send(f, b, "PSUBSCRIBE b");
    flow_node_serves(f, NODE_A, "PSUBSCRIBE b", CONFIRMED("10\r\npsubscribe", "1\r\nb", 3));
    flow_expect(f, b, CONFIRMED("10\r\npsubscribe", "1\r\nb", 1));
    int third = flow_client(f);
    flow_send(f, third, "SSUBSCRIBE b");
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, third, SSUB("1\r\nb"));
    ck_assert_ptr_ne(f->nodes[NODE_A].last, plain);
    flow_answer(f, NODE_A, smessage);
    flow_expect(f, third, smessage);
    f->nodes[NODE_A].last = plain;
    flow_answer(f, NODE_A, message);
    flow_expect(f, a, message);
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, pmessage);
    flow_expect(f, b, pmessage);
    flow_expect_nothing(f, a);
    flow_send(f, b, "PUNSUBSCRIBE b");
    flow_expect(f, b, CONFIRMED("12\r\npunsubscribe", "1\r\nb", 0));
    flow_node_serves(f, NODE_A, "PUNSUBSCRIBE b", CONFIRMED("12\r\npunsubscribe", "1\r\nb", 2));
    flow_send(f, third, "SUNSUBSCRIBE b");
    flow_expect(f, third, SUNSUB("1\r\nb"));
    flow_node_serves(f, NODE_A, "SUNSUBSCRIBE b", SUNSUB("1\r\nb"));
    flow_send(f, a, "UNSUBSCRIBE b x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nb", 1) UNSUBSCRIBED("1\r\nx", 0));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE b", UNSUBSCRIBED("1\r\nb", 1));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics); /* nothing of them is left */
    close(third);
}
END_TEST

/* Nobody waits in the tests until refused topics are due again. */
static void a_while_later(void)
{
    struct pubsub *hub = f->w->pubsub;
    struct pubsub_topic *t, *next;
    HASH_ITER (hh, hub->topics, t, next)
        t->retry_at = 0;
    hub->place_wanted = true;
    hub_wake(hub);
}

/* A client for each name asks for it, the node answers each so, and is asked again a while later
 * for each, in whatever order. */
__attribute__((format(printf, 5, 0))) static void is_tried_again(const char *verb,
                                                                 const char *const *names, size_t n,
                                                                 const char *const *refusals,
                                                                 const char *confirmation)
{
    int clients[10];
    char line[100], reply[200];
    for (size_t i = 0; i < n; i++) {
        clients[i] = flow_client(f);
        snprintf(line, sizeof line, "%s %s", verb, names[i]);
        flow_send(f, clients[i], line);
        flow_node_serves(f, NODE_A, line, refusals[i]);
    }
    flow_expect_nothing(f, clients[n - 1]);
    a_while_later();
    for (size_t i = 0; i < n; i++) {
        const char *name = strchr(flow_node_command(f, NODE_A, verb), ' ');
        ck_assert_ptr_nonnull(name);
        snprintf(reply, sizeof reply, confirmation, strlen(name + 1), name + 1);
        flow_answer(f, NODE_A, reply);
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(reply, sizeof reply, confirmation, strlen(names[i]), names[i]);
        flow_expect(f, clients[i], reply);
        close(clients[i]);
    }
}

START_TEST(what_is_refused_for_now_is_tried_again)
{
    static const char *const names[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    static const char *const refusals[] = {"-MOVED 1 127.0.0.1:1\r\n",
                                           "-ASK 1 127.0.0.1:1\r\n",
                                           "-TRYAGAIN later\r\n",
                                           "-LOADING Redis is loading\r\n",
                                           "-MASTERDOWN Link with MASTER is down\r\n",
                                           "-CLUSTERDOWN Hash slot not served\r\n",
                                           "-BUSY Redis is busy\r\n",
                                           "-ERR max number of clients reached\r\n"};
    is_tried_again("SUBSCRIBE", names, 8, refusals,
                   "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:1\r\n");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1")); /* x has not suffered */
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
}
END_TEST

START_TEST(what_is_refused_for_now_is_tried_again_a_while_later)
{
    flow_send(f, b, "SUBSCRIBE y");
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", "-LOADING Redis is loading\r\n");
    const struct pubsub_topic *y = topic_find(f->w->pubsub, PUBSUB_CHANNEL, "y", 1);
    ck_assert_uint_gt(y->retry_at, f->w->now);
    ck_assert(f->w->pubsub->unsettled); /* it is looked at then */
}
END_TEST

START_TEST(what_is_refused_for_good_is_the_clients_error)
{
    static const char *const refusals[] = {
        "-ERR unknown command\r\n", "-NOPERM no\r\n", "-NOAUTH Authentication required.\r\n",
        "-LOADINGS of it\r\n",      "-\r\n",
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char want[100];
        snprintf(want, sizeof want, "%s$1\r\n1\r\n", refusals[i]);
        flow_send(f, b, "SUBSCRIBE y", "ECHO 1");
        flow_node_serves(f, NODE_A, "SUBSCRIBE y", refusals[i]);
        flow_expect(f, b, want);
    }
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
}
END_TEST

START_TEST(what_came_between_two_subscriptions_is_not_confirmed_by_the_first)
{
    int other = flow_client(f);
    flow_send(f, other, "SUBSCRIBE y");
    flow_node_gets(f, NODE_A, "SUBSCRIBE y");
    client_close(flow_newest(f)); /* its other end is closed below */
    flow_send(f, b, "SUBSCRIBE y");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE y");
    flow_node_gets(f, NODE_A, "SUBSCRIBE y");
    flow_answer(f, NODE_A,
                SUBSCRIBED("1\r\ny", 1) MESSAGE("1\r\ny", "3\r\nold") UNSUBSCRIBED("1\r\ny", 0));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\ny", 1) MESSAGE("1\r\ny", "3\r\nnew"));
    flow_expect(f, b, SUBSCRIBED("1\r\ny", 1) MESSAGE("1\r\ny", "3\r\nnew"));
    close(other);
}
END_TEST

/* Both are written in the same turn. */
START_TEST(an_unsubscription_confirms_no_subscription)
{
    flow_send(f, a, "UNSUBSCRIBE x", "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    flow_answer(f, NODE_A, UNSUBSCRIBED("1\r\nx", 0));
    flow_expect_nothing(f, a);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
}
END_TEST

START_TEST(what_is_given_up_is_confirmed_for_nobody)
{
    flow_send(f, b, "SUBSCRIBE y");
    flow_node_gets(f, NODE_A, "SUBSCRIBE y");
    client_close(flow_newest(f)); /* b */
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE y");
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\ny", 2));
    flow_answer(f, NODE_A, MESSAGE("1\r\ny", "1\r\n1"));
    flow_answer(f, NODE_A, UNSUBSCRIBED("1\r\ny", 1));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
    ck_assert_ptr_null(topic_find(f->w->pubsub, PUBSUB_CHANNEL, "y", 1));
}
END_TEST

/* A refusal of what has been given up, and asked for again, says nothing of the latter. */
START_TEST(an_older_refusal_is_none_of_the_newer_wish)
{
    flow_send(f, b, "SUBSCRIBE y");
    flow_node_gets(f, NODE_A, "SUBSCRIBE y");
    client_close(flow_newest(f)); /* b */
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE y");
    close(b);
    b = flow_client(f);
    flow_send(f, b, "SUBSCRIBE y");
    flow_node_gets(f, NODE_A, "SUBSCRIBE y");
    flow_answer(f, NODE_A, "-NOPERM no\r\n");
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, UNSUBSCRIBED("1\r\ny", 1));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\ny", 2));
    flow_expect(f, b, SUBSCRIBED("1\r\ny", 1));
}
END_TEST

START_TEST(unsubscribe_is_never_refused_but_for_a_shard_channel)
{
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    flow_send(f, a, "SSUBSCRIBE b");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_answer(f, NODE_A, "-ERR no\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb"));
    flow_send(f, a, "SUNSUBSCRIBE b");
    flow_expect(f, a, SUNSUB("1\r\nb"));
    flow_node_serves(f, NODE_A, "SUNSUBSCRIBE b", "-ERR no\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    flow_send(f, a, "SSUBSCRIBE b");
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb"));
    flow_send(f, a, "SUNSUBSCRIBE b");
    flow_node_gets(f, NODE_A, "SUNSUBSCRIBE b");
    flow_expect(f, a, SUNSUB("1\r\nb"));
    flow_send(f, a, "SSUBSCRIBE b");
    flow_node_gets(f, NODE_A, "SSUBSCRIBE b");
    flow_answer(f, NODE_A, "-ERR no\r\n");
    flow_expect_nothing(f, a);
    flow_answer(f, NODE_A, SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb"));
}
END_TEST

START_TEST(moved_leads_to_a_master_that_is_known)
{
    char too_great[60];
    static const char *const names[] = {"{b}1", "{b}2", "{b}3", "{b}4", "{b}5", "{b}6"};
    const char *const nowhere[] = {
        "-MOVED 3300 127.0.0.1\r\n",
        "-MOVED 3300 127.0.0.1:0\r\n",
        too_great,
        "-MOVED 3300 127.0.0.1:x\r\n",
        "-MOVED 3300\r\n",
        "-MOVED 3300 10.9.8.7:6379\r\n",
    };
    flow_send(f, b, "SSUBSCRIBE b");
    flow_node_gets(f, NODE_A, "SSUBSCRIBE b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_node_gets(f, NODE_C, "SSUBSCRIBE b");
    flow_answer_redirect(f, NODE_C, "MOVED", 3300, NODE_B); /* round in circles: the map */
    a_while_later();
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, b, SSUB("1\r\nb"));
    flow_node_gets_nothing(f, NODE_B);
    snprintf(too_great, sizeof too_great, "-MOVED 3300 127.0.0.1:%u\r\n",
             f->nodes[NODE_C].port + 65536u);
    is_tried_again("SSUBSCRIBE", names, 6, nowhere,
                   "*3\r\n$10\r\nssubscribe\r\n$%zu\r\n%s\r\n:1\r\n");
}
END_TEST

START_TEST(a_login_may_be_needless_but_not_refused)
{
    pubsub_end();
    pubsub_begin_with("auth-password secret\n");
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "AUTH secret",
                     "-ERR AUTH <password> called without any password configured for the default "
                     "user. Are you sure your configuration is correct?\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    pubsub_end();
    pubsub_begin_with("auth-password secret\n");
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "AUTH secret", "-WRONGPASS invalid\r\n");
    flow_node_serves(f, NODE_B, "AUTH secret", "+OK\r\n"); /* a link that never worked */
    flow_node_serves(f, NODE_B, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    pubsub_end();
    pubsub_begin_with("auth-password secret\n");
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "AUTH secret", "+OK\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", "+OK\r\n"); /* a login alone is not of use */
    flow_node_gets_nothing(f, NODE_A);
    flow_node_gets(f, NODE_B, "AUTH secret");
}
END_TEST

/* The node gave the slot away when SUNSUBSCRIBE was on its way. */
START_TEST(a_node_may_end_what_is_being_ended)
{
    static const char *const real[] = {SUNSUB("1\r\nb"), "-MOVED 3300 127.0.0.1:1\r\n"};
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        flow_send(f, a, "SSUBSCRIBE b");
        flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
        flow_expect(f, a, SSUB("1\r\nb"));
        flow_send(f, a, "SUNSUBSCRIBE b");
        flow_expect(f, a, SUNSUB("1\r\nb"));
        flow_node_serves(f, NODE_A, "SUNSUBSCRIBE b", SUNSUB("1\r\nb"));
        flow_answer(f, NODE_A, real[i]);
        ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
    }
    flow_answer(f, NODE_A, real[0]); /* once too often */
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
}
END_TEST

UNIT_SUITE_WITH("pubsub_link_answers", begin_subscribed, pubsub_end,
                {what_can_not_come_closes_the_link}, {what_nobody_wants_any_more_is_passed_over},
                {an_answer_to_something_else_closes_the_link},
                {whatever_answers_ping_shows_that_the_node_lives}, {each_kind_has_words_of_its_own},
                {what_is_refused_for_now_is_tried_again},
                {what_is_refused_for_now_is_tried_again_a_while_later},
                {what_is_refused_for_good_is_the_clients_error},
                {what_came_between_two_subscriptions_is_not_confirmed_by_the_first},
                {an_unsubscription_confirms_no_subscription},
                {what_is_given_up_is_confirmed_for_nobody},
                {an_older_refusal_is_none_of_the_newer_wish},
                {unsubscribe_is_never_refused_but_for_a_shard_channel},
                {a_node_may_end_what_is_being_ended}, {moved_leads_to_a_master_that_is_known},
                {a_login_may_be_needless_but_not_refused})
