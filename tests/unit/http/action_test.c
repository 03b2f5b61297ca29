/* action_test: what an operator may do, who may, and what is noted of it. */
#include "base/event.h"
#include "cluster/discovery_state.h"
#include "flow/client.h"
#include "http/action.h"
#include "support/page_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const actions[] = {"POST /action/refresh", "POST /action/drain",
                                      "POST /action/resume", "POST /action/close-client"};
#define ACTIONS (int)(sizeof actions / sizeof *actions)

static struct discovery discovery;
static unsigned hints;

static void on_hint(struct ev_loop *loop, ev_async *hint, int events)
{
    (void)loop;
    (void)hint;
    (void)events;
    hints++;
}

/* A discovery that counts hints. */
static void set_up(void)
{
    page_begin();
    discovery.loop = f->w->loop;
    discovery.env.moving = calloc(SLOT_COUNT, sizeof *discovery.env.moving);
    ev_async_init(&discovery.hint, on_hint);
    ev_async_start(discovery.loop, &discovery.hint);
    f->process.discovery = &discovery;
    hints = 0;
}

static void tear_down(void)
{
    if (f->process.discovery)
        ev_async_stop(discovery.loop, &discovery.hint);
    f->process.discovery = NULL;
    free((void *)discovery.env.moving);
    page_end();
}

/* The form of an action, with the token. */
static const char *form(const char *more)
{
    static char text[400];
    snprintf(text, sizeof text, "token=%s%s", h->token, more);
    return text;
}

static void nothing_has_happened(void)
{
    static struct event events[EVENT_KEPT];
    size_t n = event_copy(events, 0);
    page_turns(3);
    ck_assert_uint_eq(hints, 0);
    ck_assert_int_eq(page_draining, -1);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_ne(events[i].kind, EVENT_ACTION);
}

/* Is there an event of this text about an action? */
static bool is_noted(const char *text)
{
    static struct event events[EVENT_KEPT];
    size_t n = event_copy(events, 0);
    for (size_t i = 0; i < n; i++)
        if (events[i].kind == EVENT_ACTION && strstr(events[i].text, text) &&
            strstr(events[i].text, "admin from 127.0.0.1:"))
            return true;
    return false;
}

START_TEST(refresh_asks_the_nodes)
{
    page_expect("POST /action/refresh", PAGE_ADMIN, form(""), 200, "application/json",
                "{\"ok\": true, \"text\": \"the nodes are being asked\"}");
    page_until(hints == 1);
    ck_assert(is_noted("refresh the topology"));
}
END_TEST

START_TEST(drain_and_resume_reach_the_main_thread)
{
    page_expect("POST /action/drain", PAGE_ADMIN, form(""), 200, NULL, "no new clients");
    page_until(page_draining == 1);
    ck_assert(is_noted(": drain"));
    page_expect("POST /action/resume", PAGE_ADMIN, form(""), 200, NULL, "accepted again");
    page_until(page_draining == 0);
    ck_assert(is_noted(": resume"));
}
END_TEST

/* Another site can have a browser send a form, but it cannot read the token. */
static const char *const bad_forms[] = {"",
                                        "token=",
                                        "token=0123456789abcdef0123456789abcdef",
                                        "id=1",
                                        "Token=%s",
                                        "xtoken=%s",
                                        "token%%=%s",
                                        "token=%sx",
                                        "token=x%s",
                                        "token=wrong&token=%s",
                                        "x&y=&&&",
                                        "token=%s%%20",
                                        "token=%s0123456789012345678901234567890123456789"};

START_TEST(without_the_token_nothing_happens)
{
    char body[300];
    snprintf(body, sizeof body, bad_forms[_i], h->token);
    for (int i = 0; i < ACTIONS; i++)
        page_expect(
            actions[i], PAGE_ADMIN, body, 403, "application/json",
            "{\"ok\": false, \"text\": \"the token is missing or wrong: reload the page\"}");
    nothing_has_happened();
}
END_TEST

START_TEST(fields_are_found_wherever_they_stand_and_however_they_are_written)
{
    char body[300];
    snprintf(body, sizeof body, "&&id=5&tok=1&token=%%%02x%s&token=no&x", (unsigned)h->token[0],
             h->token + 1);
    page_expect("POST /action/drain", PAGE_ADMIN, body, 200, NULL, "\"ok\": true");
}
END_TEST

START_TEST(without_stats_admin_the_token_is_of_no_use)
{
    f->process.discovery = NULL;
    page_again("stats-password sesame\n");
    for (int i = 0; i < ACTIONS; i++)
        page_expect(actions[i], PAGE_ADMIN, form("&id=1"), 403, NULL, "stats-admin is no");
    ck_assert_int_eq(page_draining, -1);
    ck_assert(!is_noted("close client"));
}
END_TEST

/* If there is no randomness for one. */
START_TEST(without_a_token_no_action_is_possible)
{
    *h->token = '\0';
    for (int i = 0; i < ACTIONS; i++)
        page_expect(actions[i], PAGE_ADMIN, "token=", 403, NULL, "actions are not allowed");
    nothing_has_happened();
}
END_TEST

START_TEST(a_client_is_closed_by_its_id)
{
    char more[40];
    int clients[3] = {flow_client(f), flow_client(f), flow_client(f)};
    uint64_t id = flow_newest(f)->next->id;
    snprintf(more, sizeof more, "&id=%llu", (unsigned long long)id);
    page_expect("POST /action/close-client", PAGE_ADMIN, form(more), 200, NULL, "is closed");
    flow_expect_closed(f, clients[1]);
    flow_expect_nothing(f, clients[0]);
    flow_expect_nothing(f, clients[2]);
    snprintf(more, sizeof more, "close client %llu", (unsigned long long)id);
    ck_assert(is_noted(more));
    snprintf(more, sizeof more, "&id=%llu", (unsigned long long)id);
    page_expect("POST /action/close-client", PAGE_ADMIN, form(more), 404, NULL,
                "no client has the id ");
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}
END_TEST

static const struct {
    const char *id;
    int status;
    const char *text;
} ids[] = {
    {"", 400, "id must be the number of a client"},
    {"&id=", 400, "id must be"},
    {"&id=0", 400, "id must be"},
    {"&id=abc", 400, "id must be"},
    {"&id=12x", 400, "id must be"},
    {"&id=12%2b", 400, "id must be"},
    {"&idx=12", 400, "id must be"},
    {"&xid=12", 400, "id must be"},
    {"&id=12345678901234567890123456789012345678901234567890123456789012345", 400, "id must be"},
    {"&id=777", 404, "no client has the id 777"},
    {"&id=%377%37", 404, "no client has the id 777"},
    {"&id=%37%3", 400, "id must be"}, /* the rest is no code */
    {"&id=%3g", 400, "id must be"},
    {"&id=777&id=888", 404, "no client has the id 777"},
};

START_TEST(what_is_no_id_closes_nobody)
{
    int client = flow_client(f);
    page_expect("POST /action/close-client", PAGE_ADMIN, form(ids[_i].id), ids[_i].status, NULL,
                ids[_i].text);
    flow_expect_nothing(f, client);
    close(client);
}
END_TEST

UNIT_SUITE_WITH("action", set_up, tear_down, {refresh_asks_the_nodes},
                {drain_and_resume_reach_the_main_thread},
                {without_the_token_nothing_happens, sizeof bad_forms / sizeof *bad_forms},
                {fields_are_found_wherever_they_stand_and_however_they_are_written},
                {without_stats_admin_the_token_is_of_no_use},
                {without_a_token_no_action_is_possible}, {a_client_is_closed_by_its_id},
                {what_is_no_id_closes_nobody, sizeof ids / sizeof *ids})
