/* Tests of the reply builder and of the reader that walks replies in memory. */
#include "resp/reply.h"
#include "support/unit.h"
#include <stdlib.h>

static struct chunk_pool pool;
static struct bufq q;
static struct reply r;

static void setup(void)
{
    chunk_pool_init(&pool);
    memset(&q, 0, sizeof q);
    r = (struct reply){.pool = &pool, .q = &q, .protocol = 2};
}

static void teardown(void)
{
    bufq_clear(&pool, &q);
    chunk_pool_destroy(&pool);
}

static void expect(const char *want)
{
    size_t len = q.len;
    const char *got = bufq_flatten(&pool, &q);
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_mem_eq(got, want, len);
}

START_TEST(every_element_in_resp2)
{
    static const char *const lines[] = {"a", "b"};
    reply_status(&r, "OK");
    reply_error(&r, "ERR no");
    reply_int(&r, -7);
    reply_bulk(&r, "a\0b", 3);
    reply_bulk_string(&r, "");
    reply_bulkf(&r, "%d-%s", 5, "x");
    reply_text(&r, "hi", 2);
    reply_null(&r);
    reply_null_array(&r);
    reply_array(&r, 2);
    reply_map(&r, 2);
    reply_lines(&r, lines, 2);
    size_t len = q.len;
    const char want[] = "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\0b\r\n$0\r\n\r\n$3\r\n5-x\r\n$2\r\nhi\r\n"
                        "$-1\r\n*-1\r\n*2\r\n*4\r\n*2\r\n+a\r\n+b\r\n";
    ck_assert_uint_eq(len, sizeof want - 1);
    ck_assert_mem_eq(bufq_flatten(&pool, &q), want, len);
}
END_TEST

START_TEST(resp3_has_forms_of_its_own)
{
    r.protocol = 3;
    reply_map(&r, 1);
    reply_null(&r);
    reply_null_array(&r);
    reply_text(&r, "hi", 2);
    expect("%1\r\n_\r\n_\r\n=6\r\ntxt:hi\r\n");
}
END_TEST

START_TEST(reader_walks_what_the_builder_wrote)
{
    struct reply_value v;
    reply_array(&r, 3);
    reply_bulk_string(&r, "key");
    reply_int(&r, 42);
    reply_null(&r);
    size_t len = q.len;
    const char *data = bufq_flatten(&pool, &q);
    struct reply_reader reader = {data, data + len};
    ck_assert(reply_read(&reader, &v) && v.type == '*' && v.n == 3 && !v.null);
    ck_assert(reply_read(&reader, &v) && v.type == '$' && v.len == 3);
    ck_assert_mem_eq(v.data, "key", 3);
    ck_assert(reply_read(&reader, &v) && v.type == ':' && v.n == 42);
    ck_assert(reply_read(&reader, &v) && v.null);
    ck_assert(reader.p == reader.end);
    ck_assert(!reply_read(&reader, &v));
}
END_TEST

START_TEST(verbatim_strings_are_read_without_the_mark_of_their_format)
{
    static const char text[] = "=6\r\ntxt:hi\r\n=4\r\ntxt:\r\n=3\r\ntxt\r\n";
    struct reply_reader reader = {text, text + sizeof text - 1};
    struct reply_value v;
    ck_assert(reply_read(&reader, &v) && v.type == '=' && v.len == 2);
    ck_assert_mem_eq(v.data, "hi", 2);
    ck_assert(reply_read(&reader, &v) && v.data && v.len == 0);
    ck_assert(!reply_read(&reader, &v));
}
END_TEST

START_TEST(skip_steps_over_nested_elements)
{
    static const char text[] = "*2\r\n%1\r\n+a\r\n*0\r\n*-1\r\n:5\r\n";
    struct reply_reader reader = {text, text + sizeof text - 1};
    struct reply_value v;
    ck_assert(reply_skip(&reader));
    ck_assert(reply_read(&reader, &v));
    ck_assert_int_eq(v.n, 5);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const char text[] = "*3\r\n$5\r\nhello\r\n%1\r\n+a\r\n:1\r\n*1\r\n$-1\r\n";
    size_t len = sizeof text - 1;
    for (size_t cut = 0; cut < len; cut++) {
        char *copy = malloc(cut ? cut : 1); /* its own block, so that a sanitizer sees its end */
        memcpy(copy, text, cut);
        struct reply_reader reader = {copy, copy + cut};
        ck_assert_msg(!reply_skip(&reader), "cut at %zu", cut);
        free(copy);
    }
    struct reply_reader whole = {text, text + len};
    ck_assert(reply_skip(&whole));
}
END_TEST

START_TEST(malformed_elements_are_refused)
{
    static const char *const bad[] = {"?x\r\n",
                                      "$x\r\n",
                                      "$-2\r\n\r\n",
                                      "*-2\r\n",
                                      ":1x\r\n",
                                      "$2\r\nabc\r\n",
                                      "$99999999999999999999\r\n",
                                      "$9223372036854775807\r\nab\r\n",
                                      "*9223372036854775807\r\n",
                                      "%9223372036854775807\r\n",
                                      "*1000000\r\n:1\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply_reader reader = {bad[i], bad[i] + strlen(bad[i])};
        ck_assert_msg(!reply_skip(&reader), "%s", bad[i]);
    }
}
END_TEST

UNIT_SUITE_WITH("reply", setup, teardown, {every_element_in_resp2}, {resp3_has_forms_of_its_own},
                {reader_walks_what_the_builder_wrote},
                {verbatim_strings_are_read_without_the_mark_of_their_format},
                {skip_steps_over_nested_elements}, {every_truncation_is_refused},
                {malformed_elements_are_refused})
