/* client: hiredis with replies rendered as text, and raw sockets with deadlines. */
#include "client.h"

#include "testing.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

redisContext *client_try(int port)
{
    struct timeval limit = {.tv_sec = 5};
    redisContext *c = redisConnectWithTimeout("127.0.0.1", port, limit);
    if (!c || c->err) {
        redisFree(c);
        return NULL;
    }
    struct timeval reply_limit = {.tv_sec = (int)(30 * test_slack())};
    redisSetTimeout(c, reply_limit);
    return c;
}

redisContext *client_open(int port)
{
    redisContext *c = client_try(port);
    ck_assert_msg(c != NULL, "cannot connect to 127.0.0.1:%d", port);
    return c;
}

static void put_text(FILE *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)s[i];
        if (ch == '\r')
            fputs("\\r", out);
        else if (ch == '\n')
            fputs("\\n", out);
        else if (ch < 32 || ch > 126)
            fprintf(out, "\\x%02x", ch);
        else
            fputc(ch, out);
    }
}

static void put_reply(FILE *out, const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_STATUS:
        put_text(out, r->str, (size_t)r->len);
        break;
    case REDIS_REPLY_ERROR:
        fputc('-', out);
        put_text(out, r->str, (size_t)r->len);
        break;
    case REDIS_REPLY_INTEGER:
        fprintf(out, ":%lld", r->integer);
        break;
    case REDIS_REPLY_STRING:
        fputc('"', out);
        put_text(out, r->str, (size_t)r->len);
        fputc('"', out);
        break;
    case REDIS_REPLY_NIL:
        fputs("nil", out);
        break;
    case REDIS_REPLY_ARRAY:
        fputc('[', out);
        for (size_t i = 0; i < r->elements; i++) {
            if (i)
                fputs(", ", out);
            put_reply(out, r->element[i]);
        }
        fputc(']', out);
        break;
    default:
        fprintf(out, "<type %d>", r->type);
    }
}

char *render(const redisReply *reply)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    put_reply(out, reply);
    fclose(out);
    return text;
}

static const char *keep(char *text)
{
    static char *ring[16];
    static unsigned next;
    char **slot = &ring[next++ % 16];
    free(*slot);
    *slot = text;
    return text;
}

static const char *keep_reply(redisContext *c, redisReply *reply)
{
    if (!reply) {
        char text[200];
        snprintf(text, sizeof text, "closed (%s)", c->errstr);
        return keep(strdup(c->err == REDIS_ERR_EOF ? "closed" : text));
    }
    char *text = render(reply);
    freeReplyObject(reply);
    return keep(text);
}

const char *ask(redisContext *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    redisReply *reply = redisvCommand(c, fmt, ap);
    va_end(ap);
    return keep_reply(c, reply);
}

const char *ask_argv(redisContext *c, int argc, const char *const *argv, const size_t *lens)
{
    redisReply *reply = redisCommandArgv(c, argc, (const char **)argv, lens);
    return keep_reply(c, reply);
}

const char *ask_port(int port, const char *fmt, ...)
{
    redisContext *c = client_try(port);
    if (!c)
        return "closed";
    va_list ap;
    va_start(ap, fmt);
    redisReply *reply = redisvCommand(c, fmt, ap);
    va_end(ap);
    const char *text = keep_reply(c, reply);
    redisFree(c);
    return text;
}

bool text_matches(const char *text, const char *pattern)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

struct soon {
    redisContext *c;
    const char *want, *command, *got;
};

static bool has_come(void *arg)
{
    struct soon *soon = arg;
    soon->got = ask(soon->c, soon->command);
    return text_matches(soon->got, soon->want);
}

void expect_soon(redisContext *c, const char *want, const char *command)
{
    struct soon soon = {.c = c, .want = want, .command = command};
    ck_assert_msg(wait_until(has_come, &soon, 10000),
                  "%s\n  replied to the end %.600s\n  expected %s", command, soon.got, want);
}

int raw_open(int port, int rcvbuf)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (rcvbuf)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Wait for events until the deadline; false when it passed. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        if (left < 0)
            return false;
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, (int)left);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

bool raw_send(int fd, const void *data, size_t len, int timeout_ms)
{
    int64_t deadline = now_ms() + (int64_t)(timeout_ms * test_slack());
    const char *p = data;
    while (len > 0) {
        if (!wait_for(fd, POLLOUT, deadline))
            return false;
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

size_t raw_read(int fd, void *buf, size_t len, int timeout_ms)
{
    int64_t deadline = now_ms() + (int64_t)(timeout_ms * test_slack());
    size_t got = 0;
    while (got < len && wait_for(fd, POLLIN, deadline)) {
        ssize_t n = recv(fd, (char *)buf + got, len - got, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

bool raw_read_to_end(int fd, char *buf, size_t cap, int timeout_ms)
{
    int64_t deadline = now_ms() + (int64_t)(timeout_ms * test_slack());
    size_t kept = 0;
    char block[16384];
    for (;;) {
        buf[kept] = 0;
        if (!wait_for(fd, POLLIN, deadline))
            return false;
        ssize_t n = recv(fd, block, sizeof block, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return true;
        size_t take = (size_t)n < cap - 1 - kept ? (size_t)n : cap - 1 - kept;
        memcpy(buf + kept, block, take);
        kept += take;
    }
}
