/* assets: the files of the operators' page, put into the program by the build (stats-ui/embed).
 * They are constant and live as long as the process. */
#ifndef SLOTWAY_HTTP_ASSETS_H
#define SLOTWAY_HTTP_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path; /* as asked for: "/", "/app.js" */
    const char *type; /* Content-Type */
    const char *etag; /* of the content, with its quotes */
    const unsigned char *bytes;
    size_t size;
    const unsigned char *gzip; /* the same for clients that accept gzip; NULL: not worth it */
    size_t gzip_size;
};

/* In this place of "/" goes a line of HTML with the verdict, for browsers without JavaScript. */
#define ASSET_VERDICT_MARK "<!--verdict-->"

extern const struct asset assets[];
extern const size_t asset_count;

#endif
