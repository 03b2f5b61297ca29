/* pause_test: CLIENT PAUSE: what is held back, by whom, and until when. */
#include "flow/client.h"
#include "flow/pause.h"
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

/* As in Redis. */
START_TEST(a_second_pause_makes_the_first_longer_and_never_less)
{
    struct process *process = &f->process;
    pause_start(process, 1000, 5000, true);
    pause_start(process, 2000, 3000, false);
    ck_assert_uint_eq(atomic_load(&process->pause_until), 5000);
    ck_assert(atomic_load(&process->pause_all));
    pause_start(process, 2000, 9000, false);
    ck_assert_uint_eq(atomic_load(&process->pause_until), 9000);
    ck_assert(atomic_load(&process->pause_all));
    pause_start(process, 9500, 9600, false); /* the first is over */
    ck_assert_uint_eq(atomic_load(&process->pause_until), 9600);
    ck_assert(!atomic_load(&process->pause_all));
    pause_end(process);
}
END_TEST

START_TEST(what_may_write_is_held_back)
{
    int other = flow_client(f);
    static const char *const writes[] = {
        "SET b 1",      "EVAL return{b} 1 b", "PUBLISH x 1",    "PFCOUNT b",
        "MSET b 1 c 2", "SPUBLISH b 1",       "EVALSHA 00 1 b", "XREADGROUP GROUP g c STREAMS b >"};
    flow_send(f, c, "CLIENT PAUSE 100000 WRITE");
    flow_expect(f, c, "+OK\r\n");
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        int client = flow_client(f);
        flow_send(f, client, writes[i]);
        flow_settle(f);
        ck_assert_msg(flow_newest(f)->flags & CLIENT_PAUSED, "%s", writes[i]);
        close(client);
        flow_settle(f);
    }
    ck_assert_uint_eq(flow_count(f, COUNTER_paused), 0); /* all have left */
    for (int node = NODE_A; node <= NODE_C; node++)
        flow_node_gets_nothing(f, (enum flow_node)node);
    flow_send(f, other, "GET b", "EVAL_RO return{b} 1 b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$-1\r\n");
    flow_node_serves(f, NODE_A, "EVAL_RO return{b} 1 b", "$1\r\nb\r\n");
    flow_expect(f, other, "$-1\r\n$1\r\nb\r\n");
    close(other);
}
END_TEST

UNIT_SUITE_WITH("pause", flow_begin, flow_end, {client_pause_holds_writes_back_until_it_is_over},
                {client_unpause_ends_a_pause},
                {a_second_pause_makes_the_first_longer_and_never_less},
                {what_may_write_is_held_back})
