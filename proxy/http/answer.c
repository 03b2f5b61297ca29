/* answer: what goes back to the browser, with the headers that every answer has. */
#include "base/log.h"
#include "http/exchange.h"
#include <stdio.h>
#include <stdlib.h>

/* On every answer. */
static const struct {
    const char *name;
    const char *value;
} exchange_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
     "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

void exchange_queue(struct exchange *x, unsigned status, struct MHD_Response *response)
{
    for (size_t i = 0; i < sizeof exchange_headers / sizeof exchange_headers[0]; i++)
        MHD_add_response_header(response, exchange_headers[i].name, exchange_headers[i].value);
    if (!MHD_get_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_queue_response(x->connection, status, response);
    MHD_destroy_response(response);
    x->http->requests++;
}

struct MHD_Response *exchange_response(const char *type, const void *data, size_t len,
                                       enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)data,
                                                                    mode);
    if (!response) {
        log_warning("The statistics page is out of memory");
        abort();
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return response;
}

void exchange_reply_own(struct exchange *x, unsigned status, const char *type, char *data,
                        size_t len)
{
    exchange_queue(x, status, exchange_response(type, data, len, MHD_RESPMEM_MUST_FREE));
}

struct MHD_Response *exchange_text(const char *text)
{
    char line[1024];
    int len = snprintf(line, sizeof line, "%s\n", text);
    return exchange_response(EXCHANGE_TEXT, line, (size_t)len, MHD_RESPMEM_MUST_COPY);
}

void exchange_reply_text(struct exchange *x, unsigned status, const char *text)
{
    exchange_queue(x, status, exchange_text(text));
}
