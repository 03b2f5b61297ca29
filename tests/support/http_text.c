/* http_text: a request and an answer of HTTP as text. */
#include "support/http_text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

char *http_print(const char *request, const char *headers, const char *body)
{
    size_t cap = strlen(request) + (headers ? strlen(headers) : 0) + (body ? strlen(body) : 0) +
                 200;
    char *text = malloc(cap);
    int len = snprintf(text, cap, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s",
                       request, headers ? headers : "");
    if (body)
        len += snprintf(
            text + len, cap - (size_t)len,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n",
            strlen(body));
    snprintf(text + len, cap - (size_t)len, "\r\n%s", body ? body : "");
    return text;
}

struct http_answer http_parse(char *all, size_t len)
{
    struct http_answer a = {0};
    char *gap = strstr(all, "\r\n\r\n");
    if (gap && sscanf(all, "HTTP/1.1 %d", &a.status) == 1) {
        gap[2] = '\0';
        a.head = all;
        a.body = gap + 4;
        a.len = len - (size_t)(a.body - all);
        if (strcasestr(a.head, "Transfer-Encoding: chunked"))
            join_chunks(&a);
        return a;
    }
    a.head = a.body = all;
    all[0] = '\0';
    return a;
}

void http_forget(struct http_answer *answer)
{
    free(answer->head);
}
