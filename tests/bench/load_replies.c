/* load_replies: finds where replies end and checks the values in them. */
#include "bench/load.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { READ_SIZE = 256 * 1024 };

char first_error[128];

static void reply_done(struct conn *c)
{
    struct client *cl = c->client;
    if (c->done >= c->awaited)
        broken("a reply that nobody asked for");
    if (++c->parts < opt.shape->parts)
        return;
    c->parts = 0;
    c->done++;
    c->element = 0;
    counts.replies++;
    if (measuring)
        histogram[hist_index(turn_now - cl->started)]++;
    if (--cl->awaited == 0)
        client_start(cl);
}

static void element_done(struct conn *c)
{
    if (--c->pending == 0)
        reply_done(c);
}

static void note_error(const char *line, size_t len)
{
    counts.errors++;
    if (!first_error[0])
        snprintf(first_error, sizeof(first_error), "%.*s", (int)len, line);
}

/* Does this value begin with the digits of the key that it should answer? */
static void check_value(struct conn *c, const char *value, uint64_t len)
{
    if (c->done >= c->awaited || c->element >= digits)
        broken("more values than keys");
    const char *key = c->out + (size_t)c->done * text_len + digit[c->element];
    if (len != opt.size || memcmp(value, key, DIGITS))
        counts.mismatches++;
    c->element++;
}

static long long header_number(const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    long long n = 0;
    p += negative;
    if (p == end)
        broken("malformed length");
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            broken("malformed length");
        n = n * 10 + (*p - '0');
    }
    return negative ? -n : n;
}

/* Takes a bulk header of `head` bytes and what is at hand of its value. 0 if more is needed. */
static size_t take_bulk(struct conn *c, const char *p, size_t head, size_t avail)
{
    long long len = header_number(p + 1, p + head - 2);
    if (len == -1) {
        counts.nils++;
        c->element++;
        element_done(c);
        return head;
    }
    if (len < 0)
        broken("malformed length");
    if (opt.shape->values && len >= DIGITS) {
        if (avail < head + DIGITS)
            return 0;
        check_value(c, p + head, (uint64_t)len);
    }
    c->skip = (uint64_t)len;
    c->part = PART_BODY;
    return head;
}

/* Takes one header line, or 0 if it is not complete. */
static size_t take_header(struct conn *c, const char *p, size_t avail)
{
    const char *lf = memchr(p, '\n', avail);
    if (!lf) {
        if (avail >= CARRY - DIGITS)
            broken("line too long");
        return 0;
    }
    size_t head = (size_t)(lf - p) + 1;
    if (head < 3 || lf[-1] != '\r')
        broken("malformed line");
    if (c->pending == 0)
        c->pending = 1;
    if (*p == '$')
        return take_bulk(c, p, head, avail);
    if (*p == '*') {
        long long n = header_number(p + 1, lf - 1);
        c->pending += n > 0 ? (uint64_t)n : 0;
    } else if (*p == '-') {
        note_error(p, head - 2);
    } else if (*p != '+' && *p != ':') {
        broken("unknown reply type");
    }
    element_done(c);
    return head;
}

/* Takes one step through the bytes at p. Returns how many it used; 0: needs more. */
static size_t take(struct conn *c, const char *p, size_t avail)
{
    if (c->part == PART_TYPE)
        return take_header(c, p, avail);
    if (c->part == PART_BODY && c->skip) {
        size_t n = c->skip < avail ? (size_t)c->skip : avail;
        c->skip -= n;
        if (c->skip == 0)
            c->part = PART_CRLF;
        return n;
    }
    if (avail < 2)
        return 0;
    if (p[0] != '\r' || p[1] != '\n')
        broken("value without its line end");
    c->part = PART_TYPE;
    element_done(c);
    return 2;
}

void conn_read(struct conn *c)
{
    static char *read_buf;
    if (!read_buf)
        read_buf = must_alloc(1, READ_SIZE + CARRY);
    memcpy(read_buf, c->carry, c->carried);
    ssize_t n = recv(c->fd, read_buf + c->carried, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        n ? fail("recv") : broken("connection closed by the server");
    size_t avail = c->carried + (size_t)n, at = 0, used;
    c->carried = 0; /* a reply may start the next batch on this connection */
    while (at < avail && (used = take(c, read_buf + at, avail - at)) > 0)
        at += used;
    if (avail - at > CARRY)
        broken("line too long");
    c->carried = avail - at;
    memcpy(c->carry, read_buf + at, c->carried);
}
