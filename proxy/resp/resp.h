/* resp: where one request or one reply of RESP ends. Scans, never builds a tree, never allocates
 * except to grow an argument vector.
 *
 * Requests: RESP multibulk and inline commands, as redis-server's networking.c accepts them.
 * Replies: RESP2 and RESP3
 * (https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md). */
#ifndef SLOTWAY_RESP_RESP_H
#define SLOTWAY_RESP_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One argument: offset and length relative to the first byte of its request. */
struct resp_arg {
    uint32_t off;
    uint32_t len;
};

/* Growable vector of arguments. Owner: whoever initialised it; resp_args_free releases. */
struct resp_args {
    struct resp_arg *v;
    uint32_t argc;     /* complete arguments found so far */
    uint32_t cap;      /* allocated entries of v */
    uint32_t expected; /* arguments announced by "*N"; 0 before that line is complete */
    uint32_t pos;      /* bytes of the request scanned so far (resume here) */
    uint32_t searched; /* bytes in which the end of the unfinished line was looked for in vain */
    bool multibulk;    /* false: an inline command (needs resp_inline_encode before forwarding) */

    /* How an earlier request began, up to the end of its command's name: the next one mostly begins
     * in the same way, and is not scanned again so far. */
    uint64_t begin[2];      /* these bytes, after the mask */
    uint64_t begin_mask[2]; /* 0: there was none */
    uint32_t begin_len, begin_expected;
    struct resp_arg begin_name;
};

enum resp_result {
    RESP_MORE,     /* incomplete: call again with more bytes */
    RESP_COMPLETE, /* one whole request or reply */
    RESP_EMPTY,    /* an empty request (blank line, "*0", "*-1"): consumed, nothing to answer */
    RESP_ERROR     /* malformed: *error says what; close after answering */
};

struct resp_limits {
    uint64_t max_bulk;   /* longest bulk in bytes (proto-max-bulk-len) */
    uint64_t max_size;   /* longest whole request in bytes (client-query-buffer-limit) */
    uint32_t max_args;   /* most arguments; Redis: 1024*1024 after authentication, 10 before */
    uint32_t max_inline; /* longest inline request, and longest "*N" or "$N" line (Redis: 64 KiB) */
};

/* No limits: for requests that were within theirs when they came. */
extern const struct resp_limits resp_unlimited;

void resp_args_init(struct resp_args *args);
void resp_args_reset(struct resp_args *args);
void resp_args_free(struct resp_args *args);

/* Limits before authentication: a client that has them gets Redis' "unauthenticated …" texts. */
#define RESP_UNAUTH_ARGS 10
#define RESP_UNAUTH_BULK 16384

/* Scan one request that starts at buf, of which len bytes are there. Resumes at args->pos, so that
 * bytes are looked at once however they arrive. RESP_COMPLETE and RESP_EMPTY: *used is the
 * request's whole length. RESP_ERROR: *error is the text Redis sends after "-ERR " (static or in a
 * buffer of the thread, valid until the next call). RESP_MORE: *used is the least total length at
 * which calling again can make progress (a hint for sizing the next read). */
enum resp_result resp_scan_request(struct resp_args *args, const char *buf, size_t len,
                                   const struct resp_limits *limits, size_t *used,
                                   const char **error);

/* Room that resp_inline_encode needs for an inline request of len bytes. */
#define RESP_INLINE_ENCODED_MAX(len) (4 * (size_t)(len) + 32)

/* Turn the complete inline request of len bytes at line (as resp_scan_request found it,
 * RESP_COMPLETE with args->multibulk false) into multibulk form at out, which has room for
 * RESP_INLINE_ENCODED_MAX(len) bytes. Quotes and escapes are resolved as redis-server does. Fills
 * args in as if the bytes at out had been scanned, and returns their number; 0 if the line has no
 * argument, quotes do not balance, or there is no memory. */
size_t resp_inline_encode(const char *line, size_t len, char *out, struct resp_args *args);

/* State of one reply across reads; all zero is the start of a reply. `pending` counts elements
 * still to come: the structure of nested aggregates need not be remembered to find where a reply
 * ends. */
struct resp_reply_scan {
    uint64_t pending;   /* elements still missing; 0 between replies */
    uint64_t bulk_left; /* bytes (with CRLF) still missing of a bulk that is being read */
};

/* Scan on in one reply; buf is the next unseen byte. Consumes as many bytes as it can and sets
 * *used; partial header lines are left unconsumed (caller keeps them and presents them again).
 * RESP_COMPLETE: the reply ended at buf + *used. RESP_MORE: all usable bytes are consumed.
 * RESP_ERROR: not RESP; the connection must be closed. */
enum resp_result resp_scan_reply(struct resp_reply_scan *scan, const char *buf, size_t len,
                                 size_t *used);

/* Length of the reply at p if it is complete within len and of a simple kind (+ - : $), else 0:
 * then resp_scan_reply is to be asked. */
size_t resp_reply_fast(const char *p, size_t len);

/* Parse a whole decimal integer of len bytes (optional sign, no spaces, no leading zeros as Redis'
 * string2ll). False if it is not one or overflows. */
bool resp_parse_int(const char *s, size_t len, int64_t *value);

#endif
