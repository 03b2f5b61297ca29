/* answer_test: what every answer has, whatever is asked and whoever asks. */
#include "http/exchange.h"
#include "support/page_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page that shows an operator's figures is neither framed, nor guessed at, nor kept. */
static const char *const headers[] = {
    "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
    "frame-ancestors 'none'\r\n",
    "\r\nX-Content-Type-Options: nosniff\r\n",
    "\r\nX-Frame-Options: DENY\r\n",
    "\r\nReferrer-Policy: no-referrer\r\n",
    "\r\nCross-Origin-Resource-Policy: same-origin\r\n",
    "Content-Type: ",
};

static const struct {
    const char *request, *headers, *body;
    int status;
} requests[] = {
    {"GET /", PAGE_ADMIN, NULL, 200},
    {"GET /stats.json", PAGE_ADMIN, NULL, 200},
    {"HEAD /metrics", PAGE_ADMIN, NULL, 200},
    {"GET /healthz", NULL, NULL, 200},
    {"GET /readyz", NULL, NULL, 503},
    {"GET /nothing", PAGE_ADMIN, NULL, 404},
    {"GET /summary", NULL, NULL, 401},
    {"PUT /summary", PAGE_ADMIN, NULL, 405},
    {"POST /action/drain", PAGE_ADMIN, "token=no", 403},
};

START_TEST(each_has_the_headers_that_protect_it)
{
    struct http_answer a = page_ask(requests[_i].request, requests[_i].headers, requests[_i].body);
    ck_assert_int_eq(a.status, requests[_i].status);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        ck_assert_msg(strstr(a.head, headers[i]) != NULL, "%s: %s is missing", requests[_i].request,
                      headers[i]);
    ck_assert_ptr_nonnull(strstr(a.head, "Cache-Control: no-store\r\n"));
    http_forget(&a);
}
END_TEST

START_TEST(a_text_is_one_line)
{
    struct http_answer a = page_ask("GET /nothing", PAGE_ADMIN, NULL);
    char *head = strstr(a.head, "Content-Length: ");
    ck_assert_str_eq(a.body, "There is nothing here.\n");
    ck_assert_ptr_nonnull(head);
    ck_assert_uint_eq(strtoul(head + 16, NULL, 10), a.len);
    ck_assert_ptr_nonnull(strstr(a.head, "Content-Type: text/plain; charset=utf-8\r\n"));
    http_forget(&a);
}
END_TEST

START_TEST(a_head_has_the_length_and_no_body)
{
    struct http_answer a = page_ask("HEAD /summary", PAGE_ADMIN, NULL);
    const char *length = strstr(a.head, "Content-Length: ");
    ck_assert_ptr_nonnull(length);
    ck_assert_uint_gt(strtoul(length + 16, NULL, 10), 0);
    ck_assert_uint_eq(a.len, 0);
    http_forget(&a);
}
END_TEST

START_TEST(each_is_counted)
{
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        ck_assert_uint_eq(h->requests, i);
        page_status(requests[i].request, requests[i].headers, requests[i].body);
    }
}
END_TEST

UNIT_SUITE_WITH("answer", page_begin, page_end,
                {each_has_the_headers_that_protect_it, sizeof requests / sizeof *requests},
                {a_text_is_one_line}, {a_head_has_the_length_and_no_body}, {each_is_counted})
