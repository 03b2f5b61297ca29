/* session_test: what a client holds beyond its requests, and how it ends: RESET, or leaving. */
#include "flow/client.h"
#include "flow/pool.h"
#include "flow/pubsub_hub.h"
#include "flow/session.h"
#include "flow/tracking.h"
#include "support/flow_unit.h"
#include <sys/socket.h>
#include <unistd.h>

#define NONE "$-1\r\n"

/* A name, a lease for WATCH, a transaction begun. */
static void hold_all(int protocol)
{
    flow_hello(c, protocol);
    flow_send(f, c, "CLIENT SETNAME me", "CLIENT SETINFO lib-name mine", "WATCH b");
    if (protocol == 3)
        flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+OK\r\n");
    flow_send(f, c, "MULTI", "SET b 1");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n");
}

/* The connection of WATCH is clean, and for others: nobody holds it. */
static void gives_back(unsigned leases)
{
    flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
    flow_settle(f);
    ck_assert_uint_eq(atomic_load(&f->process.leases), leases);
    ck_assert_ptr_nonnull(f->w->pools[NODE_A]->idle[leases - 1]);
}

START_TEST(a_client_that_holds_nothing_has_no_session)
{
    flow_send(f, c, "PING", "RESET");
    flow_expect(f, c, "+PONG\r\n+RESET\r\n");
    ck_assert_ptr_null(flow_newest(f)->session);
}
END_TEST

START_TEST(reset_begins_anew)
{
    hold_all(2);
    flow_send(f, c, "RESET", "EXEC", "CLIENT GETNAME");
    flow_expect(f, c, "+RESET\r\n-ERR EXEC without MULTI\r\n" NONE);
    gives_back(1);
    ck_assert_uint_eq(flow_newest(f)->session->holds, 0);
    ck_assert_ptr_null(flow_newest(f)->session->leases);
    flow_send(f, c, "GET b"); /* on the shared connection */
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
}
END_TEST

START_TEST(reset_takes_the_protocol_and_what_is_tracked_back)
{
    flow_hello(c, 3);
    flow_send(f, c, "CLIENT TRACKING ON");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "RESET", "CLIENT GETNAME", "CLIENT GETREDIR");
    flow_expect(f, c, "+RESET\r\n" NONE ":-1\r\n");
    ck_assert_uint_eq(tracking_clients(&f->process), 0);
}
END_TEST

/* Under AddressSanitizer nothing of it may be left. */
START_TEST(who_leaves_gives_everything_back)
{
    for (int protocol = 2; protocol <= 3; protocol++) {
        hold_all(protocol);
        shutdown(c, SHUT_RDWR);
        flow_settle(f);
        ck_assert_ptr_null(f->w->clients);
        gives_back((unsigned)protocol - 1); /* one of each protocol */
        close(c);
        c = flow_client(f);
    }
    f->w->pubsub->home_choice = 0; /* NODE_A */
    flow_send(f, c, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    shutdown(c, SHUT_RDWR);
    flow_answer(f, NODE_A, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    ck_assert_ptr_null(f->w->clients);
    ck_assert_uint_eq(census_names(PUBSUB_CHANNEL), 0);
}
END_TEST

/* They are only queued, and so hold up nobody. */
START_TEST(in_a_transaction_nothing_waits_for_what_is_under_way)
{
    flow_open_window();
    flow_send(f, c, "GET b", "MULTI", "BLPOP b 0", "WATCH b", "WAIT 1 0");
    flow_node_gets(f, NODE_A, "GET b");
    flow_send(f, c, "DISCARD", "GET c");
    flow_node_serves(f, NODE_B, "GET c", "$1\r\nc\r\n");
    flow_answer(f, NODE_A, "$1\r\nb\r\n");
    flow_expect(f, c,
                "$1\r\nb\r\n+OK\r\n+QUEUED\r\n-ERR WATCH inside MULTI is not allowed\r\n"
                "+QUEUED\r\n+OK\r\n$1\r\nc\r\n");
}
END_TEST

UNIT_SUITE_WITH("session", flow_begin, flow_end, {a_client_that_holds_nothing_has_no_session},
                {reset_begins_anew}, {reset_takes_the_protocol_and_what_is_tracked_back},
                {who_leaves_gives_everything_back},
                {in_a_transaction_nothing_waits_for_what_is_under_way})
