/* accept_test: the sockets of the page, and who has to go when there are too many connections. */
#include "http/accept.h"
#include "support/log_unit.h"
#include "support/page_unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST  16 /* connections, where few files may be opened … */
#define SPARE 8  /* … of which so many places are kept free */

static void set_files(rlim_t files)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = files;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* With room for few connections. */
static void few(void)
{
    set_files(200);
    page_begin();
    ck_assert_uint_eq(h->max_connections, MOST);
}

static const struct {
    rlim_t files;
    uint32_t connections;
} limits[] = {{200, 16}, {255, 16}, {16 * 50, 50}, {16 * 256, 256}, {16 * 300, 256}};

START_TEST(a_share_of_the_files_that_may_be_open)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        set_files(limits[i].files);
        page_begin();
        ck_assert_uint_eq(h->max_connections, limits[i].connections);
        page_end();
    }
}
END_TEST

/* --- connections --- */

/* One that has come and says nothing. */
static struct page_link silent(void)
{
    uint32_t before = h->nconnections;
    struct page_link link = page_open();
    page_until(h->nconnections != before || page_ended(&link));
    return link;
}

/* One that has shown the password, and stays. */
static struct page_link operator(void)
{
    struct page_link link = page_open();
    page_send(&link, "GET /summary HTTP/1.1\r\nHost: x\r\n" PAGE_ADMIN "\r\n");
    page_until(page_got(&link, "slots"));
    return link;
}

static bool serves(struct page_link *link)
{
    page_forget(link);
    page_send(link, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    page_until(page_got(link, "200 OK") || link->ended);
    return !link->ended;
}

START_TEST(connections_come_and_go_in_any_order)
{
    static const int order[] = {1, 3, 0, 2};
    struct page_link links[4];
    page_begin();
    for (int i = 0; i < 4; i++) {
        links[i] = silent();
        ck_assert_uint_eq(h->nconnections, i + 1);
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t n = 0;
        page_close(&links[order[i]]);
        page_until(h->nconnections == 3 - i);
        for (const struct http_connection *c = h->connections, *prev = NULL; c;
             prev = c, c = c->next, n++)
            ck_assert_ptr_eq(c->prev, prev);
        ck_assert_uint_eq(n, 3 - i);
    }
    ck_assert(!h->connections && !h->newest);
    page_end();
}
END_TEST

START_TEST(the_oldest_that_has_shown_no_password_makes_room)
{
    struct page_link known, links[SPARE];
    few();
    known = operator();
    for (int i = 0; i < SPARE - 1; i++)
        links[i] = silent();
    page_turns(3);
    for (int i = 0; i < SPARE - 1; i++)
        ck_assert(!page_ended(&links[i]));
    links[SPARE - 1] = page_open();
    page_until(page_ended(&links[0]));
    ck_assert(serves(&links[SPARE - 1]) && serves(&links[1]) && serves(&known));
    struct page_link more = page_open();
    page_until(page_ended(&links[1]));
    ck_assert(serves(&links[2]) && serves(&more) && serves(&known));
    page_close(&more);
    page_close(&known);
    for (int i = 0; i < SPARE; i++)
        page_close(&links[i]);
    page_end();
}
END_TEST

START_TEST(silent_ones_cannot_keep_an_operator_out)
{
    struct page_link links[5 * MOST];
    few();
    struct page_link known = operator();
    for (int i = 0; i < 5 * MOST; i++)
        links[i] = page_open();
    page_turns(3);
    ck_assert_uint_le(h->nconnections, MOST);
    page_expect("GET /summary", PAGE_ADMIN, NULL, 200, NULL, "slots");
    ck_assert(serves(&known));
    for (int i = 0; i < 5 * MOST; i++)
        page_close(&links[i]);
    page_close(&known);
    page_until(h->nconnections == 0);
    page_end();
}
END_TEST

/* The last place is for who comes: it is the one to go, not one of them. */
START_TEST(operators_are_not_closed_for_others)
{
    struct page_link links[MOST - 1];
    few();
    for (int i = 0; i < MOST - 1; i++)
        links[i] = operator();
    struct page_link more = page_open();
    page_until(page_ended(&more));
    page_close(&more);
    for (int i = 0; i < MOST - 1; i++)
        ck_assert(serves(&links[i]));
    page_close(&links[5]);
    page_until(h->nconnections == MOST - 2);
    links[5] = operator();
    for (int i = 0; i < MOST - 1; i++)
        page_close(&links[i]);
    page_end();
}
END_TEST

/* --- descriptors --- */

START_TEST(without_descriptors_it_pauses_and_goes_on)
{
    page_begin();
    struct page_link first = page_open(), second = page_open();
    int lowest = dup(0);
    close(lowest);
    set_files((rlim_t)lowest); /* none can be opened */
    page_turns(3);
    ck_assert_uint_eq(h->nconnections, 0);
    ck_assert(ev_is_active(&h->pause));
    ck_assert(!ev_is_active(&h->sockets[0])); /* or the loop would turn without an end */
    set_files(200);
    ev_feed_event(h->loop, &h->pause, EV_TIMER);
    page_until(h->nconnections == 2);
    ck_assert(!ev_is_active(&h->pause));
    ck_assert(serves(&first) && serves(&second));
    page_close(&first);
    page_close(&second);
    page_end();
}
END_TEST

/* --- listening --- */

START_TEST(all_addresses_of_stats_bind)
{
    page_begin();
    ck_assert_uint_eq(h->nsockets, 1);
    page_again("stats-bind 127.0.0.1 127.0.0.2 -127.0.0.3\n");
    ck_assert_uint_eq(h->nsockets, 3);
    page_again("stats-bind 127.0.0.1 -192.0.2.77\n"); /* may be missing */
    ck_assert_uint_eq(h->nsockets, 1);
    ck_assert_int_eq(page_status("GET /healthz", NULL, NULL), 200);
    page_end();
}
END_TEST

START_TEST(an_address_that_must_be_there_is_missing)
{
    char text[100];
    page_begin();
    int port = page_port;
    page_again("stats-bind 127.0.0.1\n");
    log_keep();
    snprintf(text, sizeof text, "stats-port %d\nstats-bind 127.0.0.1 192.0.2.77\n", port);
    struct config_error error;
    struct config *config = config_parse(text, strlen(text), "test", &error);
    struct config *before = f->process.config;
    f->process.config = config;
    ck_assert_ptr_null(http_open(&f->process));
    ck_assert_uint_ge(log_count("192.0.2.77"), 1);
    f->process.config = before;
    config_unref(config);
    page_end();
}
END_TEST

/* What is more than there is room for is left alone, and closed. */
START_TEST(more_addresses_than_sockets)
{
    char text[1000] = "stats-bind";
    for (int i = 0; i < HTTP_MAX_SOCKETS + 3; i++)
        snprintf(text + strlen(text), 32, " 127.0.0.%d", i + 1);
    strcat(text, "\n");
    page_begin();
    page_again(text);
    ck_assert_uint_eq(h->nsockets, HTTP_MAX_SOCKETS);
    ck_assert_int_eq(page_status("GET /healthz", NULL, NULL), 200);
    page_end();
}
END_TEST

UNIT_SUITE("accept", {a_share_of_the_files_that_may_be_open},
           {connections_come_and_go_in_any_order},
           {the_oldest_that_has_shown_no_password_makes_room},
           {silent_ones_cannot_keep_an_operator_out}, {operators_are_not_closed_for_others},
           {without_descriptors_it_pauses_and_goes_on}, {all_addresses_of_stats_bind},
           {an_address_that_must_be_there_is_missing}, {more_addresses_than_sockets})
