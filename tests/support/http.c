/* http: a small HTTP client for tests of the statistics page. */
#include "support/http.h"
#include "support/client.h"
#include "support/testing.h"
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 20000 /* ms */
#define MOST     (8 * 1024 * 1024)

static int open_from(const char *from, const char *to, int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    if (from) {
        inet_pton(AF_INET, from, &sa.sin_addr);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    }
    inet_pton(AF_INET, to ? to : "127.0.0.1", &sa.sin_addr);
    sa.sin_port = htons((uint16_t)port);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

/* Take the chunks' lengths out. */
static void join_chunks(struct http_answer *a)
{
    char *out = a->body, *p = a->body, *end = a->body + a->len;
    while (p < end) {
        size_t n = strtoul(p, &p, 16);
        p += 2;
        if (n == 0 || p + n > end)
            break;
        memmove(out, p, n);
        out += n;
        p += n + 2;
    }
    a->len = (size_t)(out - a->body);
    *out = '\0';
}

struct http_answer http_ask_from(const char *from, const char *to, int port, const char *request,
                                 const char *headers, const char *body)
{
    struct http_answer a = {0};
    int fd = open_from(from, to, port);
    size_t cap = strlen(request) + (headers ? strlen(headers) : 0) + (body ? strlen(body) : 0) +
                 200;
    char *text = malloc(cap), *all = malloc(MOST);
    int len = snprintf(text, cap, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s",
                       request, headers ? headers : "");
    if (body)
        len += snprintf(
            text + len, cap - (size_t)len,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n",
            strlen(body));
    len += snprintf(text + len, cap - (size_t)len, "\r\n%s", body ? body : "");
    raw_send(fd, text, (size_t)len, PATIENCE);
    size_t got = raw_read(fd, all, MOST - 1, PATIENCE);
    all[got] = '\0';
    close(fd);
    free(text);
    char *gap = strstr(all, "\r\n\r\n");
    if (gap && sscanf(all, "HTTP/1.1 %d", &a.status) == 1) {
        gap[2] = '\0';
        a.head = all;
        a.body = gap + 4;
        a.len = got - (size_t)(a.body - all);
        if (strcasestr(a.head, "Transfer-Encoding: chunked"))
            join_chunks(&a);
        return a;
    }
    a.head = a.body = all;
    all[0] = '\0';
    return a;
}

struct http_answer http_ask(int port, const char *request, const char *headers, const char *body)
{
    return http_ask_from(NULL, NULL, port, request, headers, body);
}

void http_free(struct http_answer *answer)
{
    free(answer->head);
}

int http_status(int port, const char *request, const char *headers, const char *body)
{
    struct http_answer a = http_ask(port, request, headers, body);
    http_free(&a);
    return a.status;
}

json_t *http_stats(int port)
{
    json_error_t error;
    struct http_answer a = http_ask(port, "GET /stats.json", HTTP_ADMIN, NULL);
    ck_assert_int_eq(a.status, 200);
    json_t *o = json_loadb(a.body, a.len, 0, &error);
    ck_assert_msg(o != NULL, "%s", error.text);
    http_free(&a);
    return o;
}

json_t *http_at(json_t *o, const char *path)
{
    char name[64];
    for (const char *p = path; *p; p += strcspn(p, "."), p += *p == '.') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "."), p);
        o = json_object_get(o, name);
        ck_assert_msg(o != NULL, "there is no %s", path);
    }
    return o;
}
