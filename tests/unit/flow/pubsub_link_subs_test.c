/* pubsub_link_subs_test: what slotway says on a link, how often, and what it remembers of what is
 * subscribed there. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include <stdio.h>
#include <unistd.h>

#define PSUB(n)   CONFIRMED("10\r\npsubscribe", "1\r\nb", n)
#define PUNSUB(n) CONFIRMED("12\r\npunsubscribe", "1\r\nb", n)
#define SSUB(n)   CONFIRMED("10\r\nssubscribe", "1\r\nb", n)
#define SUNSUB(n) CONFIRMED("12\r\nsunsubscribe", "1\r\nb", n)

static struct pubsub *hub;

static void begin(void)
{
    pubsub_begin();
    hub = f->w->pubsub;
}

START_TEST(each_kind_has_its_verbs)
{
    static const struct {
        const char *on, *confirmed, *off, *ended;
    } kinds[] = {
        {"SUBSCRIBE b", SUBSCRIBED("1\r\nb", 1), "UNSUBSCRIBE b", UNSUBSCRIBED("1\r\nb", 0)},
        {"PSUBSCRIBE b", PSUB(1), "PUNSUBSCRIBE b", PUNSUB(0)},
        {"SSUBSCRIBE b", SSUB(1), "SUNSUBSCRIBE b", SUNSUB(0)},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        flow_send(f, a, kinds[i].on);
        flow_node_serves(f, NODE_A, kinds[i].on, kinds[i].confirmed);
        flow_expect(f, a, kinds[i].confirmed);
        flow_send(f, a, kinds[i].off);
        flow_expect(f, a, kinds[i].ended);
        flow_node_serves(f, NODE_A, kinds[i].off, kinds[i].ended);
        ck_assert_ptr_null(hub->links->ops);
        ck_assert_ptr_null(hub->links->last_op);
        ck_assert_ptr_null(hub->links->subs);
    }
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2); /* shard channels have one of their own */
    ck_assert_ptr_null(hub->topics);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        ck_assert_int_eq(census_of((enum pubsub_kind)kind, "b", 1, NODE_A).links, 1);
    ck_assert_ptr_eq(hub->ghosts->next->next, hub->last_ghost); /* see below */
    ghost_free_due(hub, UINT64_MAX);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        ck_assert_int_eq(census_of((enum pubsub_kind)kind, "b", 1, NODE_A).links, 0);
}
END_TEST

START_TEST(names_go_out_as_they_came)
{
    static const char request[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\na \r\n\xff\r\n";
    static const char confirmed[] = SUBSCRIBED("5\r\na \r\n\xff", 1);
    flow_send_raw(f, a, request, sizeof request - 1);
    flow_node_serves(f, NODE_A, "SUBSCRIBE a \r\n\xff", confirmed);
    flow_expect(f, a, confirmed);
}
END_TEST

START_TEST(silence_counts_from_the_first_unanswered_command)
{
    flow_send(f, a, "SUBSCRIBE b");
    flow_node_serves(f, NODE_A, "SUBSCRIBE b", SUBSCRIBED("1\r\nb", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nb", 1));
    struct pubsub_link *link = hub->links;
    uint64_t then = link->heard -= 1000; /* nothing has come for a while, and nothing was due */
    flow_send(f, a, "UNSUBSCRIBE b", "PING");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nb", 0) "+PONG\r\n");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE b");
    ck_assert_uint_gt(link->heard, then);
    then = link->heard -= 1000;
    flow_send(f, a, "SUBSCRIBE b");
    flow_node_gets(f, NODE_A, "SUBSCRIBE b");
    ck_assert_uint_eq(link->heard, then); /* it owes the other answer since then */
    ck_assert_ptr_eq(hub->links, link);
}
END_TEST

START_TEST(what_is_ending_is_asked_for_anew)
{
    pubsub_subscribe_x(a);
    const struct pubsub_sub *x = hub->links->subs;
    ck_assert(x->wanted && x->confirmed == x->asked && x->inflight == 0);
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    ck_assert(!x->wanted && x->confirmed == 0 && x->ending == 1 && x->inflight == 1);
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    ck_assert(hub->links->subs == x && x->wanted && x->ending == 1 && x->inflight == 2);
    flow_answer(f, NODE_A, UNSUBSCRIBED("1\r\nx", 0) SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1));
    ck_assert(x->confirmed == x->asked && x->ending == 0 && x->inflight == 0);
}
END_TEST

/* One answer of the node does for all who ask in the same turn. */
START_TEST(a_turn_asks_once)
{
    flow_send(f, a, "SUBSCRIBE y y");
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", SUBSCRIBED("1\r\ny", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\ny", 1) SUBSCRIBED("1\r\ny", 1));
    static const char line[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n";
    ck_assert_int_eq(write(a, line, sizeof line - 1), sizeof line - 1);
    ck_assert_int_eq(write(b, line, sizeof line - 1), sizeof line - 1);
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 2));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 2));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1));
}
END_TEST

/* The subscriptions of a link, from the newest to the oldest, by the first letters of their names.
 */
static void link_has(const struct pubsub_link *l, const char *names)
{
    const struct pubsub_sub *prev = NULL;
    for (const struct pubsub_sub *sub = l->subs; sub; prev = sub, sub = sub->link_next) {
        ck_assert_ptr_eq(sub->link_prev, prev);
        ck_assert_int_eq(*topic_name(sub->topic), *names);
        ck_assert_ptr_eq(link_sub(l, sub->topic), sub);
        names++;
    }
    ck_assert_int_eq(*names, '\0');
}

START_TEST(subscriptions_end_in_any_order)
{
    static const struct flow_case ends[] = {{"y", "zx"}, {"z", "x"}, {"x", ""}};
    flow_send(f, a, "SUBSCRIBE x y z");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", SUBSCRIBED("1\r\ny", 2));
    flow_node_serves(f, NODE_A, "SUBSCRIBE z", SUBSCRIBED("1\r\nz", 3));
    flow_received(a);
    link_has(hub->links, "zyx");
    for (size_t i = 0; i < 3; i++) {
        char line[40], reply[80];
        ck_assert_uint_eq(hub->links->idle_since, 0);
        snprintf(line, sizeof line, "UNSUBSCRIBE %s", ends[i].line);
        snprintf(reply, sizeof reply, "*3\r\n$11\r\nunsubscribe\r\n$1\r\n%s\r\n:%d\r\n",
                 ends[i].line, 2 - (int)i);
        flow_send(f, a, line);
        flow_node_serves(f, NODE_A, line, reply);
        flow_expect(f, a, reply);
        link_has(hub->links, ends[i].reply);
    }
    ck_assert_uint_gt(hub->links->idle_since, 0); /* and from now on it is of no use */
}
END_TEST

/* On both homes while one is left for the other, so a topic has two. */
START_TEST(a_topic_knows_its_subscriptions_by_their_links)
{
    pubsub_subscribe_x(a);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = REPLICA_A;
    flow_publish(f);
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    struct pubsub_topic *x = topic_find(hub, PUBSUB_CHANNEL, "x", 1);
    const struct pubsub_link *old = link_find(hub, NODE_A, PUBSUB_PLAIN),
                             *new = link_find(hub, REPLICA_A, PUBSUB_PLAIN);
    ck_assert(link_sub(old, x)->link == old && link_sub(new, x)->link == new);
    ck_assert_ptr_null(x->subs->topic_next->topic_next);
    flow_send(f, b, "SUBSCRIBE x"); /* both are asked once more */
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_expect_nothing(f, b);
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1));
}
END_TEST

static int64_t links_of_x(uint16_t node)
{
    return census_of(PUBSUB_CHANNEL, "x", 1, node).links;
}

/* A node that was asked how many listen counted slotway too, if the answer is a moment old. */
START_TEST(what_has_ended_counts_for_a_moment)
{
    ck_assert_int_eq(links_of_x(NODE_A), 0);
    pubsub_subscribe_x(a);
    ck_assert_int_eq(links_of_x(NODE_A), 1);
    ck_assert_int_eq(links_of_x(NODE_B), 0);
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    ck_assert_ptr_null(hub->ghosts);
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    ck_assert_ptr_nonnull(hub->ghosts);
    uint64_t due = hub->ghosts->due;
    ck_assert_int_eq(links_of_x(NODE_A), 1);
    ghost_free_due(hub, due - 1);
    ck_assert_int_eq(links_of_x(NODE_A), 1);
    ghost_free_due(hub, due);
    ck_assert_int_eq(links_of_x(NODE_A), 0);
    ck_assert(!hub->ghosts && !hub->last_ghost);
    pubsub_subscribe_x(a); /* and counts anew */
    ck_assert_int_eq(links_of_x(NODE_A), 1);
}
END_TEST

START_TEST(a_lost_links_subscriptions_count_for_a_moment_too)
{
    pubsub_subscribe_x(a);
    pubsub_join_x(b);
    flow_node_cuts(f, NODE_A);
    ck_assert_ptr_nonnull(hub->ghosts);
    ck_assert_ptr_null(hub->ghosts->next);
    ck_assert_int_eq(links_of_x(NODE_A), 2); /* and it is subscribed again */
    ghost_free_due(hub, UINT64_MAX);
    ck_assert_int_eq(links_of_x(NODE_A), 1);
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
}
END_TEST

START_TEST(a_login_is_said_if_there_is_one)
{
    static const struct {
        const char *config, *said;
    } logins[] = {{"", NULL},
                  {"auth-user proxy\n", NULL}, /* which no password goes with */
                  {"auth-password secret\n", "AUTH secret"},
                  {"auth-user proxy\nauth-password secret\n", "AUTH proxy secret"}};
    for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
        pubsub_end();
        pubsub_begin_with(logins[i].config);
        flow_send(f, a, "SUBSCRIBE x");
        if (logins[i].said) {
            flow_node_gets(f, NODE_A, logins[i].said);
            flow_node_gets_nothing(f, NODE_A);
            flow_answer(f, NODE_A, "+OK\r\n");
        }
        flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
        flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    }
}
END_TEST

UNIT_SUITE_WITH("pubsub_link_subs", begin, pubsub_end, {each_kind_has_its_verbs},
                {names_go_out_as_they_came}, {silence_counts_from_the_first_unanswered_command},
                {what_is_ending_is_asked_for_anew}, {a_turn_asks_once},
                {subscriptions_end_in_any_order}, {a_topic_knows_its_subscriptions_by_their_links},
                {what_has_ended_counts_for_a_moment},
                {a_lost_links_subscriptions_count_for_a_moment_too},
                {a_login_is_said_if_there_is_one})
