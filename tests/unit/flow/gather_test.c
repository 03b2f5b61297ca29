/* gather_test: questions to all workers: text of any length, and clients that do not wait for the
 * answer. That several threads answer is in tests/integration/server_commands_test. */
#include "base/memory.h"
#include "flow/client.h"
#include "flow/gather.h"
#include "flow/local_call.h"
#include "support/flow_unit.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned collected, finished;

START_TEST(text_grows_as_it_is_written)
{
    struct gather_part part = {0};
    char want[6000] = "";
    gather_append(&part, "", 0);
    ck_assert_uint_eq(part.len, 0);
    for (int i = 0; i < 500; i++) {
        gather_printf(&part, "%d,", i);
        gather_append(&part, "\0;", 2); /* bytes, not text */
    }
    ck_assert_uint_le(part.len, part.cap);
    size_t at = 0;
    for (int i = 0; i < 500; i++) {
        int len = snprintf(want, sizeof want, "%d,", i);
        ck_assert(memcmp(part.data + at, want, (size_t)len) == 0);
        ck_assert(memcmp(part.data + at + len, "\0;", 2) == 0);
        at += (size_t)len + 2;
    }
    ck_assert_uint_eq(part.len, at);
    memset(want, 'x', sizeof want - 1);
    gather_printf(&part, "%s%s", want, want); /* more than double of what it has */
    ck_assert_uint_eq(part.len, at + 2 * (sizeof want - 1));
    gather_printf(&part, "%s", "");
    ck_assert_uint_eq(part.len, at + 2 * (sizeof want - 1));
    free(part.data);
}
END_TEST

static void collect(struct worker *w, const void *question, struct gather_part *part)
{
    ck_assert_ptr_eq(w, f->w);
    ck_assert_str_eq(question, "how many?");
    part->n = 5;
    collected++;
}

static void finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct reply r = local_reply_to(w, g->request, out);
    ck_assert_uint_eq(g->nparts, 1);
    reply_int(&r, g->parts[0].n);
    finished++;
}

/* c asks, with its last command as the one that is answered. */
static void ask(void)
{
    struct client *client = flow_newest(f);
    gather_start(client, client->last_command, memory_strdup("how many?"), collect, finish);
}

START_TEST(the_answer_has_its_place_among_the_replies)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    ask();
    flow_send(f, c, "PING");
    flow_expect_nothing(f, c);
    ck_assert_uint_eq(finished, 1);
    flow_answer(f, NODE_A, "$-1\r\n");
    flow_expect(f, c, "$-1\r\n:5\r\n+PONG\r\n");
}
END_TEST

START_TEST(nobody_writes_to_a_client_that_has_left)
{
    flow_send(f, c, "PING");
    flow_expect(f, c, "+PONG\r\n");
    ask();
    client_close(flow_newest(f));
    flow_settle(f);
    ck_assert_uint_eq(collected, 1);
    ck_assert_uint_eq(finished, 0);
}
END_TEST

START_TEST(client_reply_off_is_obeyed)
{
    flow_send(f, c, "CLIENT REPLY OFF", "CLIENT LIST", "CLIENT REPLY ON", "PING");
    flow_expect(f, c, "+OK\r\n+PONG\r\n");
}
END_TEST

UNIT_SUITE_WITH("gather", flow_begin, flow_end, {text_grows_as_it_is_written},
                {the_answer_has_its_place_among_the_replies},
                {nobody_writes_to_a_client_that_has_left}, {client_reply_off_is_obeyed})
