/* history_test: seconds and minutes, bounded, without gaps. */
#include "http/history.h"
#include "support/unit.h"

static struct history h;
static double now[NOW_COUNT];

static void setup(void)
{
    history_init(&h);
    for (unsigned i = 0; i < NOW_COUNT; i++)
        now[i] = 0;
}

static void teardown(void)
{
    history_free(&h);
}

START_TEST(a_minute_is_the_mean_or_the_greatest_of_its_seconds)
{
    bool complete = false;
    for (int i = 0; i < 61; i++) {
        now[NOW_requests_rate] = i < 30 ? 100 : 200;
        now[NOW_waiting] = i == 7 ? 50 : 1;
        now[NOW_node_p99_us] = i % 2 ? -1 : 300;
        complete = history_add(&h, 6000 + i, now);
        ck_assert(complete == (i == 60));
    }
    ck_assert_uint_eq(h.minute.n, 1);
    ck_assert(history_at(&h.minute, 0, NOW_requests_rate) == 150);
    ck_assert(history_at(&h.minute, 0, NOW_waiting) == 50);
    ck_assert(history_at(&h.minute, 0, NOW_node_p99_us) == 300);
    ck_assert(h.minute.newest == 6000);
}
END_TEST

START_TEST(what_was_not_measured_is_not_zero)
{
    now[NOW_node_p99_us] = -1;
    for (int i = 0; i < 61; i++)
        history_add(&h, 6000 + i, now);
    ck_assert(history_at(&h.minute, 0, NOW_node_p99_us) == HISTORY_NONE);
    ck_assert(history_at(&h.second, 60, NOW_node_p99_us) == HISTORY_NONE);
}
END_TEST

START_TEST(it_is_bounded_and_the_newest_are_kept)
{
    for (int i = 0; i < 2 * HISTORY_SECONDS; i++) {
        now[NOW_clients] = i;
        history_add(&h, 6000 + i, now);
    }
    ck_assert_uint_eq(h.second.n, HISTORY_SECONDS);
    ck_assert(history_at(&h.second, 0, NOW_clients) == HISTORY_SECONDS);
    ck_assert(history_at(&h.second, HISTORY_SECONDS - 1, NOW_clients) == 2 * HISTORY_SECONDS - 1);
}
END_TEST

START_TEST(missed_seconds_are_filled)
{
    history_add(&h, 6000, now);
    now[NOW_clients] = 5;
    history_add(&h, 6003.02, now);
    ck_assert_uint_eq(h.second.n, 4);
    ck_assert(history_at(&h.second, 0, NOW_clients) == 0);
    ck_assert(history_at(&h.second, 1, NOW_clients) == 5);
    history_add(&h, 60030000, now); /* the clock was set */
    ck_assert_uint_eq(h.second.n, HISTORY_SECONDS);
}
END_TEST

static Suite *history_suite(void)
{
    Suite *suite = suite_create("history");
    TCase *t = tcase_create("history");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_minute_is_the_mean_or_the_greatest_of_its_seconds);
    tcase_add_test(t, what_was_not_measured_is_not_zero);
    tcase_add_test(t, it_is_bounded_and_the_newest_are_kept);
    tcase_add_test(t, missed_seconds_are_filled);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(history_suite)
