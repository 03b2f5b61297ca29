/* wire: reads RESP2 and RESP3 element by element and renders them with their types. */
#include "support/wire.h"

#include "support/client.h"
#include "support/testing.h"
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct wire {
    int fd;
    size_t len, cap, pos; /* of buf: received, allocated, taken */
    char *buf;
};

struct wire *wire_open(int port)
{
    struct wire *w = calloc(1, sizeof *w);
    w->fd = raw_open(port, 0);
    ck_assert_msg(w->fd >= 0, "cannot connect to 127.0.0.1:%d", port);
    return w;
}

void wire_close(struct wire *w)
{
    close(w->fd);
    free(w->buf);
    free(w);
}

/* --- sending --- */

void wire_send_argv(struct wire *w, int argc, const char *const *argv, const size_t *lens)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        fprintf(out, "$%zu\r\n", lens[i]);
        fwrite(argv[i], 1, lens[i], out);
        fputs("\r\n", out);
    }
    fclose(out);
    /* a peer that has closed shows when it is read from */
    raw_send(w->fd, text, size, (int)(30000 * test_slack()));
    free(text);
}

void wire_send(struct wire *w, const char *command)
{
    const char *argv[64];
    size_t lens[64];
    int argc = 0;
    for (const char *p = command + strspn(command, " "); *p && argc < 64; p += strspn(p, " ")) {
        argv[argc] = p;
        lens[argc] = strcspn(p, " ");
        p += lens[argc++];
    }
    wire_send_argv(w, argc, argv, lens);
}

/* --- receiving --- */

bool wire_is_silent(struct wire *w, int ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    return w->pos == w->len && poll(&p, 1, ms) == 0;
}

/* More bytes; false if the connection has ended. */
static bool wire_receive(struct wire *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    if (w->pos == w->len)
        w->pos = w->len = 0;
    if (w->cap - w->len < 65536)
        w->buf = realloc(w->buf, w->cap = w->cap * 2 + 65536);
    ck_assert_msg(poll(&p, 1, (int)(30000 * test_slack())) == 1, "no reply within 30 s");
    ssize_t n = read(w->fd, w->buf + w->len, w->cap - w->len);
    if (n > 0)
        w->len += (size_t)n;
    return n > 0;
}

/* Is so much there? Receives it. */
static bool wire_need(struct wire *w, size_t len)
{
    while (w->len - w->pos < len)
        if (!wire_receive(w))
            return false;
    return true;
}

/* A line without its end; NULL if the connection ended. Lives until the next call. */
static char *wire_line(struct wire *w)
{
    for (size_t seen = 0;;) {
        char *end = w->len - w->pos > seen
                        ? memchr(w->buf + w->pos + seen, '\n', w->len - w->pos - seen)
                        : NULL;
        if (end) {
            char *line = w->buf + w->pos;
            ck_assert_msg(end > line && end[-1] == '\r', "a line without CR");
            end[-1] = '\0';
            w->pos += (size_t)(end - line) + 1;
            return line;
        }
        seen = w->len - w->pos;
        if (!wire_receive(w))
            return NULL;
    }
}

static void wire_put_text(FILE *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)s[i];
        if (ch < 32 || ch > 126 || ch == '\\')
            fprintf(out, ch == '\r' ? "\\r" : ch == '\n' ? "\\n" : "\\x%02x", ch);
        else
            fputc(ch, out);
    }
}

static bool wire_put(struct wire *w, FILE *out, enum wire_view view);

static int wire_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* n elements, each with its value if they are pairs. */
static bool wire_put_elements(struct wire *w, FILE *out, long long n, bool pairs,
                              enum wire_view view)
{
    char **parts = calloc((size_t)n + 1, sizeof *parts);
    bool good = true;
    enum wire_view inner = view == WIRE_SORTED ? WIRE_EXACT : view;
    for (long long i = 0; i < n && good; i++) {
        size_t size;
        FILE *part = open_memstream(&parts[i], &size);
        good = wire_put(w, part, inner);
        if (pairs && good) {
            fputs(": ", part);
            good = wire_put(w, part, inner);
        }
        fclose(part);
    }
    if (view == WIRE_SORTED && good)
        qsort(parts, (size_t)n, sizeof *parts, wire_compare);
    for (long long i = 0; i < n && good; i++)
        if (view != WIRE_SHAPE || i == 0 || strcmp(parts[i], parts[i - 1]) != 0)
            fprintf(out, "%s%s", i ? ", " : "", parts[i]);
    for (long long i = 0; i < n; i++)
        free(parts[i]);
    free(parts);
    return good;
}

static bool wire_put_aggregate(struct wire *w, FILE *out, char type, long long n,
                               enum wire_view view)
{
    bool pairs = type == '%' || type == '|';
    if (n < 0) {
        fprintf(out, "%cnil", type);
        return true;
    }
    fprintf(out, "%c%c", type, pairs ? '{' : '[');
    if (!wire_put_elements(w, out, n, pairs, view))
        return false;
    fputc(pairs ? '}' : ']', out);
    if (type != '|')
        return true;
    fputc(' ', out);
    return wire_put(w, out, view);
}

static bool wire_put_bulk(struct wire *w, FILE *out, char type, long long n, enum wire_view view)
{
    if (n < 0) {
        fprintf(out, "%cnil", type);
        return true;
    }
    if (!wire_need(w, (size_t)n + 2))
        return false;
    fputc(type, out);
    if (view != WIRE_SHAPE) {
        fputc('"', out);
        wire_put_text(out, w->buf + w->pos, (size_t)n);
        fputc('"', out);
    }
    w->pos += (size_t)n + 2;
    return true;
}

/* One element. False: the connection ended. */
static bool wire_put(struct wire *w, FILE *out, enum wire_view view)
{
    const char *line = wire_line(w);
    if (!line)
        return false;
    char type = *line++;
    switch (type) {
    case '$':
    case '=':
    case '!':
        return wire_put_bulk(w, out, type, atoll(line), view);
    case '*':
    case '~':
    case '%':
    case '>':
    case '|':
        return wire_put_aggregate(w, out, type, atoll(line), view);
    case '+':
    case '-':
    case ':':
    case ',':
    case '#':
    case '(':
    case '_':
        fputc(type, out);
        if (view != WIRE_SHAPE || type == '-')
            wire_put_text(out, line, strlen(line));
        return true;
    default:
        ck_abort_msg("not RESP: %c%.100s", type, line);
    }
}

char *wire_read(struct wire *w, enum wire_view view)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool good = wire_put(w, out, view);
    fclose(out);
    if (good)
        return text;
    free(text);
    return strdup("closed");
}

const char *wire_next(struct wire *w)
{
    static char *ring[16];
    static unsigned next;
    char **slot = &ring[next++ % 16];
    free(*slot);
    return *slot = wire_read(w, WIRE_EXACT);
}

const char *wire_ask(struct wire *w, const char *command)
{
    wire_send(w, command);
    return wire_next(w);
}
