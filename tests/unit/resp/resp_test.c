/* The scanners: every malformed request gets Redis' text, every valid pipeline and reply reads the
 * same whole and cut at each byte. */
#include "resp/resp.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct resp_limits limits = {512u << 20, 1u << 30, 1024 * 1024, 64 * 1024};

/* A string literal with its length, zero bytes included. */
#define BYTES(s) (s), sizeof(s) - 1

/* Scan the first of a request's len bytes in a block of exactly that size, so that a sanitizer sees
 * any read beyond it. */
static enum resp_result scan_exact(struct resp_args *args, const char *bytes, size_t len,
                                   const struct resp_limits *lim, size_t *used, const char **error)
{
    char *exact = malloc(len ? len : 1);
    enum resp_result result;

    memcpy(exact, bytes, len);
    result = resp_scan_request(args, exact, len, lim, used, error);
    free(exact);
    return result;
}

/* Feed a request byte by byte until something other than RESP_MORE comes. */
static enum resp_result scan_bytewise(struct resp_args *args, const char *bytes, size_t len,
                                      const struct resp_limits *lim, size_t *used,
                                      const char **error)
{
    enum resp_result result = RESP_MORE;

    for (size_t n = 0; n <= len && result == RESP_MORE; n++) {
        result = scan_exact(args, bytes, n, lim, used, error);
        if (result == RESP_MORE)
            ck_assert_uint_gt(*used, n);
    }
    return result;
}

static void assert_error(const char *bytes, size_t len, const struct resp_limits *lim,
                         const char *text)
{
    struct resp_args args;
    const char *error = NULL;
    size_t used;

    resp_args_init(&args);
    ck_assert_int_eq(scan_exact(&args, bytes, len, lim, &used, &error), RESP_ERROR);
    ck_assert_str_eq(error, text);
    resp_args_reset(&args);
    error = NULL;
    ck_assert_int_eq(scan_bytewise(&args, bytes, len, lim, &used, &error), RESP_ERROR);
    ck_assert_str_eq(error, text);
    resp_args_free(&args);
}

static const struct {
    const char *bytes;
    size_t len;
    const char *error;
} malformed[] = {
    {BYTES("*x\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*03\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*+3\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*-0\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("* 3\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*3\rX$1\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*2147483648\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*1048577\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*9223372036854775808\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*99999999999999999999999\r\n"), "Protocol error: invalid multibulk length"},
    {BYTES("*1\r\n!5\r\n"), "Protocol error: expected '$', got '!'"},
    {BYTES("*1\r\nfoo\r\n"), "Protocol error: expected '$', got 'f'"},
    {BYTES("*1\r\n*1\r\n$4\r\nPING\r\n"), "Protocol error: expected '$', got '*'"},
    {BYTES("*1\r\n\r\n$4\r\nPING\r\n"), "Protocol error: expected '$', got ' '"},
    {BYTES("*2\r\n$3\r\nGET\r\n:1\r\n"), "Protocol error: expected '$', got ':'"},
    {BYTES("*1\r\n$-1\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$x\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$04\r\nPING\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$00\r\n\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$4x\r\nPING\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$4\rXPING\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$99999999999999999999\r\n"), "Protocol error: invalid bulk length"},
    {BYTES("*1\r\n$4\r\nPINGxx"), "Protocol error: expected CRLF after bulk"},
    {BYTES("*1\r\n$4\r\nPING\rx"), "Protocol error: expected CRLF after bulk"},
    {BYTES("*1\r\n$4\r\nPING\n\r"), "Protocol error: expected CRLF after bulk"},
    {BYTES("*2\r\n$16\r\n0123456789abcdefXX"), "Protocol error: expected CRLF after bulk"},
    {BYTES("SET a \"b\r\n"), "Protocol error: unbalanced quotes in request"},
    {BYTES("SET a 'b\r\n"), "Protocol error: unbalanced quotes in request"},
    {BYTES("SET a \"b\"c\r\n"), "Protocol error: unbalanced quotes in request"},
    {BYTES("SET a \"b\\\"\r\n"), "Protocol error: unbalanced quotes in request"},
};

START_TEST(malformed_request_gets_redis_text)
{
    assert_error(malformed[_i].bytes, malformed[_i].len, &limits, malformed[_i].error);
}
END_TEST

START_TEST(long_lines_are_refused)
{
    static const struct {
        const char *prefix;
        char fill;
        const char *error;
    } cases[] = {
        {"", 'x', "Protocol error: too big inline request"},
        {"*", '1', "Protocol error: too big mbulk count string"},
        {"*", 'x', "Protocol error: too big mbulk count string"},
        {"*1\r\n$", '1', "Protocol error: too big bulk count string"},
        {"*1\r\n", 'x', "Protocol error: too big bulk count string"},
    };
    const struct resp_limits lim = {1 << 20, 1 << 20, 100, 1000};
    char bytes[1200];

    memset(bytes, cases[_i].fill, sizeof(bytes));
    memcpy(bytes, cases[_i].prefix, strlen(cases[_i].prefix));
    assert_error(bytes, sizeof(bytes), &lim, cases[_i].error);
}
END_TEST

START_TEST(limits_before_authentication)
{
    struct resp_limits lim = limits;

    lim.max_args = RESP_UNAUTH_ARGS;
    lim.max_bulk = RESP_UNAUTH_BULK;
    assert_error(BYTES("*11\r\n"), &lim, "Protocol error: unauthenticated multibulk length");
    assert_error(BYTES("*1\r\n$16385\r\n"), &lim, "Protocol error: unauthenticated bulk length");
    assert_error(BYTES("*2147483648\r\n"), &lim, "Protocol error: invalid multibulk length");
}
END_TEST

START_TEST(request_longer_than_the_limit)
{
    const struct resp_limits lim = {1000, 60, 10, 50};

    assert_error(BYTES("*1\r\n$100\r\n"), &lim, "Protocol error: too big request");
    assert_error(BYTES("*2\r\n$40\r\n0123456789012345678901234567890123456789\r\n$20\r\n"), &lim,
                 "Protocol error: too big request");
}
END_TEST

START_TEST(empty_requests)
{
    static const char *const empty[] = {"*0\r\n", "*-1\r\n", "*-5\r\n", "\r\n", "\n", "   \r\n"};
    struct resp_args args;
    const char *error;
    size_t used;

    resp_args_init(&args);
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        resp_args_reset(&args);
        ck_assert_int_eq(scan_bytewise(&args, empty[i], strlen(empty[i]), &limits, &used, &error),
                         RESP_EMPTY);
        ck_assert_uint_eq(used, strlen(empty[i]));
    }
    resp_args_free(&args);
}
END_TEST

/* A pipeline in which all ways of writing a request follow each other. */
static const char pipeline[] = "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n"
                               "PING\r\n"
                               "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n$1\r\n"
                               "\r\n"
                               "*0\r\n"
                               "set \"a b\" 'c'\n"
                               "*1\r\n$104\r\n"
                               "0123456789012345678901234567890123456789012345678901"
                               "0123456789012345678901234567890123456789012345678901\r\n"
                               "*10\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"
                               "$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n"
                               "*1\r\n$4\r\nQUIT\r\n";
static const size_t pipeline_lengths[] = {36, 6, 29, 2, 4, 14, 116, 75, 14};

/* Scan the whole pipeline from a buffer that ends at `cut` first and is whole afterwards. */
static void scan_pipeline(size_t cut)
{
    struct resp_args args;
    size_t at = 0, used, i = 0;
    const char *error = NULL;

    resp_args_init(&args);
    while (at < sizeof(pipeline) - 1) {
        enum resp_result result = RESP_MORE;
        resp_args_reset(&args);
        if (cut > at)
            result = scan_exact(&args, pipeline + at, cut - at, &limits, &used, &error);
        if (result == RESP_MORE)
            result = scan_exact(&args, pipeline + at, sizeof(pipeline) - 1 - at, &limits, &used,
                                &error);
        ck_assert_int_eq(result, i == 3 || i == 4 ? RESP_EMPTY : RESP_COMPLETE);
        ck_assert_uint_eq(used, pipeline_lengths[i]);
        at += used;
        i++;
    }
    ck_assert_uint_eq(i, sizeof(pipeline_lengths) / sizeof(pipeline_lengths[0]));
    resp_args_free(&args);
}

START_TEST(pipeline_cut_at_each_byte)
{
    for (size_t cut = 0; cut <= sizeof(pipeline) - 1; cut++)
        scan_pipeline(cut);
}
END_TEST

START_TEST(pipeline_byte_by_byte)
{
    struct resp_args args;
    size_t at = 0, used;
    const char *error;

    resp_args_init(&args);
    for (size_t i = 0; at < sizeof(pipeline) - 1; i++) {
        resp_args_reset(&args);
        ck_assert_int_ne(
            scan_bytewise(&args, pipeline + at, sizeof(pipeline) - 1 - at, &limits, &used, &error),
            RESP_ERROR);
        ck_assert_uint_eq(used, pipeline_lengths[i]);
        at += used;
    }
    resp_args_free(&args);
}
END_TEST

START_TEST(arguments_of_a_request)
{
    static const char bytes[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\n0123456789\r\n\r\n";
    struct resp_args args;
    const char *error;
    size_t used;

    resp_args_init(&args);
    ck_assert_int_eq(scan_exact(&args, BYTES(bytes), &limits, &used, &error), RESP_COMPLETE);
    ck_assert(args.multibulk);
    ck_assert_uint_eq(args.argc, 3);
    ck_assert_uint_eq(args.v[0].off, 8);
    ck_assert_uint_eq(args.v[0].len, 3);
    ck_assert_uint_eq(args.v[1].off, 17);
    ck_assert_uint_eq(args.v[1].len, 0);
    ck_assert_uint_eq(args.v[2].off, 24);
    ck_assert_uint_eq(args.v[2].len, 12);
    resp_args_free(&args);
}
END_TEST

/* The scanner remembers how a request began: one that begins alike reads the same as without. */
START_TEST(requests_that_begin_alike)
{
    static const char *const requests[] = {
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        "*2\r\n$3\r\nGET\r\n$2\r\nbb\r\n",
        "*2\r\n$3\r\nget\r\n$2\r\ncc\r\n",
        "*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n",
        "*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*2\r\n$3\r\nGEX\r\n$1\r\na\r\n",
        "*2\r\n$8\r\nGETRANGE\r\n$1\r\na\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "*2\r\n$6\r\nEXISTS\r\n$1\r\na\r\n",
        "*2\r\n$6\r\nEXISTS\r\n$0\r\n\r\n",
    };
    enum { N = sizeof requests / sizeof *requests };
    for (int i = 0; i < N * N; i++) {
        const char *pair[2] = {requests[i / N], requests[i % N]};
        struct resp_args seasoned, fresh;
        const char *error;
        size_t used, length = strlen(pair[1]);
        resp_args_init(&seasoned);
        resp_args_init(&fresh);
        scan_exact(&seasoned, pair[0], strlen(pair[0]), &limits, &used, &error);
        for (size_t n = 0; n <= length; n++) {
            size_t used_fresh = 0;
            resp_args_reset(&seasoned);
            resp_args_reset(&fresh);
            ck_assert_int_eq(scan_exact(&seasoned, pair[1], n, &limits, &used, &error),
                             scan_exact(&fresh, pair[1], n, &limits, &used_fresh, &error));
            ck_assert_uint_eq(used, used_fresh);
            ck_assert_uint_eq(seasoned.argc, fresh.argc);
            for (uint32_t k = 0; k < fresh.argc; k++)
                ck_assert_mem_eq(&seasoned.v[k], &fresh.v[k], sizeof fresh.v[k]);
        }
        resp_args_free(&seasoned);
        resp_args_free(&fresh);
    }
}
END_TEST

START_TEST(announced_arguments_allocate_nothing)
{
    struct resp_args args;
    const char *error;
    size_t used;

    resp_args_init(&args);
    ck_assert_int_eq(scan_exact(&args, BYTES("*1000000\r\n$3\r\nGET\r\n"), &limits, &used, &error),
                     RESP_MORE);
    ck_assert_uint_eq(args.argc, 1);
    ck_assert_uint_le(args.cap, 16);
    resp_args_free(&args);
}
END_TEST

START_TEST(missing_bytes_are_announced)
{
    struct resp_args args;
    const char *error;
    size_t used;

    resp_args_init(&args);
    ck_assert_int_eq(scan_exact(&args, BYTES("*1\r\n$1000\r\nabc"), &limits, &used, &error),
                     RESP_MORE);
    ck_assert_uint_eq(used, 4 + 7 + 1000 + 2);
    resp_args_free(&args);
}
END_TEST

START_TEST(zero_byte_hides_the_end_of_an_inline_request)
{
    struct resp_args args;
    const char *error;
    size_t used;

    resp_args_init(&args);
    ck_assert_int_eq(scan_exact(&args, BYTES("PI\0NG\r\n"), &limits, &used, &error), RESP_MORE);
    resp_args_free(&args);
}
END_TEST

static const struct {
    const char *line;
    const char *encoded;
} inlines[] = {
    {"PING\r\n", "*1\r\n$4\r\nPING\r\n"},
    {"  get   key \n", "*2\r\n$3\r\nget\r\n$3\r\nkey\r\n"},
    {"set \"a b\" 'c d'\r\n", "*3\r\n$3\r\nset\r\n$3\r\na b\r\n$3\r\nc d\r\n"},
    {"a \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", "*2\r\n$1\r\na\r\n$8\r\n\n\r\t\b\a\\\"q\r\n"},
    {"a \"\\x41\\xfF\\xZ\"\r\n", "*2\r\n$1\r\na\r\n$4\r\nA\xffxZ\r\n"},
    {"a '\\'\\n\"'\r\n", "*2\r\n$1\r\na\r\n$4\r\n'\\n\"\r\n"},
    {"a \"\" ''\r\n", "*3\r\n$1\r\na\r\n$0\r\n\r\n$0\r\n\r\n"},
    {"a b\"c d\"\r\n", "*2\r\n$1\r\na\r\n$4\r\nbc d\r\n"},
};

START_TEST(inline_requests_are_encoded)
{
    const char *line = inlines[_i].line;
    struct resp_args args;
    char out[RESP_INLINE_ENCODED_MAX(64)];
    const char *error;
    size_t used, n;

    resp_args_init(&args);
    ck_assert_int_eq(scan_bytewise(&args, line, strlen(line), &limits, &used, &error),
                     RESP_COMPLETE);
    ck_assert(!args.multibulk);
    n = resp_inline_encode(line, used, out, &args);
    ck_assert_uint_eq(n, strlen(inlines[_i].encoded));
    ck_assert_mem_eq(out, inlines[_i].encoded, n);
    ck_assert(args.multibulk);
    ck_assert_uint_eq(args.argc, args.expected);
    ck_assert_uint_eq(args.pos, n);
    resp_args_free(&args);
}
END_TEST

/* --- replies ----------------------------------------------------------------------------------*/

/* Feed a reply in pieces of `step` bytes, keeping what the scanner leaves. */
static enum resp_result feed_reply(const char *bytes, size_t len, size_t step, size_t *end)
{
    struct resp_reply_scan scan = {0, 0};
    size_t at = 0, have = 0;
    enum resp_result result = RESP_MORE;

    while (result == RESP_MORE && have < len) {
        size_t used;
        char *exact;
        have = have + step < len ? have + step : len;
        exact = malloc(have - at);
        memcpy(exact, bytes + at, have - at);
        result = resp_scan_reply(&scan, exact, have - at, &used);
        free(exact);
        ck_assert_uint_le(used, have - at);
        at += used;
    }
    *end = at;
    return result;
}

#define FIFTY   "01234567890123456789012345678901234567890123456789"
#define HUNDRED FIFTY FIFTY

static const char *const replies[] = {
    "+OK\r\n",
    "+\r\n",
    "-ERR x y\r\n",
    ":-12\r\n",
    ":0\r\n",
    "$-1\r\n",
    "$0\r\n\r\n",
    "$5\r\nab\r\nc\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*2\r\n$1\r\na\r\n*2\r\n:1\r\n*1\r\n+x\r\n",
    "_\r\n",
    ",3.14\r\n",
    ",-inf\r\n",
    ",nan\r\n",
    "#t\r\n",
    "#f\r\n",
    "(3492890328409238509324850943850943825024385\r\n",
    "!5\r\nERR x\r\n",
    "=7\r\ntxt:abc\r\n",
    "~2\r\n+a\r\n+b\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
    ">2\r\n+message\r\n$1\r\nx\r\n",
    "|1\r\n+ttl\r\n:5\r\n$1\r\nx\r\n",
    "*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:7\r\n%0\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n",
    "$12\r\n0123456789ab\r\n",
    "$75\r\n012345678901234567890123456789012345678901234567890123456789012345678901234\r\n",
    "$100\r\n" HUNDRED "\r\n",
};

START_TEST(reply_reads_the_same_however_it_comes)
{
    size_t len = strlen(replies[_i]), end;
    char *twice = malloc(2 * len);

    for (size_t step = 1; step <= len; step++) {
        ck_assert_int_eq(feed_reply(replies[_i], len, step, &end), RESP_COMPLETE);
        ck_assert_uint_eq(end, len);
    }
    memcpy(twice, replies[_i], len);
    memcpy(twice + len, replies[_i], len);
    ck_assert_int_eq(feed_reply(twice, 2 * len, 2 * len, &end), RESP_COMPLETE);
    ck_assert_uint_eq(end, len);
    for (size_t cut = 0; cut < len; cut++)
        ck_assert_uint_eq(resp_reply_fast(twice, cut), 0);
    if (strchr("+-$", *twice))
        ck_assert_uint_eq(resp_reply_fast(twice, 2 * len), len);
    free(twice);
}
END_TEST

static const char *const bad_replies[] = {
    "x\r\n",           "\r\n",
    "$-77\r\n",        "$-2\r\n",
    "*-2\r\n",         "$05\r\n",
    "$5x\r\n",         "$\r\n",
    "*x\r\n",          "~-1\r\n",
    "%-1\r\n",         ">-1\r\n",
    "=-1\r\n",         "$4294967297\r\n",
    "*4294967297\r\n", "*99999999999999999999999999999999999\r\n",
    "$3\r\nabcd\r\n",  "$3\r\nabc\rx",
    "$3\rx",           "+a\rb\r\n",
    ":\r\n",           ":1x\r\n",
    ":--1\r\n",        "#x\r\n",
    "#\r\n",           "_x\r\n",
    ",\r\n",           ",abc\r\n",
    "(\r\n",           "$?\r\n",
    "*1\r\n$-5\r\n",   "HTTP/1.1 400\r\n",
};

START_TEST(garbage_is_not_a_reply)
{
    size_t len = strlen(bad_replies[_i]), end;

    for (size_t step = 1; step <= len; step++)
        ck_assert_int_eq(feed_reply(bad_replies[_i], len, step, &end), RESP_ERROR);
}
END_TEST

START_TEST(nested_counts_do_not_overflow)
{
    char bytes[40 * 13 + 1] = "";
    size_t end;

    for (int i = 0; i < 40; i++)
        strcat(bytes, "*4294967296\r\n");
    ck_assert_int_eq(feed_reply(bytes, strlen(bytes), strlen(bytes), &end), RESP_ERROR);
}
END_TEST

START_TEST(endless_line_is_refused)
{
    size_t len = 2 << 20, end;
    char *bytes = malloc(len);

    memset(bytes, 'x', len);
    bytes[0] = '-';
    ck_assert_int_eq(feed_reply(bytes, len, len / 8, &end), RESP_ERROR);
    ck_assert_int_eq(feed_reply(bytes, len, len, &end), RESP_ERROR);
    free(bytes);
}
END_TEST

START_TEST(partial_bulk_is_consumed_as_it_comes)
{
    struct resp_reply_scan scan = {0, 0};
    size_t used;

    ck_assert_int_eq(resp_scan_reply(&scan, "$100\r\nabc", 9, &used), RESP_MORE);
    ck_assert_uint_eq(used, 9);
    ck_assert_uint_eq(scan.bulk_left, 99);
}
END_TEST

START_TEST(integers)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"+1", false, 0},
        {"01", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1x", false, 0},
    };
    int64_t value;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(resp_parse_int(cases[i].text, strlen(cases[i].text), &value), cases[i].ok);
        if (cases[i].ok)
            ck_assert_int_eq(value, cases[i].value);
    }
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

UNIT_SUITE("resp", {malformed_request_gets_redis_text, COUNT(malformed)},
           {long_lines_are_refused, 5}, {limits_before_authentication},
           {request_longer_than_the_limit}, {empty_requests}, {pipeline_cut_at_each_byte},
           {pipeline_byte_by_byte}, {arguments_of_a_request}, {requests_that_begin_alike},
           {announced_arguments_allocate_nothing}, {missing_bytes_are_announced},
           {zero_byte_hides_the_end_of_an_inline_request},
           {inline_requests_are_encoded, COUNT(inlines)},
           {reply_reads_the_same_however_it_comes, COUNT(replies)},
           {garbage_is_not_a_reply, COUNT(bad_replies)}, {nested_counts_do_not_overflow},
           {endless_line_is_refused}, {partial_bulk_is_consumed_as_it_comes}, {integers})
