/* event_test: the newest are kept, repetitions count, storms are kept out. */
#include "base/event.h"
#include "support/unit.h"
#include <string.h>

static struct event got[EVENT_KEPT];

START_TEST(the_newest_come_first)
{
    event_note(EVENT_NODE, EVENT_INFO, "one");
    event_note(EVENT_SLOTS, EVENT_CRITICAL, "two %d", 2);
    ck_assert_uint_eq(event_copy(got, 0), 2);
    ck_assert_str_eq(got[0].text, "two 2");
    ck_assert_str_eq(event_kinds[got[0].kind], "slots");
    ck_assert_str_eq(event_severities[got[0].severity], "critical");
    ck_assert_uint_eq(got[0].id, 2);
    ck_assert_str_eq(got[1].text, "one");
}
END_TEST

START_TEST(the_same_thing_counts)
{
    event_note(EVENT_NODE, EVENT_INFO, "same");
    uint64_t known = event_changed();
    event_note(EVENT_NODE, EVENT_INFO, "other");
    event_note(EVENT_NODE, EVENT_INFO, "same");
    ck_assert_uint_eq(event_total(), 2);
    ck_assert_uint_eq(event_copy(got, known), 2);
    ck_assert_str_eq(got[0].text, "same"); /* it changed last */
    ck_assert_uint_eq(got[0].count, 2);
    ck_assert_uint_eq(event_copy(got, event_changed()), 0);
}
END_TEST

START_TEST(numbers_add_up)
{
    for (int i = 0; i < 300; i++) {
        event_note_some(EVENT_SLOTS, EVENT_INFO, 3, "slots moved from %s to %s", "a", "b");
        event_note_some(EVENT_SLOTS, EVENT_INFO, 1, "slots moved from a to c");
    }
    ck_assert_uint_eq(event_copy(got, 0), 2);
    ck_assert_str_eq(got[0].text, "300 slots moved from a to c");
    ck_assert_str_eq(got[1].text, "900 slots moved from a to b");
    ck_assert_uint_eq(got[1].count, 1);
}
END_TEST

START_TEST(it_is_bounded)
{
    for (int i = 0; i < 3 * EVENT_KEPT; i++)
        event_note(EVENT_NODE, EVENT_INFO, "event %d", i);
    ck_assert_uint_eq(event_copy(got, 0), EVENT_KEPT);
    ck_assert_str_eq(got[0].text, "event 599");
    ck_assert_uint_eq(event_total(), 3 * EVENT_KEPT);
}
END_TEST

START_TEST(a_storm_does_not_drive_out_the_others)
{
    event_note(EVENT_FAILOVER, EVENT_WARNING, "the one that matters");
    for (int i = 0; i < 10000; i++)
        event_note(EVENT_CLIENT, EVENT_WARNING, "client %d closed", i);
    size_t n = event_copy(got, 0);
    ck_assert_uint_lt(n, 50);
    ck_assert_str_eq(got[0].text, "client 9999 closed");
    ck_assert_str_eq(got[n - 1].text, "the one that matters");
}
END_TEST

UNIT_SUITE("event", {the_newest_come_first}, {the_same_thing_counts}, {numbers_add_up},
           {it_is_bounded}, {a_storm_does_not_drive_out_the_others})
