/* resolver_test: digits at once, names by the thread. */
#include "cluster/resolver.h"

#include "support/unit.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static struct ev_loop *loop;
static struct resolver *resolver;
static size_t found;
static int answers;
static char error[128];

static void set_up(void)
{
    loop = ev_loop_new(0);
    resolver = resolver_start(loop);
    ck_assert_ptr_nonnull(resolver);
    answers = 0;
    found = 0;
    error[0] = '\0';
}

static void tear_down(void)
{
    resolver_stop(resolver);
    ev_loop_destroy(loop);
}

static void on_answer(void *arg, const struct resolver_address *v, size_t n, const char *why)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&v[0].addr;

    ck_assert_int_eq(arg == &answers, 1);
    answers++;
    found = n;
    snprintf(error, sizeof(error), "%s", why ? why : "");
    if (n > 0) /* the port is at the same place in both families */
        ck_assert_uint_eq(ntohs(in->sin_port), 7000);
}

START_TEST(digits_need_no_thread)
{
    struct resolver_address a;

    ck_assert(resolver_numeric("10.0.0.1", 7000, &a));
    ck_assert_int_eq(a.addr.ss_family, AF_INET);
    ck_assert(resolver_numeric("2001:db8::1", 7000, &a));
    ck_assert_int_eq(a.addr.ss_family, AF_INET6);
    ck_assert(resolver_numeric("/run/redis.sock", 0, &a));
    ck_assert_int_eq(a.addr.ss_family, AF_UNIX);
    ck_assert(!resolver_numeric("redis-1", 7000, &a));
    ck_assert(!resolver_numeric("", 7000, &a));
}
END_TEST

START_TEST(a_name_is_resolved_by_the_thread)
{
    ck_assert_ptr_nonnull(resolver_ask(resolver, "localhost", 7000, on_answer, &answers));
    ck_assert_int_eq(answers, 0);
    while (!answers)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_uint_gt(found, 0);
    ck_assert_str_eq(error, "");
}
END_TEST

START_TEST(a_name_that_does_not_exist_gives_a_reason)
{
    resolver_ask(resolver, "no such name", 7000, on_answer, &answers);
    while (!answers)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_uint_eq(found, 0);
    ck_assert_str_ne(error, "");
}
END_TEST

START_TEST(a_cancelled_question_has_no_answer)
{
    struct resolver_query *q = resolver_ask(resolver, "localhost", 7000, on_answer, NULL);

    resolver_cancel(q);
    resolver_ask(resolver, "localhost", 7000, on_answer, &answers);
    while (!answers)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_int_eq(answers, 1);
}
END_TEST

START_TEST(it_can_stop_with_questions_unanswered)
{
    for (int i = 0; i < 20; i++)
        resolver_ask(resolver, "localhost", 7000, on_answer, &answers);
}
END_TEST

UNIT_SUITE_WITH("resolver", set_up, tear_down, {digits_need_no_thread},
                {a_name_is_resolved_by_the_thread}, {a_name_that_does_not_exist_gives_a_reason},
                {a_cancelled_question_has_no_answer}, {it_can_stop_with_questions_unanswered})
