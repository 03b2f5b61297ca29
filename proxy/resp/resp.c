/* Where requests and replies of RESP end. Requests are accepted and refused as redis-server's
 * networking.c does, but stricter where that skips bytes unread: see line_end and scan_bulk. */
#include "resp/resp.h"
#include "base/compiler.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_FIRST_CAP    16
#define REQUEST_MAX       (UINT32_MAX - 64)   /* offsets of arguments are 32 bits */
#define REPLY_LINE_MAX    (1024u * 1024)      /* longest simple string or error */
#define REPLY_HEADER_MAX  32                  /* longest line that is only a number */
#define REPLY_BULK_MAX    ((uint64_t)1 << 32) /* longest bulk in bytes */
#define REPLY_COUNT_MAX   ((uint64_t)1 << 32) /* most elements of one aggregate */
#define REPLY_PENDING_MAX ((uint64_t)1 << 34) /* most elements still to come */

const struct resp_limits resp_unlimited = {UINT32_MAX, UINT64_MAX, INT32_MAX, UINT32_MAX};

void resp_args_init(struct resp_args *args)
{
    memset(args, 0, sizeof(*args));
}

void resp_args_reset(struct resp_args *args)
{
    args->argc = 0;
    args->expected = 0;
    args->pos = 0;
    args->searched = 0;
    args->multibulk = false;
}

void resp_args_free(struct resp_args *args)
{
    free(args->v);
    resp_args_init(args);
}

/* Room for one more argument. Grows with what arrived, never with what was announced. */
static bool args_grow(struct resp_args *args)
{
    uint32_t cap = args->cap ? args->cap * 2 : ARGS_FIRST_CAP;
    struct resp_arg *v = realloc(args->v, cap * sizeof(*v));

    if (!v)
        return false;
    args->v = v;
    args->cap = cap;
    return true;
}

bool resp_parse_int(const char *s, size_t len, int64_t *value)
{
    bool negative = len > 0 && *s == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t n = 0;

    if (len == 1 && *s == '0') {
        *value = 0;
        return true;
    }
    s += negative;
    len -= negative;
    if (len == 0 || len > 19 || *s < '1' || *s > '9')
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)s[i] - '0';
        if (digit > 9)
            return false;
        n = n * 10 + digit; /* 19 digits fit in 64 bits */
    }
    if (n > limit)
        return false;
    *value = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

/* Little-endian values of line ends, for comparing two bytes at once. */
#define CRLF 0x0a0du

static inline uint32_t load4(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;

    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static inline bool is_crlf(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;

    return (u[0] | (uint32_t)u[1] << 8) == CRLF;
}

/* Parse "N\r\n" with three to eight digits; at least four bytes are there. */
static OUTLINED const char *longer_number(const char *p, const char *end, uint32_t *value)
{
    uint32_t n = 0, digit;
    const char *start = p;

    if (*p == '0')
        return NULL;
    while ((digit = (uint32_t)(unsigned char)*p - '0') <= 9) {
        n = n * 10 + digit;
        if (++p == end || p - start > 8)
            return NULL;
    }
    if (p == start || end - p < 2 || !is_crlf(p))
        return NULL;
    *value = n;
    return p + 2;
}

#define LINE_DOLLAR_0  0x0a0d3024u /* "$0\r\n" */
#define LINE_DOLLAR_00 0x0d303024u /* "$00\r" */
#define LINE_STAR_0    0x0a0d302au /* "*0\r\n" */

/* The bytes that differ from those of a line with zeros as digits, the first digit lowest: what is
 * not such a line gives large numbers. */
static inline uint32_t line_digits(const char *p, uint32_t zero)
{
    uint32_t w = load4(p) ^ zero;

    return w >> 8 | w << 24;
}

/* Parse "$N\r\n" at buf + *pos and move *pos behind it; at least six bytes are there. False: cut,
 * wrong or unusual. Nearly all lengths have one or two digits. */
static inline bool short_header(const char *buf, size_t len, size_t *pos, uint32_t *n)
{
    const char *p = buf + *pos;
    uint32_t digits = line_digits(p, LINE_DOLLAR_0);

    *n = digits;
    if (digits <= 9) {
        *pos += 4;
        return true;
    }
    digits = line_digits(p, LINE_DOLLAR_00);
    if (LIKELY(digits <= 0x909 && (digits & 0xff) - 1 <= 8 && p[4] == '\n')) {
        *n = (digits & 0xff) * 10 + (digits >> 8);
        *pos += 5;
        return true;
    }
    if (*p != '$' || !(p = longer_number(p + 1, buf + len, n)))
        return false;
    *pos = (size_t)(p - buf);
    return true;
}

/* --- inline requests --------------------------------------------------------------------------*/

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char escaped(char c)
{
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : c;
}

/* A walk over the arguments of an inline request. */
struct inline_walk {
    const char *p;
    const char *end;
    char *dst;  /* where the argument's bytes go; NULL: only count them */
    size_t len; /* bytes of the argument so far */
};

static void inline_put(struct inline_walk *walk, char c)
{
    if (walk->dst)
        walk->dst[walk->len] = c;
    walk->len++;
}

/* The character or escape at walk->p inside double quotes. */
static void inline_put_escape(struct inline_walk *walk)
{
    const char *p = walk->p;

    if (walk->end - p >= 4 && p[1] == 'x' && hex_value(p[2]) >= 0 && hex_value(p[3]) >= 0) {
        inline_put(walk, (char)(hex_value(p[2]) * 16 + hex_value(p[3])));
        walk->p += 4;
    } else if (walk->end - p >= 2) {
        inline_put(walk, escaped(p[1]));
        walk->p += 2;
    } else {
        inline_put(walk, *p);
        walk->p++;
    }
}

/* The rest of a quoted argument; false if the quote is not closed or is followed by something. */
static bool inline_quoted(struct inline_walk *walk, char quote)
{
    while (walk->p < walk->end) {
        const char *p = walk->p;
        if (*p == quote) {
            walk->p++;
            return walk->p == walk->end || is_space(*walk->p);
        }
        if (*p == '\\' && quote == '"') {
            inline_put_escape(walk);
        } else if (*p == '\\' && walk->end - p >= 2 && p[1] == '\'') {
            inline_put(walk, '\'');
            walk->p += 2;
        } else {
            inline_put(walk, *p);
            walk->p++;
        }
    }
    return false;
}

/* One argument, spaces before it skipped: 1; 0: there is none; -1: unbalanced quotes. */
static int inline_next(struct inline_walk *walk)
{
    walk->len = 0;
    while (walk->p < walk->end && is_space(*walk->p))
        walk->p++;
    if (walk->p == walk->end)
        return 0;
    while (walk->p < walk->end) {
        char c = *walk->p;
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            break;
        walk->p++;
        if (c == '"' || c == '\'')
            return inline_quoted(walk, c) ? 1 : -1;
        inline_put(walk, c);
    }
    return 1;
}

/* Number of arguments in a line without its end; -1: unbalanced quotes. */
static int64_t inline_count(const char *line, size_t len)
{
    struct inline_walk walk = {.p = line, .end = line + len};
    int64_t count = 0;
    int more;

    while ((more = inline_next(&walk)) > 0)
        count++;
    return more < 0 ? -1 : count;
}

/* Length of a line without "\n" or "\r\n" at its end. */
static size_t inline_trim(const char *line, size_t len)
{
    if (len && line[len - 1] == '\n')
        len--;
    if (len && line[len - 1] == '\r')
        len--;
    return len;
}

size_t resp_inline_encode(const char *line, size_t len, char *out, struct resp_args *args)
{
    size_t trimmed = inline_trim(line, len);
    int64_t argc = inline_count(line, trimmed);
    struct inline_walk walk = {.p = line, .end = line + trimmed};
    char *at = out;

    resp_args_reset(args);
    if (argc <= 0)
        return 0;
    at += sprintf(at, "*%u\r\n", (unsigned)argc);
    for (int64_t i = 0; i < argc; i++) {
        const char *start = walk.p;
        walk.dst = NULL;
        inline_next(&walk); /* its length comes before its bytes */
        at += sprintf(at, "$%zu\r\n", walk.len);
        walk.p = start;
        walk.dst = at;
        inline_next(&walk);
        if (args->argc == args->cap && !args_grow(args))
            return 0;
        args->v[args->argc++] = (struct resp_arg){(uint32_t)(at - out), (uint32_t)walk.len};
        at += walk.len;
        *at++ = '\r';
        *at++ = '\n';
    }
    args->expected = args->argc;
    args->multibulk = true;
    args->pos = (uint32_t)(at - out);
    return (size_t)(at - out);
}

/* --- requests ---------------------------------------------------------------------------------*/

/* What a scan of one request works on. */
struct request_scan {
    struct resp_args *args;
    const char *buf;
    size_t len;
    const struct resp_limits *limits;
    size_t *used;
    const char **error;
};

static enum resp_result request_error(struct request_scan *scan, const char *text)
{
    *scan->error = text;
    return RESP_ERROR;
}

static enum resp_result request_more(struct request_scan *scan, size_t need)
{
    *scan->used = need;
    return RESP_MORE;
}

static enum resp_result scan_inline(struct request_scan *scan)
{
    struct resp_args *args = scan->args;
    const char *newline = memchr(scan->buf + args->searched, '\n', scan->len - args->searched);
    size_t line = newline ? (size_t)(newline - scan->buf) : scan->len;
    int64_t argc;

    /* Redis looks for the newline with strchr: a zero byte hides it. */
    if (newline && memchr(scan->buf, '\0', line))
        newline = NULL;
    if (line > scan->limits->max_inline || (!newline && scan->len > scan->limits->max_inline))
        return request_error(scan, "Protocol error: too big inline request");
    if (!newline) {
        args->searched = (uint32_t)line;
        return request_more(scan, scan->len + 1);
    }
    argc = inline_count(scan->buf, inline_trim(scan->buf, line + 1));
    if (argc < 0)
        return request_error(scan, "Protocol error: unbalanced quotes in request");
    args->multibulk = false;
    args->argc = (uint32_t)argc;
    args->pos = (uint32_t)line + 1;
    *scan->used = line + 1;
    return argc ? RESP_COMPLETE : RESP_EMPTY;
}

/* The end ('\r') of the line at args->pos if "\r\n" or "\r" and one more byte is there. Otherwise
 * NULL and *result says whether to wait or that the line is too long (with `too_big`). */
static const char *line_end(struct request_scan *scan, const char *too_big,
                            enum resp_result *result)
{
    struct resp_args *args = scan->args;
    size_t from = args->searched > args->pos ? args->searched : args->pos;
    const char *cr = memchr(scan->buf + from, '\r', scan->len - from);
    size_t end = cr ? (size_t)(cr - scan->buf) : scan->len;

    if (end - args->pos > scan->limits->max_inline) {
        *result = request_error(scan, too_big);
        return NULL;
    }
    args->searched = (uint32_t)end;
    if (cr && end + 1 < scan->len)
        return cr;
    *result = request_more(scan, cr ? end + 2 : scan->len + (scan->len == args->pos ? 4 : 2));
    return NULL;
}

static bool line_number(const char *s, const char *cr, int64_t *value)
{
    /* Redis does not look at the byte after '\r'; on a connection shared with others a request
     * must read the same to everybody. */
    return cr[1] == '\n' && resp_parse_int(s, (size_t)(cr - s), value);
}

/* "*N\r\n" at the start, the careful way. RESP_COMPLETE: args->expected is known. */
static enum resp_result scan_count(struct request_scan *scan)
{
    struct resp_args *args = scan->args;
    enum resp_result result;
    const char *cr = line_end(scan, "Protocol error: too big mbulk count string", &result);
    int64_t n;

    if (!cr)
        return result;
    if (!line_number(scan->buf + 1, cr, &n) || n > INT_MAX)
        return request_error(scan, "Protocol error: invalid multibulk length");
    if (n > scan->limits->max_args)
        return request_error(scan, scan->limits->max_args == RESP_UNAUTH_ARGS
                                       ? "Protocol error: unauthenticated multibulk length"
                                       : "Protocol error: invalid multibulk length");
    args->pos = (uint32_t)(cr + 2 - scan->buf);
    if (n <= 0) {
        *scan->used = args->pos;
        return RESP_EMPTY;
    }
    args->expected = (uint32_t)n;
    args->multibulk = true;
    return RESP_COMPLETE;
}

static enum resp_result error_expected_dollar(struct request_scan *scan, char got)
{
    static _Thread_local char text[48];

    /* A line end in the text would tear the error reply. */
    if (got == '\r' || got == '\n')
        got = ' ';
    snprintf(text, sizeof(text), "Protocol error: expected '$', got '%c'", got);
    return request_error(scan, text);
}

/* One argument at args->pos, the careful way: its header may be cut or wrong, its bytes may be
 * missing. RESP_COMPLETE: it was added. */
static enum resp_result scan_bulk(struct request_scan *scan)
{
    static const char invalid[] = "Protocol error: invalid bulk length";
    struct resp_args *args = scan->args;
    const struct resp_limits *limits = scan->limits;
    enum resp_result result;
    const char *cr = line_end(scan, "Protocol error: too big bulk count string", &result);
    const char *header = scan->buf + args->pos;
    uint64_t off, need;
    int64_t n;

    if (!cr)
        return result;
    if (*header != '$')
        return error_expected_dollar(scan, *header);
    if (!line_number(header + 1, cr, &n) || n < 0)
        return request_error(scan, invalid);
    if ((uint64_t)n > limits->max_bulk)
        return request_error(scan, limits->max_bulk == RESP_UNAUTH_BULK
                                       ? "Protocol error: unauthenticated bulk length"
                                       : invalid);
    off = (uint64_t)(cr + 2 - scan->buf);
    need = off + (uint64_t)n + 2;
    if (need > limits->max_size || need > REQUEST_MAX)
        return request_error(scan, "Protocol error: too big request");
    /* Redis skips the two bytes after a bulk unread. */
    if ((need - 2 < scan->len && scan->buf[need - 2] != '\r') ||
        (need - 1 < scan->len && scan->buf[need - 1] != '\n'))
        return request_error(scan, "Protocol error: expected CRLF after bulk");
    if (need > scan->len)
        return request_more(scan, need);
    if (args->argc == args->cap && !args_grow(args))
        return request_error(scan, "Protocol error: out of memory");
    args->v[args->argc++] = (struct resp_arg){(uint32_t)off, (uint32_t)n};
    args->pos = (uint32_t)need;
    return RESP_COMPLETE;
}

/* Take arguments for as long as each is there completely and is small; what stops it is for
 * scan_bulk. True: that was the last. Works with offsets: they are what is stored. */
static inline __attribute__((always_inline)) bool scan_bulks_fast(struct resp_args *args,
                                                                  const char *buf, size_t len,
                                                                  const struct resp_limits *limits)
{
    size_t pos = args->pos;
    if (UNLIKELY(args->cap == 0))
        return false; /* no vector yet: the careful way makes one */
    struct resp_arg *v = args->v + args->argc;
    struct resp_arg *last = args->v + (args->expected < args->cap ? args->expected : args->cap);

    while (v < last && pos + 6 <= len) {
        size_t data = pos, next;
        uint32_t n;
        if (UNLIKELY(!short_header(buf, len, &data, &n)))
            break;
        next = data + n + 2;
        if (UNLIKELY(next > len || n > limits->max_bulk || !is_crlf(buf + next - 2)))
            break;
        v->off = (uint32_t)data;
        v->len = n;
        v++;
        pos = next;
    }
    args->argc = (uint32_t)(v - args->v);
    args->pos = (uint32_t)pos;
    return args->argc == args->expected;
}

/* Is the request short enough for the fast way, which does not look at max_size? */
static inline bool fast_allowed(size_t len, const struct resp_limits *limits)
{
    return len <= limits->max_size && len < REQUEST_MAX;
}

static enum resp_result scan_rest(struct request_scan *scan)
{
    struct resp_args *args = scan->args;
    bool fast = fast_allowed(scan->len, scan->limits);

    while (!(fast && scan_bulks_fast(args, scan->buf, scan->len, scan->limits))) {
        enum resp_result result = scan_bulk(scan);
        if (result != RESP_COMPLETE)
            return result;
        if (args->argc == args->expected)
            break;
    }
    *scan->used = args->pos;
    return RESP_COMPLETE;
}

/* The careful way, for whatever the fast one did not finish. */
static OUTLINED enum resp_result scan_careful(struct resp_args *args, const char *buf, size_t len,
                                              const struct resp_limits *limits, size_t *used,
                                              const char **error)
{
    struct request_scan scan = {args, buf, len, limits, used, error};

    if (args->expected == 0) {
        enum resp_result result;
        if (len == 0)
            return request_more(&scan, 1);
        result = *buf == '*' ? scan_count(&scan) : scan_inline(&scan);
        if (result != RESP_COMPLETE || !args->multibulk)
            return result;
    }
    return scan_rest(&scan);
}

/* Does the request at buf, of at least 16 bytes, begin as the one that was remembered? Then its
 * first argument is known. */
static inline bool scan_begins_alike(struct resp_args *args, const char *buf)
{
    uint64_t word[2];

    memcpy(word, buf, sizeof word);
    if ((word[0] & args->begin_mask[0]) != args->begin[0] ||
        (word[1] & args->begin_mask[1]) != args->begin[1] || !args->begin_mask[0])
        return false;
    args->v[0] = args->begin_name;
    args->argc = 1;
    args->expected = args->begin_expected;
    args->pos = args->begin_len;
    args->multibulk = true;
    return true;
}

static uint64_t begin_mask(uint32_t bytes)
{
    return bytes >= 8 ? UINT64_MAX : bytes == 0 ? 0 : UINT64_MAX >> (64 - 8 * bytes);
}

/* Remember how this complete request of at least 16 bytes begins, if that is short. Little-endian
 * words: the masks keep the first bytes. */
static void scan_remember(struct resp_args *args, const char *buf)
{
    uint32_t end = args->v[0].off + args->v[0].len + 2;

    if (end > sizeof args->begin || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return;
    args->begin_mask[0] = begin_mask(end);
    args->begin_mask[1] = begin_mask(end > 8 ? end - 8 : 0);
    memcpy(args->begin, buf, sizeof args->begin);
    args->begin[0] &= args->begin_mask[0];
    args->begin[1] &= args->begin_mask[1];
    args->begin_len = end;
    args->begin_expected = args->expected;
    args->begin_name = args->v[0];
}

enum resp_result resp_scan_request(struct resp_args *args, const char *buf, size_t len,
                                   const struct resp_limits *limits, size_t *used,
                                   const char **error)
{
    uint32_t expected = args->expected;

    if (UNLIKELY(!fast_allowed(len, limits)))
        return scan_careful(args, buf, len, limits, used, error);
    if (LIKELY(expected == 0 && len >= sizeof args->begin && scan_begins_alike(args, buf))) {
        if (LIKELY(args->expected <= limits->max_args && scan_bulks_fast(args, buf, len, limits))) {
            *used = args->pos;
            return RESP_COMPLETE;
        }
        resp_args_reset(args);
    }
    if (LIKELY(expected == 0 && len >= 4)) {
        expected = line_digits(buf, LINE_STAR_0);
        if (UNLIKELY(expected - 1 > 8 || expected > limits->max_args))
            return scan_careful(args, buf, len, limits, used, error);
        args->expected = expected;
        args->multibulk = true;
        args->pos = 4;
    }
    if (LIKELY(expected && scan_bulks_fast(args, buf, len, limits))) {
        *used = args->pos;
        if (args->pos >= sizeof args->begin)
            scan_remember(args, buf);
        return RESP_COMPLETE;
    }
    return scan_careful(args, buf, len, limits, used, error);
}

/* --- replies ----------------------------------------------------------------------------------*/

/* What the first byte of a reply says about the line it begins. */
enum reply_class {
    REPLY_BAD,
    REPLY_TEXT,   /* + - : any text */
    REPLY_INT,    /* digits with an optional sign */
    REPLY_DOUBLE, /* digits, sign, point, exponent, inf, nan */
    REPLY_NULL,
    REPLY_BOOL,
    REPLY_BULK,
    REPLY_AGGREGATE
};

struct reply_type {
    uint8_t class;
    uint8_t factor; /* elements for each one announced */
    bool counts;    /* is itself an element (attributes are not) */
    bool null;      /* -1 is allowed */
};

static const struct reply_type reply_types[256] = {
    ['+'] = {REPLY_TEXT, 0, true, false},       ['-'] = {REPLY_TEXT, 0, true, false},
    [':'] = {REPLY_INT, 0, true, false},        ['('] = {REPLY_INT, 0, true, false},
    [','] = {REPLY_DOUBLE, 0, true, false},     ['_'] = {REPLY_NULL, 0, true, false},
    ['#'] = {REPLY_BOOL, 0, true, false},       ['$'] = {REPLY_BULK, 0, true, true},
    ['='] = {REPLY_BULK, 0, true, false},       ['!'] = {REPLY_BULK, 0, true, false},
    ['*'] = {REPLY_AGGREGATE, 1, true, true},   ['~'] = {REPLY_AGGREGATE, 1, true, false},
    ['>'] = {REPLY_AGGREGATE, 1, true, false},  ['%'] = {REPLY_AGGREGATE, 2, true, false},
    ['|'] = {REPLY_AGGREGATE, 2, false, false},
};

/* The scalar in a complete line (without type byte and line end): is it what its type promises? */
static bool scalar_ok(uint8_t class, const char *s, size_t len)
{
    size_t sign = len > 0 && (*s == '-' || *s == '+');

    switch (class) {
    case REPLY_TEXT:
        return true;
    case REPLY_INT:
        for (size_t i = sign; i < len; i++)
            if (s[i] < '0' || s[i] > '9')
                return false;
        return len > sign;
    case REPLY_DOUBLE:
        for (size_t i = 0; i < len; i++)
            if (!s[i] || !strchr("0123456789+-.eEinfaN", s[i]))
                return false;
        return len > 0;
    case REPLY_NULL:
        return len == 0;
    default:
        return len == 1 && (*s == 't' || *s == 'f');
    }
}

/* Take a scalar line. RESP_COMPLETE: *used bytes of it; the rest as resp_scan_reply. */
static enum resp_result scan_scalar(uint8_t class, const char *p, size_t len, size_t *used)
{
    const char *cr = memchr(p, '\r', len);
    size_t line = cr ? (size_t)(cr - p) : len;

    if (line > REPLY_LINE_MAX)
        return RESP_ERROR;
    if (!cr || line + 1 == len)
        return RESP_MORE;
    if (cr[1] != '\n' || !scalar_ok(class, p + 1, line - 1))
        return RESP_ERROR;
    *used = line + 2;
    return RESP_COMPLETE;
}

/* Take the line of a bulk or an aggregate: *value is the number in it. */
static enum resp_result scan_header(const char *p, size_t len, size_t *used, int64_t *value)
{
    size_t i = 1;

    while (i < len && i < REPLY_HEADER_MAX && ((p[i] >= '0' && p[i] <= '9') || p[i] == '-'))
        i++;
    if (i == REPLY_HEADER_MAX)
        return RESP_ERROR;
    if (i == len)
        return RESP_MORE;
    if (p[i] != '\r' || !resp_parse_int(p + 1, i - 1, value))
        return RESP_ERROR;
    if (i + 1 == len)
        return RESP_MORE;
    if (p[i + 1] != '\n')
        return RESP_ERROR;
    *used = i + 2;
    return RESP_COMPLETE;
}

/* Take what is there of the bulk being read; the last two bytes of it must be a line end. */
static enum resp_result scan_bulk_rest(struct resp_reply_scan *scan, const char *p, size_t len,
                                       size_t *used)
{
    uint64_t left = scan->bulk_left;
    size_t take = left < len ? (size_t)left : len;

    if (left - take <= 1 && left >= 2 && p[left - 2] != '\r')
        return RESP_ERROR;
    if (take == left && take && p[take - 1] != '\n')
        return RESP_ERROR;
    scan->bulk_left -= take;
    *used = take;
    if (scan->bulk_left)
        return RESP_MORE;
    scan->pending--;
    return RESP_COMPLETE;
}

/* A bulk or an aggregate was announced: note what is still to come. */
static bool announce(struct resp_reply_scan *scan, const struct reply_type *type, int64_t value)
{
    if (value < 0) {
        scan->pending--;
        return type->null && value == -1;
    }
    if (type->class == REPLY_BULK) {
        scan->bulk_left = (uint64_t)value + 2;
        return (uint64_t)value <= REPLY_BULK_MAX;
    }
    if ((uint64_t)value > REPLY_COUNT_MAX)
        return false;
    scan->pending += (uint64_t)value * type->factor;
    scan->pending -= type->counts;
    return scan->pending <= REPLY_PENDING_MAX;
}

/* One header or scalar, or a part of a bulk, at p. */
static enum resp_result scan_element(struct resp_reply_scan *scan, const char *p, size_t len,
                                     size_t *used)
{
    const struct reply_type *type;
    enum resp_result result;
    int64_t value;

    *used = 0;
    if (len == 0)
        return RESP_MORE;
    if (scan->bulk_left)
        return scan_bulk_rest(scan, p, len, used);
    type = &reply_types[(unsigned char)*p];
    if (type->class == REPLY_BAD)
        return RESP_ERROR;
    if (type->class < REPLY_BULK) {
        if ((result = scan_scalar(type->class, p, len, used)) == RESP_COMPLETE)
            scan->pending--;
        return result;
    }
    if ((result = scan_header(p, len, used, &value)) != RESP_COMPLETE)
        return result;
    return announce(scan, type, value) ? RESP_COMPLETE : RESP_ERROR;
}

enum resp_result resp_scan_reply(struct resp_reply_scan *scan, const char *buf, size_t len,
                                 size_t *used)
{
    enum resp_result result = RESP_COMPLETE;
    size_t at = 0;

    *used = 0;
    if (len == 0)
        return RESP_MORE;
    if (scan->pending == 0)
        scan->pending = 1;
    while (scan->pending && result == RESP_COMPLETE) {
        size_t took;
        size_t fast = scan->bulk_left ? 0 : resp_reply_fast(buf + at, len - at);
        if (fast) {
            at += fast;
            scan->pending--;
            continue;
        }
        if (!scan->bulk_left && len - at >= 4) { /* an array of a few elements */
            uint32_t few = line_digits(buf + at, LINE_STAR_0);
            if (few <= 9) {
                at += 4;
                scan->pending += few;
                scan->pending--;
                continue;
            }
        }
        result = scan_element(scan, buf + at, len - at, &took);
        at += took;
    }
    *used = at;
    return result;
}

/* A complete bulk reply or null at p. */
static inline size_t fast_bulk(const char *p, size_t len)
{
    size_t end = 0;
    uint32_t n;

    if (LIKELY(len >= 6 && short_header(p, len, &end, &n))) {
        end += (size_t)n + 2;
        return end <= len && is_crlf(p + end - 2) ? end : 0;
    }
    return len >= 5 && memcmp(p, "$-1\r\n", 5) == 0 ? 5 : 0;
}

/* A complete integer without sign at p. */
static inline size_t fast_integer(const char *p, size_t len)
{
    size_t i = 1;

    while (i < len && (uint8_t)(p[i] - '0') <= 9)
        i++;
    return i > 1 && i + 1 < len && is_crlf(p + i) && i < REPLY_HEADER_MAX ? i + 2 : 0;
}

static inline size_t fast_line(const char *p, size_t len)
{
    const char *cr = memchr(p, '\r', len < REPLY_LINE_MAX ? len : REPLY_LINE_MAX);

    return cr && cr + 1 < p + len && cr[1] == '\n' ? (size_t)(cr - p) + 2 : 0;
}

size_t resp_reply_fast(const char *p, size_t len)
{
    if (UNLIKELY(len < 4))
        return 0;
    if (LIKELY(*p == '$'))
        return fast_bulk(p, len);
    if (*p == ':')
        return fast_integer(p, len);
    if (*p == '+' && len >= 5 && memcmp(p, "+OK\r\n", 5) == 0)
        return 5;
    return *p == '+' || *p == '-' ? fast_line(p, len) : 0;
}
