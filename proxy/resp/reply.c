/* reply: writes elements of replies into a queue, reads elements of replies in memory.
 * Facts: RESP2 and RESP3 as in the protocol specification at redis.io. */
#define _GNU_SOURCE
#include "resp/reply.h"
#include "resp/resp.h"
#include <stdio.h>
#include <stdlib.h>

/* The longest header: a type, a 64-bit number, a line end. */
#define REPLY_HEADER_MAX 32

static void reply_number(struct reply *r, char type, int64_t n)
{
    char *p = bufq_reserve(r->pool, r->q, REPLY_HEADER_MAX);
    bufq_commit(r->q, (size_t)sprintf(p, "%c%lld\r\n", type, (long long)n));
}

static void reply_line(struct reply *r, char type, const char *text)
{
    size_t len = strlen(text);
    char *p = bufq_reserve(r->pool, r->q, len + 3);
    p[0] = type;
    memcpy(p + 1, text, len);
    memcpy(p + 1 + len, "\r\n", 2);
    bufq_commit(r->q, len + 3);
}

void reply_status(struct reply *r, const char *text)
{
    reply_line(r, '+', text);
}

/* A line end inside of a line would tear the reply. */
static void reply_blank_line_ends(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
}

void reply_error(struct reply *r, const char *text)
{
    size_t len = strlen(text);
    reply_line(r, '-', text);
    reply_blank_line_ends(r->q->tail->data + r->q->tail->len - len - 2, len);
}

size_t reply_error_linev(char *out, size_t cap, const char *format, va_list ap)
{
    size_t room = cap -
                  3; /* between "-" and the line end, whose place is vsnprintf's NUL at first */
    int wanted = vsnprintf(out + 1, room + 1, format, ap);
    size_t len = wanted < 0 ? 0 : (size_t)wanted < room ? (size_t)wanted : room;
    *out = '-';
    reply_blank_line_ends(out + 1, len);
    memcpy(out + 1 + len, "\r\n", 2);
    return len + 3;
}

size_t reply_error_line(char *out, size_t cap, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    size_t len = reply_error_linev(out, cap, format, ap);
    va_end(ap);
    return len;
}

void reply_int(struct reply *r, int64_t value)
{
    reply_number(r, ':', value);
}

void reply_bulk(struct reply *r, const void *data, size_t len)
{
    reply_number(r, '$', (int64_t)len);
    char *p = bufq_reserve(r->pool, r->q, len + 2);
    if (len)
        memcpy(p, data, len);
    memcpy(p + len, "\r\n", 2);
    bufq_commit(r->q, len + 2);
}

void reply_bulk_string(struct reply *r, const char *text)
{
    reply_bulk(r, text, strlen(text));
}

void reply_bulkf(struct reply *r, const char *format, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, format);
    int len = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (len < 0)
        len = 0;
    if (len >= (int)sizeof text)
        len = (int)sizeof text - 1;
    reply_bulk(r, text, (size_t)len);
}

void reply_text(struct reply *r, const char *data, size_t len)
{
    if (r->protocol < 3) {
        reply_bulk(r, data, len);
        return;
    }
    reply_number(r, '=', (int64_t)len + 4);
    char *p = bufq_reserve(r->pool, r->q, len + 6);
    memcpy(p, "txt:", 4);
    if (len)
        memcpy(p + 4, data, len);
    memcpy(p + 4 + len, "\r\n", 2);
    bufq_commit(r->q, len + 6);
}

void reply_null(struct reply *r)
{
    const char *text = r->protocol < 3 ? "$-1\r\n" : "_\r\n";
    bufq_append(r->pool, r->q, text, strlen(text));
}

void reply_null_array(struct reply *r)
{
    const char *text = r->protocol < 3 ? "*-1\r\n" : "_\r\n";
    bufq_append(r->pool, r->q, text, strlen(text));
}

void reply_array(struct reply *r, size_t n)
{
    reply_number(r, '*', (int64_t)n);
}

void reply_push(struct reply *r, size_t n)
{
    reply_number(r, r->protocol < 3 ? '*' : '>', (int64_t)n);
}

void reply_set(struct reply *r, size_t n)
{
    reply_number(r, r->protocol < 3 ? '*' : '~', (int64_t)n);
}

void reply_map(struct reply *r, size_t n)
{
    if (r->protocol < 3)
        reply_number(r, '*', (int64_t)(2 * n));
    else
        reply_number(r, '%', (int64_t)n);
}

void reply_lines(struct reply *r, const char *const *lines, size_t n)
{
    reply_array(r, n);
    for (size_t i = 0; i < n; i++)
        reply_status(r, lines[i]);
}

/* The words of Redis before 6.0, and since then. */
bool reply_needs_no_auth(const char *line, size_t len)
{
    static const char before[] = "no password is set", since[] = "without any password configured";
    return memmem(line, len, before, sizeof before - 1) ||
           memmem(line, len, since, sizeof since - 1);
}

/* --- reading --- */

/* A line without its end; false if its end is not there. */
static bool reply_take_line(struct reply_reader *reader, const char **line, size_t *len)
{
    size_t left = (size_t)(reader->end - reader->p);
    const char *end = left ? memchr(reader->p, '\r', left) : NULL;
    if (!end || end + 1 >= reader->end || end[1] != '\n')
        return false;
    *line = reader->p;
    *len = (size_t)(end - reader->p);
    reader->p = end + 2;
    return true;
}

/* The body of a bulk whose length is value->n. */
static bool reply_take_bulk(struct reply_reader *reader, struct reply_value *value)
{
    if (value->n == -1) {
        value->null = true;
        value->data = NULL;
        value->len = 0;
        return true;
    }
    size_t left = (size_t)(reader->end - reader->p);
    if (value->n < 0 || left < 2 || (uint64_t)value->n > left - 2)
        return false;
    value->data = reader->p;
    value->len = (size_t)value->n;
    if (reader->p[value->len] != '\r' || reader->p[value->len + 1] != '\n')
        return false;
    reader->p += value->len + 2;
    return true;
}

static bool reply_count_elements(struct reply_value *value)
{
    if (value->n == -1) {
        value->null = true;
        value->n = 0;
    }
    if (value->n < 0 || value->n > INT64_MAX / 2)
        return false;
    if (value->type == '%')
        value->n *= 2;
    return true;
}

/* "txt:…": what follows the mark of its format. */
static bool reply_take_verbatim(struct reply_reader *reader, struct reply_value *value)
{
    if (!reply_take_bulk(reader, value) || value->len < 4)
        return false;
    value->data += 4;
    value->len -= 4;
    return true;
}

bool reply_read(struct reply_reader *reader, struct reply_value *value)
{
    memset(value, 0, sizeof *value);
    if (reader->p >= reader->end)
        return false;
    value->type = *reader->p++;
    if (!reply_take_line(reader, &value->data, &value->len))
        return false;
    switch (value->type) {
    case '+':
    case '-':
    case ',':
    case '#':
    case '(':
        return true;
    case '_':
        value->null = true;
        return true;
    case ':':
        return resp_parse_int(value->data, value->len, &value->n);
    case '=':
        return resp_parse_int(value->data, value->len, &value->n) &&
               reply_take_verbatim(reader, value);
    case '$':
    case '!':
        return resp_parse_int(value->data, value->len, &value->n) && reply_take_bulk(reader, value);
    case '*':
    case '%':
    case '~':
    case '>':
        return resp_parse_int(value->data, value->len, &value->n) && reply_count_elements(value);
    default:
        return false;
    }
}

static bool reply_is_aggregate(char type)
{
    return type == '*' || type == '%' || type == '~' || type == '>';
}

bool reply_skip(struct reply_reader *reader)
{
    uint64_t pending = 1;
    while (pending > 0) {
        struct reply_value value;
        if (!reply_read(reader, &value))
            return false;
        pending--;
        /* Each element takes at least one byte, so more than are left can not be there. */
        if (reply_is_aggregate(value.type)) {
            if ((uint64_t)value.n > (uint64_t)(reader->end - reader->p))
                return false;
            pending += (uint64_t)value.n;
        }
    }
    return true;
}
