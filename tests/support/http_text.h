/* http_text: a request and an answer of HTTP as text. */
#ifndef SLOTWAY_TESTS_HTTP_TEXT_H
#define SLOTWAY_TESTS_HTTP_TEXT_H

#include <stddef.h>

struct http_answer {
    int status; /* 0: the connection was closed without one */
    char *head; /* header lines */
    char *body; /* without the encoding of chunks */
    size_t len;
};

/* A request of "METHOD PATH" after which the connection is closed; the caller frees it. headers:
 * complete lines; body: NULL for none. */
char *http_print(const char *request, const char *headers, const char *body);
/* The answer in all that came, len bytes and a zero, which it takes over. Free with http_forget. */
struct http_answer http_parse(char *all, size_t len);
void http_forget(struct http_answer *answer);

#endif
