/* survey_test: what a worker tells the statistics thread of its nodes, its clients, what waits, and
 * what is new since it was asked last. */
#include "flow/client.h"
#include "flow/slowlog.h"
#include "flow/survey.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct survey *s;

static void begin(void)
{
    flow_begin_with("unixsocket /run/x\n");
    s = survey_new(0);
}

static void end(void)
{
    survey_free(s);
    survey_free(NULL);
    flow_end();
}

static void on_done(void *owner, void *arg)
{
    ck_assert_ptr_eq(owner, f);
    ck_assert_ptr_eq(arg, s);
    s->asker = NULL;
}

static bool is_back(void *arg)
{
    (void)arg;
    return !s->asker;
}

/* The next survey. */
static void look(void)
{
    s->asker = &f->process.mailbox;
    s->done = on_done;
    s->answered = false;
    survey_ask(f->w, s);
    flow_until(f, is_back, NULL, "the survey");
    ck_assert(s->answered);
}

static const struct survey_node *at(enum flow_node node)
{
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (s->nodes[i].index == node)
            return &s->nodes[i];
    ck_abort_msg("no node %d", (int)node);
}

/* --- nodes --- */

START_TEST(connections_and_what_is_under_way)
{
    look();
    ck_assert_uint_eq(s->nnodes, FLOW_NODES);
    ck_assert_uint_eq(s->backends, 0);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    int waiting = flow_client(f), large = flow_client(f);
    flow_send(f, waiting, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    char *value = flow_pattern(300000), *set = malloc(300100);
    int len = sprintf(set, "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$300000\r\n%s\r\n", value);
    flow_send_raw(f, large, set, (size_t)len);
    flow_node_gets(f, NODE_B, "SET c <300000>");
    look();
    const struct survey_node *a = at(NODE_A), *b = at(NODE_B);
    ck_assert(a->shared == 1 && a->leased == 1 && a->bulk == 0 && a->in_flight == 2);
    ck_assert(b->shared == 0 && b->leased == 0 && b->bulk == 1 && b->in_flight == 1);
    ck_assert(at(NODE_C)->shared == 0 && at(NODE_C)->in_flight == 0);
    ck_assert_uint_eq(s->backends, 3);
    ck_assert_uint_eq(s->in_flight, 3);
    ck_assert_uint_gt(b->bytes_out, 300000);
    free(value);
    free(set);
    close(waiting);
    close(large);
}
END_TEST

START_TEST(bytes_of_closed_connections_are_not_forgotten)
{
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "$5\r\nhello\r\n");
    flow_expect(f, c, "$5\r\nhello\r\n");
    look();
    uint64_t out = at(NODE_A)->bytes_out, in = at(NODE_A)->bytes_in;
    ck_assert_uint_eq(out, strlen("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"));
    ck_assert_uint_eq(in, strlen("$5\r\nhello\r\n"));
    flow_node_cuts(f, NODE_A);
    look();
    ck_assert_uint_eq(at(NODE_A)->shared, 0);
    ck_assert_uint_eq(at(NODE_A)->bytes_out, out);
    ck_assert_uint_eq(at(NODE_A)->bytes_in, in);
    ck_assert_uint_eq(f->w->pools[NODE_A]->watch->v[WATCH_bytes_in], in); /* for /metrics, too */
    ck_assert_uint_eq(f->w->pools[NODE_A]->watch->v[WATCH_bytes_out], out);
}
END_TEST

START_TEST(what_waits_is_told_with_its_node_and_its_age)
{
    int nowhere = flow_client(f);
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "GET b");
    flow_settle(f);
    f->owner[7365] = FLOW_NODES; /* c is nobody's */
    flow_publish(f);
    flow_send(f, nowhere, "GET c");
    flow_settle(f);
    for (struct request *r = f->w->parked; r; r = r->backend_next)
        r->held_since = f->w->now - (r->slot == 7365 ? 2000000 : 1000000);
    look();
    ck_assert_uint_eq(s->waiting, 2);
    ck_assert_uint_eq(s->waiting_nowhere, 1);
    ck_assert_uint_eq(at(NODE_A)->waiting, 1);
    ck_assert_uint_eq(at(NODE_B)->waiting, 0);
    ck_assert_uint_ge(s->waiting_oldest, 2000000);
    ck_assert_uint_eq(s->waiting_nowhere_oldest, s->waiting_oldest);
    ck_assert_uint_ge(at(NODE_A)->waiting_oldest, 1000000);
    ck_assert_uint_lt(at(NODE_A)->waiting_oldest, 2000000);
    ck_assert_uint_eq(at(NODE_B)->waiting_oldest, 0);
    f->owner[7365] = NODE_B;
    flow_publish(f);
    flow_node_returns(f, NODE_A);
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "GET c", "$-1\r\n");
    flow_expect(f, nowhere, "$-1\r\n");
    look();
    ck_assert(s->waiting == 0 && s->waiting_oldest == 0);
    ck_assert(s->waiting_nowhere == 0 && s->waiting_nowhere_oldest == 0);
    close(nowhere);
}
END_TEST

START_TEST(what_waits_for_a_node_that_was_named_waits_there)
{
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "GET b");
    flow_settle(f);
    f->w->parked->target = NODE_B; /* as if an ASK had led there */
    look();
    ck_assert_uint_eq(s->waiting, 1);
    ck_assert_uint_eq(at(NODE_B)->waiting, 1);
    ck_assert_uint_eq(at(NODE_A)->waiting, 0);
}
END_TEST

/* --- clients --- */

START_TEST(a_client_is_told_as_it_is)
{
    flow_send(f, c, "CLIENT SETNAME me", "CLIENT SETINFO lib-name lib", "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_send_raw(f, c, "*1\r\n$4\r\nPI", 10); /* a part of the next one */
    struct client *client = flow_newest(f);
    client->created -= 70;
    client->active -= 5;
    look();
    ck_assert_uint_eq(s->clients, 1);
    ck_assert_uint_eq(s->noutput, 0);
    ck_assert_uint_eq(s->nrate, 1);
    const struct survey_client *told = &s->by_rate[0];
    ck_assert_uint_eq(told->id, client->id);
    ck_assert_uint_eq(told->commands, 3);
    ck_assert(told->rate == 3);
    ck_assert_uint_gt(f->w->watch->surveyed, 0);
    ck_assert(told->age >= 70 && told->age < 80 && told->idle >= 5 && told->idle < 15);
    ck_assert_uint_eq(told->in_flight, 1);
    ck_assert_uint_eq(told->waiting, 0);
    ck_assert_uint_eq(told->input, 10);
    ck_assert_uint_eq(told->output, 0);
    ck_assert(!told->subscribed);
    ck_assert_str_eq(told->command, "get");
    ck_assert_str_eq(told->address, "/run/x:0");
    ck_assert_str_eq(told->name, "me");
    ck_assert_str_eq(told->library, "lib ");
    flow_send_raw(f, c, "NG\r\n", 4);
    flow_answer(f, NODE_A, "$-1\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n$-1\r\n+PONG\r\n");
    f->w->watch->surveyed = f->w->now - 500000;
    look();
    ck_assert_uint_eq(s->by_rate[0].commands, 4);
    ck_assert(s->by_rate[0].rate > 1.5 && s->by_rate[0].rate <= 2); /* one in half a second */
    look();
    ck_assert(s->by_rate[0].rate == 0); /* none since then */
}
END_TEST

START_TEST(nobody_and_what_is_not_known)
{
    struct client *client = flow_newest(f);
    look();
    ck_assert_ptr_null(s->by_rate[0].command);
    ck_assert_str_eq(s->by_rate[0].name, "");
    ck_assert_str_eq(s->by_rate[0].library, "");
    client->flags |= CLIENT_SUBSCRIBED;
    look();
    ck_assert(s->by_rate[0].subscribed);
    client->flags &= ~(uint32_t)CLIENT_SUBSCRIBED;
    client_close(client);
    look();
    ck_assert(s->clients == 0 && s->nrate == 0 && s->noutput == 0);
}
END_TEST

/* Of more clients than are shown, those with the most of it, each list for itself. */
START_TEST(the_greatest_are_shown)
{
    enum { CLIENTS = SURVEY_CLIENTS + 9 };
    int fds[CLIENTS];
    bool by_rate[CLIENTS + 1] = {false}, by_output[CLIENTS + 1] = {false};
    for (unsigned i = 1; i < CLIENTS; i++)
        fds[i] = flow_client(f);
    for (struct client *client = f->w->clients; client; client = client->next) {
        /* in an order that is neither up nor down */
        client->commands = 1 + client->id * 7 % CLIENTS;
        client->stream.unsent = client->id % 2 ? client->id : 0;
    }
    look();
    ck_assert_uint_eq(s->clients, CLIENTS);
    ck_assert_uint_eq(s->nrate, SURVEY_CLIENTS);
    ck_assert_uint_eq(s->noutput, CLIENTS / 2 + 1);
    for (uint32_t i = 0; i < s->nrate; i++)
        by_rate[s->by_rate[i].commands] = true;
    for (unsigned i = 1; i <= CLIENTS; i++)
        ck_assert_int_eq(by_rate[i], i > CLIENTS - SURVEY_CLIENTS);
    for (uint32_t i = 0; i < s->noutput; i++)
        by_output[s->by_output[i].output] = true;
    for (unsigned i = 1; i <= CLIENTS; i++)
        ck_assert_int_eq(by_output[i], i % 2 == 1);
    for (struct client *client = f->w->clients; client; client = client->next)
        client->stream.unsent = 0;
    for (unsigned i = 1; i < CLIENTS; i++)
        close(fds[i]);
}
END_TEST

/* --- what is new --- */

static void record(const char *request, size_t len)
{
    slowlog_record(f->w->slowlog, 1000, request, len, 1700000000, 12345, "127.0.0.1:5", "me");
}

#define ONE "*1\r\n$1\r\na\r\n"

START_TEST(slow_requests_are_told_once)
{
    static const char get[] = "*3\r\n$3\r\nGET\r\n$2\r\n\n\xff\r\n$0\r\n\r\n";
    look();
    ck_assert_uint_eq(s->nslow, 0);
    record(get, sizeof get - 1);
    f->w->slowlog->newest->inside = 45;
    f->w->slowlog->newest->node = NODE_B;
    look();
    ck_assert_uint_eq(s->nslow, 1);
    const struct survey_slow *slow = &s->slow[0];
    ck_assert_uint_eq(slow->id, f->w->slowlog->newest->id);
    ck_assert_int_eq(slow->at, 1700000000);
    ck_assert_uint_eq(slow->total, 12345);
    ck_assert_uint_eq(slow->inside, 45);
    ck_assert_uint_eq(slow->node, NODE_B);
    ck_assert_str_eq(slow->command, "GET \\x0a\\xff ");
    ck_assert_str_eq(slow->client, "127.0.0.1:5");
    ck_assert_str_eq(slow->name, "me");
    look();
    ck_assert_uint_eq(s->nslow, 0);
    record(ONE, sizeof ONE - 1);
    record(ONE, sizeof ONE - 1);
    look();
    ck_assert_uint_eq(s->nslow, 2);
    ck_assert_uint_eq(s->slow[0].id + 1, s->slow[1].id); /* the oldest first */
    ck_assert_str_eq(s->slow[0].command, "a");
    slowlog_reset(f->w->slowlog, UINT64_MAX);
    look();
    ck_assert_uint_eq(s->nslow, 0);
}
END_TEST

START_TEST(the_latest_of_many_slow_requests_are_told)
{
    for (int i = 0; i < SURVEY_SLOW + 3; i++)
        record(ONE, sizeof ONE - 1);
    look();
    ck_assert_uint_eq(s->nslow, SURVEY_SLOW);
    ck_assert_uint_eq(s->slow[SURVEY_SLOW - 1].id, f->w->slowlog->newest->id);
    ck_assert_uint_eq(s->slow[0].id, f->w->slowlog->oldest->id + 3);
    record(ONE, sizeof ONE - 1);
    look();
    ck_assert_uint_eq(s->nslow, 1); /* however many are known already */
}
END_TEST

START_TEST(a_long_slow_request_is_cut)
{
    char request[8000];
    int len = sprintf(request, "*30\r\n");
    for (int i = 0; i < 30; i++)
        len += sprintf(request + len, "$100\r\n%0100d\r\n", i);
    record(request, (size_t)len);
    look();
    ck_assert_uint_eq(strlen(s->slow[0].command), SURVEY_COMMAND - 1);
    ck_assert_int_eq(strncmp(s->slow[0].command, "0000", 4), 0);
}
END_TEST

/* n things are seen, numbered on. */
static void see(unsigned n)
{
    struct watch *watch = f->w->watch;
    while (n-- > 0) {
        struct watch_sighting *next = &watch->sightings[watch->nsightings % WATCH_SIGHTINGS];
        next->number = ++watch->nsightings;
    }
}

START_TEST(sightings_are_told_once)
{
    static const struct {
        unsigned seen, told;
    } steps[] = {{0, 0},
                 {3, 3},
                 {0, 0},
                 {1, 1},
                 {WATCH_SIGHTINGS, WATCH_SIGHTINGS},
                 {WATCH_SIGHTINGS + 5, WATCH_SIGHTINGS}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        see(steps[i].seen);
        look();
        ck_assert_uint_eq(s->nsightings, steps[i].told);
        for (uint32_t k = 0; k < s->nsightings; k++) /* in their order, up to the last one */
            ck_assert_uint_eq(s->sightings[k].number,
                              f->w->watch->nsightings - s->nsightings + 1 + k);
    }
}
END_TEST

START_TEST(slots_that_are_moving)
{
    struct worker *w = f->w;
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_B, "GET b", "$-1\r\n");
    flow_expect(f, c, "$-1\r\n");
    look();
    ck_assert_uint_eq(s->nmoving, 1);
    ck_assert_uint_eq(s->moving[0], 3300);
    for (unsigned slot = 0; slot < 100; slot++)
        w->unsettled[slot] = w->seconds + 10;
    look();
    ck_assert_uint_eq(s->nmoving, SURVEY_MOVING);
    ck_assert_uint_eq(s->moving[SURVEY_MOVING - 1], SURVEY_MOVING - 1);
    w->unsettled_until = w->seconds - 1; /* all of it is over */
    look();
    ck_assert_uint_eq(s->nmoving, 0);
    w->unsettled_until = w->seconds + 10;
    for (unsigned slot = 1; slot < 100; slot++)
        w->unsettled[slot] = w->seconds - 1; /* that of these is */
    w->unsettled[3300] = 0;
    look();
    ck_assert_uint_eq(s->nmoving, 1);
    ck_assert_uint_eq(s->moving[0], 0);
}
END_TEST

START_TEST(samples_are_told_before_they_fade)
{
    watch_fade(f->w); /* sampling begins */
    for (int i = 0; i < 10; i++) {
        flow_send(f, c, "GET b");
        flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
        flow_expect(f, c, "$-1\r\n");
    }
    look();
    ck_assert_uint_eq(s->sampled, 10);
    ck_assert(s->load[3300 / (SLOT_COUNT / WATCH_LOADS)] == 10);
    ck_assert(f->w->watch->load[3300 / (SLOT_COUNT / WATCH_LOADS)] < 10);
    bool found = false;
    for (unsigned i = 0; i < SKETCH_ENTRIES; i++)
        found = found || (s->keys_by_rate.entries[i].key_len == 1 &&
                          s->keys_by_rate.entries[i].key[0] == 'b' &&
                          s->keys_by_rate.entries[i].weight == 10);
    ck_assert(found);
    ck_assert_uint_gt(s->chunk_bytes, 0);
}
END_TEST

UNIT_SUITE_WITH("survey", begin, end, {connections_and_what_is_under_way},
                {bytes_of_closed_connections_are_not_forgotten},
                {what_waits_is_told_with_its_node_and_its_age},
                {what_waits_for_a_node_that_was_named_waits_there}, {a_client_is_told_as_it_is},
                {nobody_and_what_is_not_known}, {the_greatest_are_shown},
                {slow_requests_are_told_once}, {the_latest_of_many_slow_requests_are_told},
                {a_long_slow_request_is_cut}, {sightings_are_told_once}, {slots_that_are_moving},
                {samples_are_told_before_they_fade})
