/* json_value_test: single values of the statistics as JSON. */
#include "http/json_part.h"
#include "support/stats_unit.h"
#include <math.h>
#include <string.h>

static void is_written(json_t *value, const char *want)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, want);
    free(text);
    json_decref(value);
}

static const struct {
    double value;
    const char *text;
} numbers[] = {
    {0, "0"},
    {1, "1"},
    {-0.5, "-0.5"},
    {12345678901234, "12345678901234"},
    {1.5, "1.5"},
    {1.2344, "1.234"},
    {1.2346, "1.235"},
    {0.0001, "0.0"},
    {2e15, "2e15"},
    {NAN, "null"},
    {INFINITY, "null"},
    {-INFINITY, "null"},
    {STATS_UNKNOWN, "null"},
    {-77, "null"},
};

START_TEST(numbers_are_short_and_what_is_unknown_is_null)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        is_written(json_number(numbers[i].value), numbers[i].text);
}
END_TEST

START_TEST(a_time_that_is_not_known_is_null)
{
    is_written(json_time(0), "null");
    is_written(json_time(-5), "null");
    is_written(json_time(1700000000.25), "1700000000.25");
}
END_TEST

START_TEST(texts_are_good_json_whatever_is_in_them)
{
    char longest[600], want[600];
    is_written(json_text("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
    is_written(json_text("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
    is_written(json_text("a\xff\xc3z"), "\"a??z\"");
    memset(longest, '\xff', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memset(want, '?', sizeof want);
    want[0] = want[512] = '"';
    want[513] = '\0';
    is_written(json_text(longest), want);
}
END_TEST

START_TEST(values_go_into_objects_and_arrays)
{
    json_t *o = json_object(), *a = json_array();
    json_put_number(a, NULL, 1);
    json_put_text(a, NULL, "b");
    json_put(o, "list", a);
    json_put_number(o, "n", 2);
    json_put_number(o, "n", 3);
    is_written(o, "{\"list\": [1, \"b\"], \"n\": 3}");
}
END_TEST

START_TEST(latencies_are_whole_and_none_is_null)
{
    struct stats_latency some = {1.4, 2.5, 1234.6}, none = {STATS_UNKNOWN, 0, 0};
    is_written(json_latency(&some), "{\"p50_us\": 1, \"p99_us\": 3, \"p999_us\": 1235}");
    is_written(json_latency(&none), "null");
}
END_TEST

START_TEST(nodes_are_named_by_their_ids)
{
    json_t *id = json_node_id(s, s->nodes[2].index);
    ck_assert_str_eq(json_string_value(id), s->nodes[2].id);
    json_decref(id);
    is_written(json_node_id(s, 999), "null");
    is_written(json_node_id(s, TOPOLOGY_NO_NODE), "null");
}
END_TEST

UNIT_SUITE_WITH("json_value", stats_begin, stats_end,
                {numbers_are_short_and_what_is_unknown_is_null}, {a_time_that_is_not_known_is_null},
                {texts_are_good_json_whatever_is_in_them}, {values_go_into_objects_and_arrays},
                {latencies_are_whole_and_none_is_null}, {nodes_are_named_by_their_ids})
