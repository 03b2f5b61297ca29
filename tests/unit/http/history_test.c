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

/* A change of the cluster is sampled at once, and what changes all the time four times a second. */
START_TEST(early_samples_keep_the_points_a_second_apart)
{
    double time = 6000;
    now[NOW_requests_rate] = 100;
    history_add(&h, time, now);
    for (int i = 0; i < 40; i++) {
        now[NOW_requests_rate] = i % 4 == 3 ? 500 : 100;
        now[NOW_waiting] = i;
        history_add(&h, time += 0.25, now);
    }
    ck_assert_uint_eq(h.second.n, 11);
    ck_assert(h.second.newest == 6010);
    double sum = 0;
    for (uint32_t i = 1; i < h.second.n; i++)
        sum += (double)history_at(&h.second, i, NOW_requests_rate);
    ck_assert_msg(sum > 1900 && sum < 2100, "%.0f", sum);
    ck_assert(history_at(&h.second, 10, NOW_waiting) == 39);
    history_add(&h, 6011, now);
    ck_assert_uint_eq(h.second.n, 12);
    history_add(&h, 5000, now); /* the clock was set back */
    history_add(&h, 5001, now);
    ck_assert_uint_eq(h.second.n, 14);
    ck_assert(h.second.newest == 5001);
}
END_TEST

START_TEST(missed_minutes_are_empty)
{
    now[NOW_clients] = 5;
    history_add(&h, 6000, now);
    ck_assert(history_add(&h, 6000 + 10 * 60, now)); /* stopped, or suspended, for ten minutes */
    ck_assert_uint_eq(h.minute.n, 10);
    ck_assert(h.minute.newest == 6000 + 9 * 60);
    ck_assert(history_at(&h.minute, 0, NOW_clients) == 5);
    ck_assert(history_at(&h.minute, 1, NOW_clients) == HISTORY_NONE);
    ck_assert(history_add(&h, 6000 + 11 * 60, now));
    ck_assert_uint_eq(h.minute.n, 11);
    ck_assert(history_at(&h.minute, 10, NOW_clients) == 5);
    ck_assert(history_add(&h, 60000000, now));
    ck_assert_uint_eq(h.minute.n, HISTORY_MINUTES);
    ck_assert(h.minute.newest == 60000000 - 60);
}
END_TEST

UNIT_SUITE_WITH("history", setup, teardown, {a_minute_is_the_mean_or_the_greatest_of_its_seconds},
                {what_was_not_measured_is_not_zero}, {it_is_bounded_and_the_newest_are_kept},
                {missed_seconds_are_filled}, {early_samples_keep_the_points_a_second_apart},
                {missed_minutes_are_empty})
