/* http: what the files of the statistics thread share. Nobody else includes it. */
#ifndef SLOTWAY_HTTP_HTTP_H
#define SLOTWAY_HTTP_HTTP_H

#include "http/auth.h"
#include "http/collect.h"
#include "http/server.h"
#include <microhttpd.h>

#define HTTP_MAX_SOCKETS     16
#define HTTP_MAX_CONNECTIONS 256         /* less where few open files are allowed */
#define HTTP_TIMEOUT         15          /* s without progress on a connection */
#define HTTP_POOL            (16 * 1024) /* B that a connection's headers may take */
#define HTTP_MAX_BODY        4096        /* of an action */
#define HTTP_TOKEN_LEN       32

/* One connection of a browser. It is closed to make room for another one if it has not shown a
 * password: silent ones cannot keep an operator out. */
struct http_connection {
    struct http_connection *next, *prev; /* in the order of coming */
    int fd;
    bool trusted;
    bool closing;
};

struct http {
    struct process *process;
    struct collector *collector;
    const struct stats *stats; /* the collector's */
    struct auth *auth;
    char token[HTTP_TOKEN_LEN + 1]; /* that actions must show */

    pthread_t thread;
    struct ev_loop *loop;
    struct mailbox mailbox;
    struct MHD_Daemon *daemon;
    ev_io epoll;      /* libmicrohttpd has something to do … */
    ev_timer timeout; /* … or will have then */
    ev_io sockets[HTTP_MAX_SOCKETS];
    unsigned nsockets;
    struct http_connection *connections, *newest;
    uint32_t nconnections, max_connections;
    ev_timer second;          /* the next sample */
    ev_timer patience;        /* workers have had their time to answer */
    ev_timer pause;           /* out of descriptors: accept again then */
    struct feed *feeds;       /* listeners to /events */
    struct exchange *waiting; /* requests that wait for an answer of workers */
    uint32_t nfeeds;
    uint64_t events_told; /* those up to this change were in the text before */
    uint64_t requests;    /* answered so far */
    bool stopping;
};

/* The life of the statistics thread without the thread (server.c): all that it needs, NULL with the
 * reason in the log; and its end, which tells everybody who waits. Between them turns its loop. */
struct http *http_open(struct process *process);
void http_finish(struct http *h);

/* libmicrohttpd's callback for requests, and for their end (exchange.c). */
enum MHD_Result exchange_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *data_len, void **context);
void exchange_on_end(void *cls, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode why);

/* The struct of a connection. */
struct http_connection *http_connection_of(struct MHD_Connection *connection);

/* Let libmicrohttpd do what is to be done. */
void http_run(struct http *h);

#endif
