/* counters_test: the table of counters, and adding to one. */
#include "base/counters.h"
#include "support/unit.h"
#include <string.h>

START_TEST(every_counter_has_a_name_of_its_own_a_unit_and_a_help_text)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_info *info = &counter_info[i];
        ck_assert_uint_gt(strlen(info->name), 0);
        ck_assert_uint_gt(strlen(info->unit), 0);
        ck_assert_uint_gt(strlen(info->help), 0);
        ck_assert_uint_eq(strspn(info->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(info->name));
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(info->name, counter_info[k].name);
    }
    ck_assert_str_eq(counter_info[COUNTER_redirects_ask].name, "redirects_ask");
    ck_assert_int_eq(counter_info[COUNTER_clients].kind, COUNTER_KIND_gauge);
}
END_TEST

START_TEST(counters_add_up_and_gauges_go_down_again)
{
    struct counters counters = {{0}};
    counters_add(&counters, COUNTER_replies, 3);
    counters_add(&counters, COUNTER_replies, 4);
    counters_add(&counters, COUNTER_clients, 1);
    counters_add(&counters, COUNTER_clients, (uint64_t)-1);
    ck_assert_uint_eq(counters_get(&counters, COUNTER_replies), 7);
    ck_assert_uint_eq(counters_get(&counters, COUNTER_clients), 0);
    ck_assert_uint_eq(counters_get(&counters, COUNTER_errors), 0);
}
END_TEST

UNIT_SUITE("counters", {every_counter_has_a_name_of_its_own_a_unit_and_a_help_text},
           {counters_add_up_and_gauges_go_down_again})
