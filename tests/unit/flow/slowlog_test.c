/* Tests of the slow log of one worker: what an entry looks like, how arguments are cut, how many
 * entries are kept. */
#include "flow/slowlog.h"
#include "resp/reply.h"
#include "support/unit.h"
#include <stdio.h>

static struct slowlog *slow;

static void setup(void)
{
    slow = slowlog_new();
}

static void teardown(void)
{
    slowlog_free(slow);
}

static void record(uint32_t max_len, const char *request, size_t len)
{
    slowlog_record(slow, max_len, request, len, 1700000000, 12345, "127.0.0.1:5", "me");
}

static void expect_bulk(struct reply_reader *reader, const char *want)
{
    struct reply_value v;
    ck_assert(reply_read(reader, &v));
    ck_assert_int_eq(v.type, '$');
    ck_assert_uint_eq(v.len, strlen(want));
    ck_assert_mem_eq(v.data, want, v.len);
}

/* Opens the entry and its list of arguments; returns how many arguments follow. */
static int64_t open_entry(const struct slowlog_entry *entry, struct reply_reader *reader)
{
    struct reply_value v;
    *reader = (struct reply_reader){entry->reply, entry->reply + entry->len};
    ck_assert(reply_read(reader, &v) && v.n == 6);
    ck_assert(reply_read(reader, &v) && v.n == (int64_t)entry->id);
    ck_assert(reply_read(reader, &v) && v.n == 1700000000);
    ck_assert(reply_read(reader, &v) && v.n == 12345);
    ck_assert(reply_read(reader, &v) && v.type == '*');
    return v.n;
}

START_TEST(entry_is_an_element_of_slowlog_get)
{
    static const char request[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n";
    struct reply_reader reader;
    record(10, request, sizeof request - 1);
    ck_assert_uint_eq(slow->count, 1);
    ck_assert_int_eq(open_entry(slow->oldest, &reader), 3);
    expect_bulk(&reader, "SET");
    expect_bulk(&reader, "k");
    expect_bulk(&reader, "vv");
    expect_bulk(&reader, "127.0.0.1:5");
    expect_bulk(&reader, "me");
    ck_assert(reader.p == reader.end);
}
END_TEST

START_TEST(long_argument_is_cut_as_redis_does)
{
    char request[256], want[160];
    struct reply_reader reader;
    int len = snprintf(request, sizeof request, "*1\r\n$130\r\n%0130d\r\n", 1);
    snprintf(want, sizeof want, "%0128d... (2 more bytes)", 0);
    record(10, request, (size_t)len);
    ck_assert_int_eq(open_entry(slow->oldest, &reader), 1);
    expect_bulk(&reader, want);
}
END_TEST

START_TEST(many_arguments_are_cut_as_redis_does)
{
    char request[1024];
    struct reply_reader reader;
    int len = sprintf(request, "*40\r\n");
    for (int i = 0; i < 40; i++)
        len += sprintf(request + len, "$2\r\n%02d\r\n", i);
    record(10, request, (size_t)len);
    ck_assert_int_eq(open_entry(slow->oldest, &reader), 32);
    for (int i = 0; i < 31; i++) {
        char want[12];
        snprintf(want, sizeof want, "%02d", i);
        expect_bulk(&reader, want);
    }
    expect_bulk(&reader, "... (9 more arguments)");
}
END_TEST

START_TEST(passwords_are_not_kept)
{
    static const char request[] = "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n";
    struct reply_reader reader;
    record(10, request, sizeof request - 1);
    ck_assert_int_eq(open_entry(slow->oldest, &reader), 2);
    expect_bulk(&reader, "AUTH");
    expect_bulk(&reader, "(redacted)");
}
END_TEST

START_TEST(oldest_entries_give_way)
{
    for (int i = 0; i < 5; i++)
        record(3, "*1\r\n$1\r\na\r\n", 11);
    ck_assert_uint_eq(slow->count, 3);
    ck_assert_uint_eq(slow->newest->id, slow->oldest->id + 2);
    record(1, "*1\r\n$1\r\na\r\n", 11);
    ck_assert_uint_eq(slow->count, 1);
    ck_assert(slow->oldest == slow->newest);
}
END_TEST

START_TEST(no_entry_is_kept_when_none_may_be)
{
    record(3, "*1\r\n$1\r\na\r\n", 11);
    record(0, "*1\r\n$1\r\na\r\n", 11);
    ck_assert_uint_eq(slow->count, 0);
    ck_assert(!slow->oldest && !slow->newest);
}
END_TEST

START_TEST(reset_forgets_all)
{
    record(3, "*1\r\n$1\r\na\r\n", 11);
    slowlog_reset(slow, UINT64_MAX);
    ck_assert_uint_eq(slow->count, 0);
    record(3, "*1\r\n$1\r\na\r\n", 11);
    ck_assert_uint_eq(slow->count, 1);
}
END_TEST

UNIT_SUITE_WITH("slowlog", setup, teardown, {entry_is_an_element_of_slowlog_get},
                {long_argument_is_cut_as_redis_does}, {many_arguments_are_cut_as_redis_does},
                {passwords_are_not_kept}, {oldest_entries_give_way},
                {no_entry_is_kept_when_none_may_be}, {reset_forgets_all})
