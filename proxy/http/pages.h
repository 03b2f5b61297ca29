/* pages: what there is at each path, and what it answers. */
#ifndef SLOTWAY_HTTP_PAGES_H
#define SLOTWAY_HTTP_PAGES_H

#include "http/assets.h"
#include "http/exchange.h"

#define PAGES_POST 1u /* an action: POST instead of GET and HEAD */
#define PAGES_OPEN 2u /* without a password */

struct page {
    const char *path;
    void (*run)(struct exchange *x); /* answers, at once or later */
    unsigned flags;
};

/* NULL: there is nothing at this path. */
const struct page *pages_find(const char *path);

/* The same for the files of the operators' page, and the answer for one of them. */
const struct asset *pages_find_asset(const char *path);
void pages_asset(struct exchange *x, const struct asset *asset);

#endif
