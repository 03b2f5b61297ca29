/* feed: /events: server-sent events, one snapshot a second for whoever listens.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html */
#ifndef SLOTWAY_HTTP_FEED_H
#define SLOTWAY_HTTP_FEED_H

#include "http/exchange.h"

/* Answer with a stream that begins with a snapshot of now. */
void feed_open(struct exchange *x);
/* A sample was taken: tell all listeners. One that has not read the last snapshot misses this one.
 */
void feed_tell(struct http *h);
/* slotway stops: all streams end. */
void feed_end(struct http *h);

#endif
