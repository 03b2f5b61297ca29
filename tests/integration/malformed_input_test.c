/* malformed input: slotway answers and closes as a plain redis-server does, at once, and nobody
 * else notices. The redis-server that runs beside it says what is right. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_TEXT 4096

struct bytes {
    char *data;
    size_t len;
    const char *name;
};

static struct bytes text(const char *s)
{
    return (struct bytes){(char *)s, strlen(s), s};
}

static struct bytes filled(const char *name, const char *head, char fill, size_t count,
                           const char *tail)
{
    struct bytes b = {malloc(strlen(head) + count + strlen(tail)), 0, name};
    memcpy(b.data, head, b.len = strlen(head));
    memset(b.data + b.len, fill, count);
    b.len += count;
    memcpy(b.data + b.len, tail, strlen(tail));
    b.len += strlen(tail);
    return b;
}

static struct bytes repeated(const char *name, const char *unit, int count)
{
    struct bytes b = {malloc(strlen(unit) * (size_t)count), strlen(unit) * (size_t)count, name};
    for (int i = 0; i < count; i++)
        memcpy(b.data + (size_t)i * strlen(unit), unit, strlen(unit));
    return b;
}

static struct bytes garbage(uint64_t seed, size_t len)
{
    struct bytes b = {malloc(len), len, "garbage"};
    for (size_t i = 0; i < len; i++)
        b.data[i] = (char)random_next(&seed);
    return b;
}

static const char *const short_cases[] = {
    "*3\r\n$3\r\nSET\r\n$-5\r\nabc\r\n",
    "*3\r\n$3\r\nSET\r\n$abc\r\n",
    "*3\r\n$3\r\nSET\r\n$536870913\r\n",
    "*3\r\n$3\r\nSET\r\n$99999999999999999999\r\n",
    "*3\r\n$3\r\nSET\r\n$9223372036854775807\r\n",
    "*3\r\n$3\r\nSET\r\n$\r\n",
    "*3\r\n$3\r\nSET\r\n$ 3\r\nfoo\r\n",
    "*3\r\n$3\r\nSET\r\n$+3\r\nfoo\r\n",
    "*3\r\n$3\r\nSET\r\n$03\r\nfoo\r\n",
    "*3\r\n$3\r\nSET\r\n:3\r\n",
    "*3\r\n$3\r\nSET\r\n*1\r\n$1\r\na\r\n",
    "*3\r\n$3\r\nSET\r\n!5\r\nhello\r\n",
    "*1048577\r\n",
    "*2147483648\r\n",
    "*-2147483649\r\n",
    "*99999999999999999999\r\n",
    "*abc\r\n",
    "*1a\r\n",
    "*\r\n",
    "* 1\r\n$4\r\nPING\r\n",
    "*0\r\n*1\r\n$4\r\nPING\r\n",
    "*-1\r\n*1\r\n$4\r\nPING\r\n",
    "*1\r\nPING\r\n",
    "*1\r\n$0\r\n\r\n",
    "!5\r\n",
    "+OK\r\n",
    "-ERR\r\n",
    ":1\r\n",
    "$3\r\nfoo\r\n",
    "%1\r\n",
    "\r\n\r\nPING\r\n",
    "\n",
    "PING\n",
    "  PING  \r\n",
    "SET \"a b\" 'c d'\r\n",
    "GET \"unbalanced\r\n",
    "GET 'unbalanced\r\n",
    "GET \"a\"b\r\n",
    "ECHO \"\\x41\\n\\t\"\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "Host: x\r\n",
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03\r\n",
    "NOSUCH a b c\r\n",
    "*2\r\n$6\r\nNOSUCH\r\n$4\r\na\r\nb\r\n",
    "*1\r\n$3\r\nGET\r\n",
    "*4\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
};
#define SHORT_CASES (sizeof short_cases / sizeof *short_cases)

static int oracle; /* port of the plain redis-server */
static int bystander_fd;

/* What a server answers and whether it closes. Waits until the expected text and end are there (if
 * given), or until nothing more comes for a moment. */
struct outcome {
    char text[MAX_TEXT];
    size_t len;
    bool closed;
    int64_t ms;
};

static struct outcome *talk(int port, const struct bytes *in, const struct outcome *until)
{
    struct outcome *o = calloc(1, sizeof *o);
    int fd = raw_open(port, 0);
    ck_assert_int_ge(fd, 0);
    int64_t start = now_ms(), limit = (int64_t)(until ? 1500 * test_slack() : 1500);
    size_t sent = 0;
    int64_t quiet_since = start;
    while (!o->closed && now_ms() - start < limit) {
        if (until && until->closed == false && o->len >= until->len && sent == in->len &&
            now_ms() - quiet_since > 15)
            break;
        if (!until && sent == in->len && now_ms() - quiet_since > 60)
            break;
        struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (sent < in->len ? POLLOUT : 0))};
        if (poll(&p, 1, 10) <= 0)
            continue;
        if (p.revents & POLLOUT) {
            ssize_t n = send(fd, in->data + sent, in->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0)
                sent += (size_t)n;
            quiet_since = now_ms();
        }
        if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
            char block[4096];
            ssize_t n = recv(fd, block, sizeof block, MSG_DONTWAIT);
            size_t room = sizeof o->text - 1 - o->len;
            if (n > 0)
                memcpy(o->text + o->len, block, (size_t)n < room ? (size_t)n : room);
            if (n > 0)
                o->len += (size_t)n < room ? (size_t)n : room;
            else
                o->closed = true;
            quiet_since = now_ms();
        }
    }
    o->ms = now_ms() - start;
    close(fd);
    return o;
}

static void same_as_redis(const struct bytes *in)
{
    struct outcome *want = talk(oracle, in, NULL);
    struct outcome *got = talk(proxy->port, in, want);
    char shown[120];
    snprintf(shown, sizeof shown, "%.100s", in->name);
    for (char *p = shown; *p; p++)
        if (*p == '\r' || *p == '\n')
            *p = '~';
    ck_assert_msg(got->closed == want->closed, "%s: redis %s, slotway %s; it said: %.200s", shown,
                  want->closed ? "closes" : "goes on", got->closed ? "closes" : "goes on",
                  got->text);
    /* With unread input in its socket a close is a reset, which may overtake the text. */
    bool overtaken = in->len > 16384 && (got->len == 0 || want->len == 0);
    ck_assert_msg(overtaken ||
                      (got->len == want->len && memcmp(got->text, want->text, got->len) == 0),
                  "%s\n redis:   %.300s\n slotway: %.300s", shown, want->text, got->text);
    free(want);
    free(got);
}

/* Somebody else's connection, which must go on as if nothing had happened. */
static void bystander_is_well(void)
{
    static int n;
    char command[100], want[40], got[40];
    int len = snprintf(command, sizeof command, "SET bystander:%d %d\r\nGET bystander:%d\r\n", n, n,
                       n);
    int want_len = snprintf(want, sizeof want, "+OK\r\n$%d\r\n%d\r\n", snprintf(NULL, 0, "%d", n),
                            n);
    n++;
    ck_assert(raw_send(bystander_fd, command, (size_t)len, 2000));
    ck_assert_int_eq(raw_read(bystander_fd, got, (size_t)want_len, 2000), want_len);
    ck_assert(memcmp(got, want, (size_t)want_len) == 0);
}

/* Ids of the clients of a node, as text. */
static char *client_ids(int port)
{
    const char *list = ask_port(port, "CLIENT LIST TYPE normal");
    char *ids = calloc(1, strlen(list) + 2);
    for (const char *p = list; (p = strstr(p, "id=")); p += 3)
        if (p == list + 1 || p[-1] == 'n' || p[-1] == '"')
            snprintf(ids + strlen(ids), 16, "%d,", atoi(p + 3));
    return ids;
}

static char *before_ids[16];

static void begin(void)
{
    oracle = plain_redis_start(NULL);
    bystander_fd = raw_open(proxy->port, 0);
    for (int i = 0; i < 8; i++)
        bystander_is_well();
    for (int i = 0; i < 3; i++)
        before_ids[i] = client_ids(cluster_master(cluster, i));
}

/* The connections that slotway had to the masters are still the same. */
static void end(void)
{
    bystander_is_well();
    ck_assert(proxy_alive(proxy));
    for (int i = 0; i < 3; i++) {
        char *now = client_ids(cluster_master(cluster, i)), *save;
        for (char *id = strtok_r(before_ids[i], ",", &save); id; id = strtok_r(NULL, ",", &save)) {
            char with_comma[20], *found = NULL;
            snprintf(with_comma, sizeof with_comma, "%s,", id);
            found = strstr(now, with_comma);
            /* The first one is our own question of before, over by now. */
            if (!found && save && *save)
                ck_abort_msg("master %d: slotway's connection %s was replaced", i, id);
        }
        free(now);
    }
}

START_TEST(short_malformed_input)
{
    begin();
    for (size_t i = 0; i < SHORT_CASES; i++) {
        struct bytes in = text(short_cases[i]);
        same_as_redis(&in);
        bystander_is_well();
    }
    end();
}
END_TEST

/* Redis skips two bytes after an argument without looking at them. What is passed on must be well
 * formed, so slotway looks, says what is wrong and closes. */
START_TEST(argument_without_its_crlf)
{
    static const char *const cases[] = {
        "*2\r\n$3\r\nGET\r\n$3\r\nfoobar\r\n", "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
        "*2\r\n$3\r\nGET\n$3\r\nfoo\r\n", "*2\r\n$3\r\nGET\r\n$3\r\nfoo\n\n"};
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[200];
        int fd = raw_open(proxy->port, 0);
        ck_assert(raw_send(fd, cases[i], strlen(cases[i]), 1000));
        ck_assert_msg(raw_read_to_end(fd, got, sizeof got, 1500), "not closed: %s", cases[i]);
        ck_assert_msg(strncmp(got, "-ERR Protocol error: ", 21) == 0, "%s", got);
        close(fd);
        bystander_is_well();
    }
    end();
}
END_TEST

START_TEST(long_malformed_input)
{
    begin();
    struct bytes cases[] = {
        filled("command name of 5,000 bytes", "*1\r\n$5000\r\n", 'x', 5000, "\r\n"),
        filled("inline name of 5,000 bytes", "", 'x', 5000, "\r\n"),
        filled("70 KB inline without newline", "", 'x', 70000, ""),
        filled("70 KB of array length", "*", '1', 70000, ""),
        filled("70 KB of bulk length", "*1\r\n$", '1', 70000, ""),
        filled("64 KB inline argument", "ECHO ", 'x', 60000, "\r\n"),
        filled("newlines", "", '\n', 50000, "PING\r\n"),
        filled("NULs", "", 0, 3000, "\r\n"),
        repeated("deep nesting", "*1\r\n", 10000),
        repeated("empty arrays", "*0\r\n", 10000),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        same_as_redis(&cases[i]);
        bystander_is_well();
    }
    end();
}
END_TEST

START_TEST(binary_garbage)
{
    begin();
    uint64_t seed = test_seed();
    int rounds = test_full() ? 300 : 40;
    for (int i = 0; i < rounds; i++) {
        uint64_t r = random_next(&seed);
        struct bytes in = garbage(r, 1 + r % 3000);
        /* An inline request is text up to a NUL for Redis 7.0's splitter; that detail is not
         * promised, so only lines without NUL are compared. */
        for (size_t k = 0; k < in.len; k++)
            if (in.data[k] == 0)
                in.data[k] = 'x';
        same_as_redis(&in);
        free(in.data);
        bystander_is_well();
    }
    end();
}
END_TEST

/* Each case cut at each byte, and the client gone. */
START_TEST(cut_at_each_byte)
{
    begin();
    for (size_t i = 0; i < SHORT_CASES; i++) {
        size_t len = strlen(short_cases[i]);
        for (size_t cut = 1; cut < len; cut++) {
            int fd = raw_open(proxy->port, 0);
            ck_assert_int_ge(fd, 0);
            raw_send(fd, short_cases[i], cut, 1000);
            if (cut % 2) /* half of them with a reset */
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
                           sizeof(struct linger));
            close(fd);
        }
        bystander_is_well();
    }
    end();
}
END_TEST

/* A request that is announced large and never comes must not cost what it announces. */
START_TEST(no_memory_by_announced_length)
{
    begin();
    int64_t before = proxy_memory(proxy);
    enum { N = 100 };
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = raw_open(proxy->port, 0);
        static const char *const heads[] = {"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000000\r\nabc",
                                            "*1048576\r\n$3\r\nDEL\r\n$1\r\na\r\n",
                                            "*1048576\r\n$400000000\r\nabc"};
        const char *head = heads[i % 3];
        ck_assert(raw_send(fds[i], head, strlen(head), 1000));
    }
    bystander_is_well();
    double grown = (double)(proxy_memory(proxy) - before) / (1 << 20);
    report_figure("growth for 100 announced requests of 0.5 GB", grown, 16, "MiB");
    for (int i = 0; i < N; i++)
        close(fds[i]);
    end();
}
END_TEST

START_TEST(array_of_a_million_elements)
{
    begin();
    struct bytes in = {malloc((size_t)1 << 24), 0, "array of 1M elements"};
    in.len = (size_t)sprintf(in.data, "*1048576\r\n$6\r\nEXISTS\r\n");
    for (int i = 1; i < 1048576; i++) {
        memcpy(in.data + in.len, "$1\r\na\r\n", 7);
        in.len += 7;
    }
    struct bytes then = text("PING\r\n");
    int fd = raw_open(proxy->port, 0);
    ck_assert(raw_send(fd, in.data, in.len, 20000));
    ck_assert(raw_send(fd, then.data, then.len, 20000));
    char got[64] = "";
    size_t n = raw_read(fd, got, strlen(":0\r\n+PONG\r\n"), 20000);
    got[n] = 0;
    ck_assert_str_eq(got, ":0\r\n+PONG\r\n");
    close(fd);
    end();
}
END_TEST

static void check_stream(const char *data, size_t len, size_t (*piece)(uint64_t *),
                         const char *want)
{
    uint64_t seed = test_seed();
    int fd = raw_open(proxy->port, 0);
    for (size_t at = 0; at < len;) {
        size_t n = piece(&seed);
        if (n > len - at)
            n = len - at;
        ck_assert(raw_send(fd, data + at, n, 5000));
        at += n;
    }
    size_t want_len = strlen(want);
    char *got = calloc(1, want_len + 1);
    ck_assert_int_eq(raw_read(fd, got, want_len, 10000), want_len);
    ck_assert_str_eq(got, want);
    free(got);
    close(fd);
}

static size_t one_byte(uint64_t *seed)
{
    (void)seed;
    return 1;
}

static size_t random_piece(uint64_t *seed)
{
    return 1 + random_next(seed) % 40;
}

START_TEST(valid_pipelines_in_small_segments)
{
    begin();
    struct {
        char *text;
        size_t size;
        FILE *f;
    } in = {0}, out = {0};
    in.f = open_memstream(&in.text, &in.size);
    out.f = open_memstream(&out.text, &out.size);
    for (int i = 0; i < 60; i++) {
        fprintf(in.f, "*3\r\n$3\r\nSET\r\n$4\r\np:%02d\r\n$6\r\nval\r\n%d\r\n", i, i % 10);
        fprintf(out.f, "+OK\r\n");
        fprintf(in.f, "get p:%02d\r\n*1\r\n$4\r\nPING\r\n", i);
        fprintf(out.f, "$6\r\nval\r\n%d\r\n+PONG\r\n", i % 10);
        fprintf(in.f, "\r\n*0\r\n*3\r\n$4\r\nMGET\r\n$4\r\np:%02d\r\n$4\r\nnone\r\n", i);
        fprintf(out.f, "*2\r\n$6\r\nval\r\n%d\r\n$-1\r\n", i % 10);
    }
    fclose(in.f);
    fclose(out.f);
    check_stream(in.text, in.size, one_byte, out.text);
    for (int i = 0; i < 20; i++)
        check_stream(in.text, in.size, random_piece, out.text);
    end();
}
END_TEST

FIXTURE_SUITE("malformed input", 60, NULL, short_malformed_input, argument_without_its_crlf,
              long_malformed_input, binary_garbage, cut_at_each_byte, no_memory_by_announced_length,
              array_of_a_million_elements, valid_pipelines_in_small_segments)
