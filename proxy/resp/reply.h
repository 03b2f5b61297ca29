/* reply: replies of slotway's own, element by element into a queue; and a reader that walks the
 * elements of replies that lie in memory, for merging them. */
#ifndef SLOTWAY_RESP_REPLY_H
#define SLOTWAY_RESP_REPLY_H

#include "base/chunk.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where to write and in which protocol (2, or 3 once clients may ask for it). Elements are appended
 * to q in the order of the calls; aggregates announce how many follow. */
struct reply {
    struct chunk_pool *pool;
    struct bufq *q;
    int protocol;
};

void reply_status(struct reply *r, const char *text); /* "OK" for "+OK" */
/* "ERR …", without the dash. Line ends in the text, which may quote a client, become blanks. */
void reply_error(struct reply *r, const char *text);
void reply_int(struct reply *r, int64_t value);
void reply_bulk(struct reply *r, const void *data, size_t len);
void reply_bulk_string(struct reply *r, const char *text);
void reply_bulkf(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text for people: a bulk in RESP2, a verbatim string in RESP3. */
void reply_text(struct reply *r, const char *data, size_t len);
void reply_null(struct reply *r);
void reply_null_array(struct reply *r);
void reply_array(struct reply *r, size_t n);
void reply_set(struct reply *r, size_t n);  /* RESP2: an array */
void reply_push(struct reply *r, size_t n); /* RESP2: an array */
void reply_map(struct reply *r, size_t n);  /* n pairs follow; RESP2: an array of 2n */
/* An array of n status lines, as HELP subcommands answer. */
void reply_lines(struct reply *r, const char *const *lines, size_t n);

/* The line of an error at out: "-<text>\r\n". What does not fit in cap bytes (3 at least) is cut,
 * line ends in the text become blanks. Returns its length. */
size_t reply_error_line(char *out, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t reply_error_linev(char *out, size_t cap, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));
/* Room for the errors of slotway's own. */
#define REPLY_ERROR_MAX 1024

/* Is this error line, to AUTH, that of a server without a password? It serves all the same. */
bool reply_needs_no_auth(const char *line, size_t len);

/* --- reading --- */

struct reply_reader {
    const char *p;
    const char *end;
};

/* One element. Aggregates (* % ~ >): n is the number of elements that follow (two for each pair of
 * a map). Others: data and len (of a verbatim string without "txt:"), and n for integers. Nulls of
 * every kind are null. */
struct reply_value {
    char type;
    bool null;
    const char *data;
    size_t len;
    int64_t n;
};

/* The next element; of an aggregate its header only: its elements are what is read next. False: the
 * bytes end before it does, or are not RESP. */
bool reply_read(struct reply_reader *reader, struct reply_value *value);
/* Step over one whole element with everything in it. */
bool reply_skip(struct reply_reader *reader);

#endif
