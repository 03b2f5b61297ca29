/* exchange_test: who may ask what, in which way, and requests that wait for an answer. */
#include "http/exchange.h"
#include "support/page_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a body of an action may be long, and one more. */
static char longest[HTTP_MAX_BODY + 2];

static const struct {
    const char *request, *headers, *body;
    int status;
    const char *in_head, *in_body;
} requests[] = {
    {"GET /summary", PAGE_ADMIN, NULL, 200, NULL, "slots"},
    {"HEAD /summary", PAGE_ADMIN, NULL, 200, "Content-Length: ", ""},
    {"GET /summary", NULL, NULL, 401, "WWW-Authenticate: Basic realm=\"slotway\"",
     "A name and a password are needed."},
    {"GET /summary", PAGE_WRONG, NULL, 401, "WWW-Authenticate: Basic", "Wrong name or password."},
    {"GET /summary", "Authorization: Basic !!!!\r\n", NULL, 401, "WWW-Authenticate", NULL},
    {"GET /summary", "Authorization: Bearer sesame\r\n", NULL, 401, "WWW-Authenticate", NULL},
    {"GET /summary", "Authorization: Basic c2VzYW1l\r\n", NULL, 401, NULL, NULL}, /* no colon */
    {"GET /healthz", NULL, NULL, 200, NULL, "ok"},       /* for probes, without a password */
    {"GET /healthz", PAGE_WRONG, NULL, 200, NULL, "ok"}, /* nor a look at one */
    {"POST /healthz", NULL, "x", 405, "Allow: GET, HEAD", "not allowed"},
    {"GET /nothing", PAGE_ADMIN, NULL, 404, NULL, "There is nothing here."},
    {"GET /nothing", NULL, NULL, 401, NULL, NULL}, /* what there is is nobody else's business */
    {"GET /summary/", PAGE_ADMIN, NULL, 404, NULL, NULL},
    {"GET /../etc/passwd", PAGE_ADMIN, NULL, 404, NULL, NULL},
    {"GET /summary?x=1", PAGE_ADMIN, NULL, 200, NULL, "slots"},
    {"POST /summary", PAGE_ADMIN, "", 405, "Allow: GET, HEAD", "not allowed"},
    {"DELETE /summary", PAGE_ADMIN, NULL, 405, "Allow: GET, HEAD", "not allowed"},
    {"GET /action/drain", PAGE_ADMIN, NULL, 405, "Allow: POST", "not allowed"},
    {"HEAD /action/drain", PAGE_ADMIN, NULL, 405, "Allow: POST", NULL},
    {"PUT /action/drain", PAGE_ADMIN, "x", 405, "Allow: POST", NULL},
    {"POST /action/drain", NULL, "token=x", 401, NULL, NULL},
    {"POST /action/drain", PAGE_ADMIN, "token=x", 403, NULL, "token"},
    {"POST /action/drain", PAGE_ADMIN, longest, 413, NULL, "The body is too long."},
    {"POST /action/drain", PAGE_ADMIN, longest + 1, 403, NULL, "token"},
    {"GET /summary", PAGE_ADMIN, longest, 413, NULL, NULL},
};

START_TEST(each_request_gets_its_answer)
{
    memset(longest, 'x', HTTP_MAX_BODY + 1);
    page_expect(requests[_i].request, requests[_i].headers, requests[_i].body, requests[_i].status,
                requests[_i].in_head, requests[_i].in_body);
}
END_TEST

/* libmicrohttpd answers these, or closes; nothing else suffers. */
static const char *const malformed[] = {
    "\r\n\r\n\r\n",
    "GET\r\n\r\n",
    "GET /summary\r\n\r\n",
    "GET /summary HTTP/9.9\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\x01\x01", /* TLS */
    "*1\r\n$4\r\nPING\r\n",
    "GET /summary HTTP/1.1\r\nHost\r\n\r\n",
    "GET /summary HTTP/1.1\r\nNo: host\r\n\r\n",
    "POST /action/drain HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nabc",
    "POST /action/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    "POST /action/drain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
};

START_TEST(malformed_requests_harm_nobody)
{
    struct page_link link = page_open();
    page_send(&link, malformed[_i]);
    page_turns(3);
    ck_assert_msg(!page_got(&link, "HTTP/1.1 200"), "%s", link.text);
    page_expect("GET /healthz", NULL, NULL, 200, NULL, "ok");
    page_close(&link);
    page_until(h->nconnections == 0);
}
END_TEST

START_TEST(headers_without_an_end_are_cut_off)
{
    char header[1100] = "X: ";
    struct page_link link = page_open();
    memset(header + 3, 'x', 1000);
    strcpy(header + 1003, "\r\n");
    page_send(&link, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 2 * HTTP_POOL / 1000 && !page_ended(&link); i++)
        if (send(link.fd, header, strlen(header), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            page_turn();
    page_until(page_ended(&link));
    ck_assert_ptr_null(strstr(link.text, "HTTP/1.1 200"));
    page_close(&link);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    char text[200], *one = text;
    struct page_link link = page_open();
    snprintf(text, sizeof text,
             "POST /action/drain HTTP/1.1\r\nHost: x\r\n%sContent-Length: 38\r\n\r\ntoken=%s",
             PAGE_ADMIN, h->token);
    for (; *one; one++) {
        char bytes[2] = {*one, '\0'};
        ck_assert(!page_got(&link, "HTTP"));
        page_send(&link, bytes);
    }
    page_until(page_got(&link, "no new clients are accepted"));
    ck_assert_int_eq(page_draining, 1);
    page_close(&link);
}
END_TEST

START_TEST(requests_of_one_connection_are_answered_in_order)
{
    struct page_link link = page_open();
    page_send(&link, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                     "GET /summary HTTP/1.1\r\nHost: x\r\n\r\n"
                     "GET /summary HTTP/1.1\r\nHost: x\r\n" PAGE_ADMIN "\r\n"
                     "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" PAGE_ADMIN "\r\n");
    page_until(page_ended(&link));
    const char *at = link.text;
    static const char *const order[] = {"200", "ok", "401", "200", "slots", "404"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        ck_assert_msg(at != NULL, "%s is missing in %s", order[i], link.text);
    }
    ck_assert_uint_eq(h->requests, 4);
    page_close(&link);
}
END_TEST

START_TEST(who_guesses_has_to_wait)
{
    for (int i = 0; i < AUTH_GUESSES; i++)
        ck_assert_int_eq(page_status("GET /summary", PAGE_WRONG, NULL), 401);
    page_expect("GET /summary", PAGE_WRONG, NULL, 429, "Retry-After: 60", "wait a minute");
    page_expect("GET /summary", PAGE_ADMIN, NULL, 429, "Retry-After: 60", "wait a minute");
    page_expect("GET /healthz", NULL, NULL, 200, NULL, "ok");
    ck_assert_uint_eq(auth_refused(h->auth), AUTH_GUESSES + 2);
}
END_TEST

/* A page of a foreign name may be that of somebody who has it point here. */
static const struct {
    const char *host;
    int status;
} hosts[] = {
    {"localhost", 200}, {"localhost:1947", 200}, {"127.0.0.1:1947", 200}, {"[::1]:1947", 200},
    {"10.1.2.3", 200},  {"evil.example", 403},   {"localhost.x", 403},    {"x.localhost", 200},
};

START_TEST(with_the_default_password_only_own_names_are_served)
{
    page_again("");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char request[200];
        struct page_link link = page_open();
        snprintf(request, sizeof request,
                 "GET /summary HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", hosts[i].host,
                 PAGE_WRONG);
        page_send(&link, request);
        page_until(page_ended(&link));
        int status = atoi(link.text + 9);
        ck_assert_msg(status == hosts[i].status, "%s: %d", hosts[i].host, status);
        ck_assert((status == 403) == (strstr(link.text, "still the default one") != NULL));
        page_close(&link);
    }
}
END_TEST

START_TEST(a_connection_that_has_shown_the_password_is_trusted)
{
    struct page_link link = page_open();
    page_send(&link, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    page_until(page_got(&link, "ok"));
    ck_assert(!h->connections->trusted);
    page_send(&link, "GET /summary HTTP/1.1\r\nHost: x\r\n" PAGE_WRONG "\r\n");
    page_until(page_got(&link, "Wrong name"));
    ck_assert(!h->connections->trusted);
    page_send(&link, "GET /summary HTTP/1.1\r\nHost: x\r\n" PAGE_ADMIN "\r\n");
    page_until(page_got(&link, "slots"));
    ck_assert(h->connections->trusted);
    page_close(&link);
}
END_TEST

/* --- waiting --- */

/* What the worker is asked it answers when it turns: here it does not. */
static struct page_link waits(const char *id)
{
    char text[300], body[100];
    struct page_link link = page_open();
    snprintf(body, sizeof body, "token=%s&id=%s", h->token, id);
    snprintf(text, sizeof text,
             "POST /action/close-client HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
             PAGE_ADMIN, strlen(body), body);
    ck_assert_int_eq(send(link.fd, text, strlen(text), 0), (ssize_t)strlen(text));
    for (const struct exchange *before = h->waiting; h->waiting == before;)
        ev_run(h->loop, EVRUN_NOWAIT);
    return link;
}

static uint32_t waiting(void)
{
    uint32_t n = 0;
    for (const struct exchange *x = h->waiting, *prev = NULL; x; prev = x, x = x->next_waiting, n++)
        ck_assert_ptr_eq(x->prev_waiting, prev);
    return n;
}

START_TEST(those_that_wait_are_answered_when_the_workers_have_answered)
{
    struct page_link links[3];
    for (int i = 0; i < 3; i++) {
        links[i] = waits("999");
        ck_assert_uint_eq(waiting(), i + 1);
        ck_assert(!page_got(&links[i], "HTTP"));
    }
    page_expect("GET /healthz", NULL, NULL, 200, NULL, "ok");
    for (int i = 0; i < 3; i++) {
        page_until(page_got(&links[i], "no client has the id 999"));
        ck_assert_ptr_nonnull(strstr(links[i].text, "HTTP/1.1 404"));
        page_close(&links[i]);
    }
    ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(they_go_on_in_any_order)
{
    static const int order[] = {1, 2, 0};
    struct page_link links[3];
    struct exchange *x[3];
    for (int i = 0; i < 3; i++) {
        links[i] = waits("999");
        x[i] = h->waiting;
    }
    for (uint32_t i = 0; i < 3; i++) {
        *x[order[i]]->waiter = NULL;
        exchange_resume(x[order[i]]);
        http_run(h);
        ck_assert_uint_eq(waiting(), 2 - i);
    }
    for (int i = 0; i < 3; i++) {
        page_until(page_got(&links[i], "no client has the id 999"));
        page_close(&links[i]);
    }
}
END_TEST

/* The worker answers after that, to nobody. */
START_TEST(those_that_wait_are_told_that_slotway_stops)
{
    struct page_link links[2] = {waits("1"), waits("2")};
    http_finish(h);
    ck_assert_uint_eq(waiting(), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert(page_got(&links[i], "slotway stops."));
        ck_assert_ptr_nonnull(strstr(links[i].text, "HTTP/1.1 503"));
    }
    page_turns(5);
    for (int i = 0; i < 2; i++)
        page_close(&links[i]);
}
END_TEST

START_TEST(one_that_goes_while_it_waits_is_not_answered)
{
    struct page_link link = waits("999");
    page_close(&link);
    page_turns(3);
    ck_assert_uint_eq(waiting(), 0);
    page_until(h->nconnections == 0);
    page_expect("GET /healthz", NULL, NULL, 200, NULL, "ok");
}
END_TEST

UNIT_SUITE_WITH("exchange", page_begin, page_end,
                {each_request_gets_its_answer, sizeof requests / sizeof *requests},
                {malformed_requests_harm_nobody, sizeof malformed / sizeof *malformed},
                {headers_without_an_end_are_cut_off}, {a_request_may_come_byte_by_byte},
                {requests_of_one_connection_are_answered_in_order}, {who_guesses_has_to_wait},
                {with_the_default_password_only_own_names_are_served},
                {a_connection_that_has_shown_the_password_is_trusted},
                {those_that_wait_are_answered_when_the_workers_have_answered},
                {they_go_on_in_any_order}, {those_that_wait_are_told_that_slotway_stops},
                {one_that_goes_while_it_waits_is_not_answered})
