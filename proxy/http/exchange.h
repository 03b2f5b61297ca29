/* exchange: one HTTP request and its answer. */
#ifndef SLOTWAY_HTTP_EXCHANGE_H
#define SLOTWAY_HTTP_EXCHANGE_H

#include "http/http.h"

#define EXCHANGE_FIELD_LEN 64

struct exchange {
    struct http *http;
    struct MHD_Connection *connection;
    bool head;
    bool too_long; /* the body */
    char body[HTTP_MAX_BODY + 1];
    size_t body_len;
};

/* Answer with a copy of data. */
void exchange_reply(struct exchange *x, unsigned status, const char *type, const char *data,
                    size_t len);
/* Answer with data, which is freed with free(). */
void exchange_reply_own(struct exchange *x, unsigned status, const char *type, char *data,
                        size_t len);
/* Answer with a line of text. */
void exchange_reply_text(struct exchange *x, unsigned status, const char *text);
/* Queue a response with the headers that every answer has, and give it up. */
void exchange_queue(struct exchange *x, unsigned status, struct MHD_Response *response);

/* The value of a field of a form in the body; false: it is not there or too long. */
bool exchange_field(const struct exchange *x, const char *name, char out[EXCHANGE_FIELD_LEN]);

#endif
