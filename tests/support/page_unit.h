/* page_unit: the statistics page in the test's own thread, with the worker of flow_unit.h:
 * nothing moves but in page_turn, and no sample is taken but by page_sample. */
#ifndef SLOTWAY_TESTS_PAGE_UNIT_H
#define SLOTWAY_TESTS_PAGE_UNIT_H

#include "http/http.h"
#include "support/flow_unit.h"
#include "support/http_text.h"

/* admin, sesame */
#define PAGE_ADMIN "Authorization: Basic YWRtaW46c2VzYW1l\r\n"
#define PAGE_WRONG "Authorization: Basic YWRtaW46YWRtaW4=\r\n"

extern struct http *h;
extern int page_port;
extern int page_draining; /* what the main thread was told last: 1 drain, 0 resume, -1 nothing */

/* A checked fixture: password sesame, actions allowed. */
#define PAGE_CONFIG "stats-password sesame\nstats-admin yes\n"
void page_begin(void);
/* With its thread, as in slotway: page_turn turns the worker only. h is NULL if it does not start.
 */
void page_begin_thread(const char *config);
void page_end(void);
/* With these lines of a configuration beside the port; instead of what there is. */
void page_again(const char *config);

/* One turn of the page's loop and of the worker's. */
void page_turn(void);
void page_turns(unsigned n);
/* A second is over: a sample is taken, and told. */
void page_sample(void);

/* Turns until the expression is true. */
#define page_until(expression)                                                                     \
    do {                                                                                           \
        for (unsigned turns_ = 0; !(expression); turns_++) {                                       \
            page_turn();                                                                           \
            page_wait(turns_, #expression);                                                        \
        }                                                                                          \
    } while (0)
void page_wait(unsigned turns, const char *what);

/* Ask on a connection of its own, as http_ask does. */
struct http_answer page_ask(const char *request, const char *headers, const char *body);
int page_status(const char *request, const char *headers, const char *body);
/* The status and what is in the head and in the body are these. */
void page_expect(const char *request, const char *headers, const char *body, int status,
                 const char *in_head, const char *in_body);

/* A connection, and all that came on it. */
struct page_link {
    int fd;
    char *text;
    size_t len, cap;
    bool ended;
};
struct page_link page_open(void);
void page_send(struct page_link *link, const char *text);
/* What has come is taken; true if this is in what came since the last page_forget. */
bool page_got(struct page_link *link, const char *text);
void page_forget(struct page_link *link);
bool page_ended(struct page_link *link);
void page_close(struct page_link *link);

#endif
