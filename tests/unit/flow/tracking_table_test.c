/* tracking_table_test: who tracks, and the mail from clients that track to those whom they have
 * chosen to be told instead of them. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "flow/tracking.h"
#include "flow/tracking_table.h"
#include "support/tracking_unit.h"
#include <stdio.h>
#include <unistd.h>

static int target; /* who is told what c has to know */
static unsigned long long its_id;
static struct flow_link *listener; /* where the node says it */

static void begin(void)
{
    tracking_begin();
    f->w->pubsub->home_choice = 0; /* NODE_A */
    target = flow_client(f);
    its_id = (unsigned long long)flow_newest(f)->id;
}

static void end(void)
{
    close(target);
    flow_end();
}

/* c tracks, target is to be told, and b has been read at NODE_A. */
static void redirect(void)
{
    char options[64];
    snprintf(options, sizeof options, " REDIRECT %llu", its_id);
    tracking_turn_on(options);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_lease_opens(NODE_A, "5");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_lease_opens(NODE_A, "6");
    listener = f->nodes[NODE_A].last;
    flow_node_serves(f, NODE_A, "CLIENT TRACKING ON REDIRECT 6", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
}

static void node_says(const char *what)
{
    f->nodes[NODE_A].last = listener;
    flow_answer(f, NODE_A, what);
}

START_TEST(a_resp3_target_gets_a_push)
{
    flow_hello(target, 3);
    redirect();
    node_says(INVALID("b"));
    flow_expect(f, target, INVALID("b"));
    flow_expect_nothing(f, c);
}
END_TEST

#define CHANNEL "$20\r\n__redis__:invalidate\r\n"

START_TEST(a_resp2_target_gets_a_message_if_it_has_subscribed)
{
    redirect();
    node_says(INVALID("b"));
    flow_expect_nothing(f, target);
    flow_send(f, target, "SUBSCRIBE __redis__:invalidate");
    flow_node_serves(f, NODE_A, "SUBSCRIBE __redis__:invalidate",
                     "*3\r\n$9\r\nsubscribe\r\n" CHANNEL ":1\r\n");
    flow_expect(f, target, "*3\r\n$9\r\nsubscribe\r\n" CHANNEL ":1\r\n");
    node_says(INVALID("b"));
    flow_expect(f, target, "*3\r\n$7\r\nmessage\r\n" CHANNEL "*1\r\n$1\r\nb\r\n");
    flow_link_cuts(listener); /* nobody knows what it would have said */
    flow_expect(f, target, "*3\r\n$7\r\nmessage\r\n" CHANNEL "$-1\r\n");
    flow_expect_nothing(f, c);
}
END_TEST

START_TEST(a_target_that_has_left_breaks_the_redirection)
{
    char broken[80];
    redirect();
    close(target);
    flow_settle(f);
    node_says(INVALID("b"));
    snprintf(broken, sizeof broken, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n", its_id);
    flow_expect(f, c, broken);
    flow_send(f, c, "CLIENT GETREDIR");
    snprintf(broken, sizeof broken, ":%llu\r\n", its_id);
    flow_expect(f, c, broken); /* as Redis, which does not forget it */
    flow_send(f, c, "CLIENT TRACKINGINFO");
    flow_contains(flow_received(c), "~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n");
    target = flow_client(f);
}
END_TEST

/* Its mail is under way when it leaves. */
START_TEST(a_source_that_has_left_gets_no_mail_back)
{
    redirect();
    close(target);
    node_says(INVALID("b"));
    client_close(flow_newest(f)->next ? flow_newest(f)->next : flow_newest(f));
    flow_settle(f);
    ck_assert_uint_eq(tracking_clients(&f->process), 0);
    target = flow_client(f);
}
END_TEST

START_TEST(a_target_that_does_not_exist_is_refused)
{
    flow_send(f, c, "CLIENT TRACKING ON REDIRECT 999999", "CLIENT TRACKING ON REDIRECT 0");
    flow_expect(f, c,
                "-ERR The client ID you want redirect to does not exist\r\n"
                "-ERR The client ID you want redirect to does not exist\r\n");
    ck_assert_uint_eq(tracking_clients(&f->process), 0);
}
END_TEST

START_TEST(who_tracks_is_counted_once)
{
    tracking_turn_on("");
    tracking_turn_on(" NOLOOP");
    ck_assert_uint_eq(tracking_clients(&f->process), 1);
    flow_hello(target, 3);
    flow_send(f, target, "CLIENT TRACKING ON");
    flow_expect(f, target, "+OK\r\n");
    ck_assert_uint_eq(tracking_clients(&f->process), 2);
    flow_send(f, target, "CLIENT TRACKING OFF", "CLIENT TRACKING OFF", "CLIENT TRACKING ON");
    flow_expect(f, target, "+OK\r\n+OK\r\n+OK\r\n");
    ck_assert_uint_eq(tracking_clients(&f->process), 2);
    flow_send(f, c, "RESET");
    flow_settle(f);
    ck_assert_uint_eq(tracking_clients(&f->process), 1);
    close(target);
    flow_settle(f);
    ck_assert_uint_eq(tracking_clients(&f->process), 0);
    target = flow_client(f);
}
END_TEST

UNIT_SUITE_WITH("tracking_table", begin, end, {a_resp3_target_gets_a_push},
                {a_resp2_target_gets_a_message_if_it_has_subscribed},
                {a_target_that_has_left_breaks_the_redirection},
                {a_source_that_has_left_gets_no_mail_back},
                {a_target_that_does_not_exist_is_refused}, {who_tracks_is_counted_once})
