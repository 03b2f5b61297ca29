/* server_test: the statistics thread from its start to its end, when samples are taken, and what
 * the main thread gives it. */
#include "base/event.h"
#include "http/exchange.h"
#include "support/log_unit.h"
#include "support/page_unit.h"
#include "support/testing.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LISTEN "GET /events HTTP/1.1\r\nHost: x\r\n" PAGE_ADMIN "\r\n"

static void set_up(void)
{
    log_keep();
}

/* --- life --- */

START_TEST(without_a_port_there_is_no_page)
{
    page_begin_thread("stats-port 0\n");
    ck_assert_ptr_null(h);
    ck_assert_uint_eq(log_count("tatistics page"), 0);
    http_give_config(NULL, f->config);
    http_give_topology(NULL, f->w->topology);
    http_join(NULL);
    http_free(NULL);
    page_end();
}
END_TEST

START_TEST(a_port_that_is_taken_is_said)
{
    char text[100];
    page_begin_thread(PAGE_CONFIG);
    ck_assert_ptr_nonnull(h);
    snprintf(text, sizeof text, "Statistics page on port %d", page_port);
    ck_assert_uint_eq(log_count(text), 1);
    ck_assert_ptr_null(http_start(&f->process));
    snprintf(text, sizeof text, "There is no statistics page on port %d", page_port);
    ck_assert_uint_eq(log_count(text), 1);
    ck_assert_int_eq(page_status("GET /healthz", NULL, NULL), 200); /* the first one serves */
    ck_assert_uint_eq(log_count("default password"), 0);
    page_end();
}
END_TEST

START_TEST(the_default_password_is_said)
{
    page_begin_thread("");
    ck_assert_uint_eq(log_count("default password, so it is served to this host only"), 1);
    page_end();
}
END_TEST

START_TEST(samples_come_by_themselves)
{
    page_begin_thread(PAGE_CONFIG);
    struct page_link link = page_open();
    page_send(&link, LISTEN);
    page_until(page_got(&link, "id: 2\n"));
    page_close(&link);
    page_end();
}
END_TEST

/* Somebody listens, somebody waits for an answer of the worker, somebody says nothing. */
START_TEST(all_that_is_open_ends_when_slotway_stops)
{
    char text[300], body[100];
    page_begin_thread(PAGE_CONFIG);
    struct page_link stream = page_open(), action = page_open(), silent = page_open();
    page_send(&stream, LISTEN);
    page_until(page_got(&stream, "}\n\n"));
    snprintf(body, sizeof body, "token=%s&id=7", h->token);
    snprintf(text, sizeof text,
             "POST /action/close-client HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
             PAGE_ADMIN, strlen(body), body);
    ck_assert_int_eq(write(action.fd, text, strlen(text)), (ssize_t)strlen(text));
    while (event_total() == 0) /* it has been noted: the worker is asked next */
        poll_pause(1);
    page_end();
    ck_assert(page_ended(&stream) && page_ended(&action) && page_ended(&silent));
    ck_assert_ptr_nonnull(strstr(stream.text, "event: bye\n"));
    ck_assert_ptr_nonnull(strstr(action.text, "503"));
    ck_assert_uint_eq(silent.len, 0);
    page_close(&stream);
    page_close(&action);
    page_close(&silent);
}
END_TEST

START_TEST(each_start_has_a_token_of_its_own)
{
    char before[sizeof h->token];
    page_begin();
    strcpy(before, h->token);
    ck_assert_uint_eq(strlen(before), HTTP_TOKEN_LEN);
    ck_assert_uint_eq(strspn(before, "0123456789abcdef"), HTTP_TOKEN_LEN);
    page_again(PAGE_CONFIG);
    ck_assert_str_ne(h->token, before);
    page_end();
}
END_TEST

/* --- samples --- */

/* The timer of the next sample is due now; the loop turns, the worker does not. */
static void second_is_over(void)
{
    ev_feed_event(h->loop, &h->second, EV_TIMER);
    ev_run(h->loop, EVRUN_NOWAIT);
}

START_TEST(a_sample_is_taken_when_the_workers_have_answered)
{
    page_begin();
    uint64_t before = h->stats->sequence;
    second_is_over();
    ck_assert(ev_is_active(&h->patience));
    ck_assert_uint_eq(h->stats->sequence, before);
    page_turns(3);
    ck_assert_uint_eq(h->stats->sequence, before + 1);
    ck_assert(!ev_is_active(&h->patience));
    ck_assert_str_eq(h->stats->token, h->token);
    page_end();
}
END_TEST

START_TEST(one_that_does_not_answer_is_left_out)
{
    page_begin();
    uint64_t before = h->stats->sequence;
    second_is_over();
    ev_feed_event(h->loop, &h->patience, EV_TIMER);
    ev_run(h->loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(h->stats->sequence, before + 1);
    page_turns(3); /* it answers at last: that is no sample of its own */
    ck_assert_uint_eq(h->stats->sequence, before + 1);
    second_is_over();
    page_turns(3);
    ck_assert_uint_eq(h->stats->sequence, before + 2);
    page_end();
}
END_TEST

START_TEST(requests_connections_and_streams_are_counted)
{
    page_begin();
    struct page_link link = page_open();
    page_send(&link, LISTEN);
    page_until(page_got(&link, "}\n\n"));
    page_status("GET /summary", PAGE_WRONG, NULL);
    page_until(h->nconnections == 1);
    second_is_over();
    page_turns(3);
    ck_assert_uint_eq(h->stats->totals[TOTAL_http_requests], 2);
    ck_assert_uint_eq(h->stats->totals[TOTAL_http_refused], 1);
    ck_assert_uint_eq(h->stats->http_connections, 1);
    ck_assert_uint_eq(h->stats->http_streams, 1);
    page_close(&link);
    page_again("stats-password sesame\n");
    second_is_over();
    page_turns(3);
    ck_assert_str_eq(h->stats->token, ""); /* without actions */
    page_end();
}
END_TEST

/* Seconds until the next sample; is it put forward by a change of the cluster? */
static const struct {
    double left;
    bool sooner;
} changes[] = {
    {0.01, false}, /* it comes anyway */
    {0.1, true},
    {0.7, true},
    {0.9, false}, /* there was one just now */
};

START_TEST(a_change_of_the_cluster_is_shown_soon)
{
    page_begin();
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ev_now_update(h->loop);
        ev_timer_stop(h->loop, &h->second);
        ev_timer_set(&h->second, changes[i].left, 1.0);
        ev_timer_start(h->loop, &h->second);
        mailbox_run(&h->mailbox);
        http_give_topology(h, f->w->topology);
        mailbox_run(&h->mailbox);
        double left = ev_timer_remaining(h->loop, &h->second);
        ck_assert_msg((left < changes[i].left - 0.005) == changes[i].sooner, "%g: %g",
                      changes[i].left, left);
        ck_assert_double_le(changes[i].sooner ? left : 0, 0.0201);
    }
    ev_timer_stop(h->loop, &h->second);
    page_end();
}
END_TEST

START_TEST(a_sample_that_is_under_way_is_not_taken_twice)
{
    page_begin();
    ev_timer_set(&h->second, 0.5, 1.0);
    ev_timer_start(h->loop, &h->second);
    second_is_over();
    http_give_topology(h, f->w->topology);
    mailbox_run(&h->mailbox);
    ck_assert_double_gt(ev_timer_remaining(h->loop, &h->second), 0.03);
    ev_timer_stop(h->loop, &h->second);
    page_end();
}
END_TEST

/* --- what the main thread gives --- */

START_TEST(a_new_configuration_is_in_force_at_once)
{
    struct config_error error;
    page_begin();
    struct config *changed = config_set(f->config, "stats-password", "changed", &error);
    ck_assert_ptr_nonnull(changed);
    ck_assert_int_eq(page_status("GET /summary", PAGE_ADMIN, NULL), 200);
    http_give_config(h, changed);
    config_unref(changed);
    page_turn();
    ck_assert_int_eq(page_status("GET /summary", PAGE_ADMIN, NULL), 401);
    page_end();
}
END_TEST

START_TEST(a_new_topology_is_the_one_that_readiness_is_about)
{
    page_begin();
    page_expect("GET /readyz", NULL, NULL, 503, NULL, "starting");
    http_give_topology(h, f->w->topology);
    page_turn();
    page_expect("GET /readyz", NULL, NULL, 200, NULL, "ready");
    page_end();
}
END_TEST

UNIT_SUITE_WITH(
    "server", set_up, NULL, {without_a_port_there_is_no_page}, {a_port_that_is_taken_is_said},
    {the_default_password_is_said}, {samples_come_by_themselves},
    {all_that_is_open_ends_when_slotway_stops}, {each_start_has_a_token_of_its_own},
    {a_sample_is_taken_when_the_workers_have_answered}, {one_that_does_not_answer_is_left_out},
    {requests_connections_and_streams_are_counted}, {a_change_of_the_cluster_is_shown_soon},
    {a_sample_that_is_under_way_is_not_taken_twice}, {a_new_configuration_is_in_force_at_once},
    {a_new_topology_is_the_one_that_readiness_is_about})
