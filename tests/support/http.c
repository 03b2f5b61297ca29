/* http: a small HTTP client for tests of the statistics page. */
#include "support/http.h"
#include "support/client.h"
#include "support/testing.h"
#include <arpa/inet.h>
#include <string.h>
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

struct http_answer http_ask_from(const char *from, const char *to, int port, const char *request,
                                 const char *headers, const char *body)
{
    int fd = open_from(from, to, port);
    char *text = http_print(request, headers, body), *all = malloc(MOST);
    raw_send(fd, text, strlen(text), PATIENCE);
    size_t got = raw_read(fd, all, MOST - 1, PATIENCE);
    all[got] = '\0';
    close(fd);
    free(text);
    return http_parse(all, got);
}

struct http_answer http_ask(int port, const char *request, const char *headers, const char *body)
{
    return http_ask_from(NULL, NULL, port, request, headers, body);
}

int http_status(int port, const char *request, const char *headers, const char *body)
{
    struct http_answer a = http_ask(port, request, headers, body);
    http_forget(&a);
    return a.status;
}

json_t *http_stats(int port)
{
    json_error_t error;
    struct http_answer a = http_ask(port, "GET /stats.json", HTTP_ADMIN, NULL);
    ck_assert_int_eq(a.status, 200);
    json_t *o = json_loadb(a.body, a.len, 0, &error);
    ck_assert_msg(o != NULL, "%s", error.text);
    http_forget(&a);
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
