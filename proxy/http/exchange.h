/* exchange: one HTTP request and its answer. */
#ifndef SLOTWAY_HTTP_EXCHANGE_H
#define SLOTWAY_HTTP_EXCHANGE_H

#include "http/http.h"

#define EXCHANGE_TEXT "text/plain; charset=utf-8"

struct exchange {
    struct http *http;
    struct MHD_Connection *connection;
    bool too_long; /* the body */
    char body[HTTP_MAX_BODY + 1];
    size_t body_len;

    /* waiting for something: */
    struct exchange *next_waiting, *prev_waiting;
    struct exchange **waiter;          /* what will resume it; set to NULL if slotway stops first */
    void (*after)(struct exchange *x); /* answers then */
    bool result;
};

/* Wait until exchange_resume, then answer with after(). *waiter is x; it becomes NULL when the
 * exchange waits no more because slotway stops. */
void exchange_suspend(struct exchange *x, struct exchange **waiter,
                      void (*after)(struct exchange *x));
void exchange_resume(struct exchange *x);
/* slotway stops: nobody waits any more. */
void exchange_resume_all(struct http *h);

const struct sockaddr *exchange_peer(const struct exchange *x);

/* --- answers (answer.c) --- */

/* Answer with data, which is freed with free(). */
void exchange_reply_own(struct exchange *x, unsigned status, const char *type, char *data,
                        size_t len);
/* Answer with a line of text. */
void exchange_reply_text(struct exchange *x, unsigned status, const char *text);
/* A response that is not queued yet, so that headers can be added; never NULL. */
struct MHD_Response *exchange_response(const char *type, const void *data, size_t len,
                                       enum MHD_ResponseMemoryMode mode);
struct MHD_Response *exchange_text(const char *text);
/* Queue a response with the headers that every answer has, and give it up. */
void exchange_queue(struct exchange *x, unsigned status, struct MHD_Response *response);

#endif
