/* feed_test: /events: what each listener is told, at its own pace. */
#include "base/event.h"
#include "http/feed.h"
#include "support/page_unit.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS 64 /* at most */
#define LISTEN    "GET /events HTTP/1.1\r\nHost: x\r\n" PAGE_ADMIN "\r\n"

/* A listener that has read what it was given first. */
static struct page_link listener(void)
{
    struct page_link link = page_open();
    page_send(&link, LISTEN);
    page_until(page_got(&link, "}\n\n"));
    return link;
}

/* That a listener has gone is seen when it is told something, the second time at the latest. */
static void leaves(struct page_link *link, uint32_t left)
{
    page_close(link);
    page_until((page_sample(), h->nfeeds == left));
}

static const char *id_line(void)
{
    static char line[40];
    snprintf(line, sizeof line, "id: %llu\n", (unsigned long long)h->stats->sequence);
    return line;
}

/* The last sample has come to this listener, the whole of it. */
static void is_told(struct page_link *link)
{
    const char *id = id_line();
    page_until(page_got(link, id) && strstr(strstr(link->text, id), "}\n\n"));
}

START_TEST(a_stream_begins_with_a_snapshot)
{
    struct page_link link = listener();
    ck_assert_ptr_nonnull(strstr(link.text, "HTTP/1.1 200"));
    ck_assert_ptr_nonnull(strstr(link.text, "Content-Type: text/event-stream"));
    ck_assert_ptr_nonnull(strstr(link.text, "Cache-Control: no-store"));
    ck_assert_ptr_nonnull(strstr(link.text, "retry: 1000\nid: 1\nevent: snapshot\ndata: {"));
    ck_assert_uint_eq(h->nfeeds, 1);
    leaves(&link, 0);
    ck_assert_ptr_null(h->feeds);
}
END_TEST

START_TEST(each_sample_is_told_to_all)
{
    struct page_link links[3] = {listener(), listener(), listener()};
    for (int second = 0; second < 3; second++) {
        for (int i = 0; i < 3; i++)
            page_forget(&links[i]);
        page_sample();
        for (int i = 0; i < 3; i++) {
            is_told(&links[i]);
            ck_assert_ptr_null(strstr(links[i].text, "retry:"));
        }
    }
    for (int i = 0; i < 3; i++)
        page_close(&links[i]);
}
END_TEST

START_TEST(nothing_is_told_between_samples)
{
    struct page_link link = listener();
    page_forget(&link);
    page_turns(10);
    ck_assert(!page_got(&link, "a") && !link.ended);
    page_close(&link);
}
END_TEST

/* The one that came later has the first event in its first snapshot already. */
START_TEST(events_are_told_once)
{
    struct page_link early = listener();
    event_note(EVENT_CONFIG, EVENT_INFO, "the first thing");
    page_sample();
    page_until(page_got(&early, "the first thing"));
    struct page_link late = listener();
    ck_assert_ptr_nonnull(strstr(late.text, "the first thing"));
    page_forget(&early);
    page_forget(&late);
    event_note(EVENT_CONFIG, EVENT_INFO, "the second thing");
    page_sample();
    page_until(page_got(&early, "the second thing") && page_got(&late, "the second thing"));
    ck_assert(!page_got(&early, "the first thing") && !page_got(&late, "the first thing"));
    page_forget(&early);
    page_sample();
    page_until(page_got(&early, "}\n\n"));
    ck_assert(!page_got(&early, "the second thing"));
    page_close(&early);
    page_close(&late);
}
END_TEST

/* What happens between a sample and the coming of a listener is in the next text of all. */
START_TEST(an_event_is_not_lost_to_who_comes_before_it_is_told)
{
    struct page_link early = listener();
    event_note(EVENT_CONFIG, EVENT_INFO, "in between");
    struct page_link late = listener();
    ck_assert(!page_got(&late, "in between"));
    page_sample();
    page_until(page_got(&early, "in between") && page_got(&late, "in between"));
    page_close(&early);
    page_close(&late);
}
END_TEST

/* A listener that reads nothing, when its connection takes no more. */
static struct page_link slow_listener(void)
{
    struct page_link link = page_open();
    int small = 4096;
    page_until(h->newest);
    setsockopt(h->newest->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    page_send(&link, LISTEN);
    page_until(h->nfeeds == 1);
    for (int i = 0; i < 100; i++) { /* more than any buffer takes */
        page_sample();
        page_turns(2);
    }
    return link;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* It misses snapshots, but no event, and what it gets is whole. */
START_TEST(a_slow_reader_holds_one_text_and_loses_no_event)
{
    struct page_link slow = slow_listener(), quick = listener();
    uint64_t told = h->stats->sequence;
    event_note(EVENT_CONFIG, EVENT_INFO, "while it was slow");
    for (int i = 0; i < 5; i++) {
        page_sample();
        is_told(&quick);
        page_forget(&quick);
    }
    ck_assert_ptr_null(slow.text);
    static const char what[] = "while it was slow", end[] = "}\n\n\r\n";
    page_until((page_turns(5), page_got(&slow, what)) || (page_sample(), false));
    page_until((page_turns(5), page_got(&slow, "")) &&
               strcmp(slow.text + slow.len - strlen(end), end) == 0);
    page_sample();
    is_told(&slow);
    ck_assert_uint_lt(count(slow.text, "event: snapshot"), h->stats->sequence);
    ck_assert_uint_eq(count(slow.text, what), 1);
    ck_assert_uint_gt(h->stats->sequence, told);
    page_close(&slow);
    page_close(&quick);
}
END_TEST

START_TEST(one_more_listener_than_may_be_is_refused)
{
    struct page_link links[LISTENERS];
    for (unsigned i = 0; i < LISTENERS; i++)
        links[i] = listener();
    ck_assert_uint_eq(h->nfeeds, LISTENERS);
    page_expect("GET /events", PAGE_ADMIN, NULL, 503, NULL, "Too many listeners.");
    leaves(&links[7], LISTENERS - 1);
    links[7] = listener();
    page_sample();
    for (unsigned i = 0; i < LISTENERS; i++) {
        is_told(&links[i]);
        page_close(&links[i]);
    }
}
END_TEST

/* From the ends and from the middle of the list; the others are told on. */
START_TEST(listeners_leave_in_any_order)
{
    static const int order[] = {2, 0, 4, 1, 3};
    struct page_link links[5];
    for (int i = 0; i < 5; i++)
        links[i] = listener();
    for (int i = 0; i < 5; i++) {
        leaves(&links[order[i]], (uint32_t)(4 - i));
        for (int j = i + 1; j < 5; j++)
            is_told(&links[order[j]]);
    }
    ck_assert_ptr_null(h->feeds);
}
END_TEST

/* More than the stream takes at a time. */
START_TEST(a_long_text_comes_whole)
{
    char what[100];
    struct page_link link = page_open();
    for (int i = 0; i < EVENT_KEPT; i++)
        event_note(EVENT_CONFIG, EVENT_INFO, "thing %03d, of which %0100d is told", i, i);
    page_sample();
    page_send(&link, LISTEN);
    page_until(h->nfeeds == 1);
    http_finish(h);
    page_until(page_got(&link, "\r\n0\r\n"));
    ck_assert_uint_gt(link.len, 32 * 1024);
    struct http_answer a = http_parse(link.text, link.len);
    for (int i = 0; i < EVENT_KEPT; i++) {
        snprintf(what, sizeof what, "thing %03d, of which ", i);
        ck_assert_uint_eq(count(a.body, what), 1);
    }
    ck_assert_str_eq(a.body + a.len - 3, "}\n\n");
    close(link.fd);
    http_forget(&a);
}
END_TEST

START_TEST(a_password_is_needed)
{
    page_expect("GET /events", NULL, NULL, 401, NULL, NULL);
    ck_assert_uint_eq(h->nfeeds, 0);
    page_expect("POST /events", PAGE_ADMIN, "", 405, NULL, NULL);
}
END_TEST

START_TEST(a_head_has_no_stream)
{
    struct http_answer a = page_ask("HEAD /events", PAGE_ADMIN, NULL);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.len, 0);
    http_forget(&a);
    ck_assert_uint_eq(h->nfeeds, 0);
}
END_TEST

/* slotway stops: a slow one gets the text that it is in, the others a farewell. */
START_TEST(streams_end_in_order_when_slotway_stops)
{
    struct page_link links[2] = {listener(), listener()};
    page_sample(); /* one that has not been read yet */
    struct page_link fresh = page_open();
    page_send(&fresh, LISTEN);
    http_finish(h);
    for (int i = 0; i < 2; i++) {
        ck_assert(page_got(&links[i], "event: bye\ndata: {\"reason\": \"it was stopped\"}\n\n"));
        ck_assert_ptr_nonnull(strstr(links[i].text, "\r\n0\r\n")); /* the last chunk */
        page_close(&links[i]);
    }
    ck_assert(page_got(&fresh, "}\n\n") && page_got(&fresh, "\r\n0\r\n"));
    page_close(&fresh);
    ck_assert_uint_eq(h->nfeeds, 0);
}
END_TEST

UNIT_SUITE_WITH("feed", page_begin, page_end, {a_stream_begins_with_a_snapshot},
                {each_sample_is_told_to_all}, {nothing_is_told_between_samples},
                {events_are_told_once}, {an_event_is_not_lost_to_who_comes_before_it_is_told},
                {a_slow_reader_holds_one_text_and_loses_no_event},
                {one_more_listener_than_may_be_is_refused}, {listeners_leave_in_any_order},
                {a_long_text_comes_whole}, {a_password_is_needed}, {a_head_has_no_stream},
                {streams_end_in_order_when_slotway_stops})
