/* feed: /events. The text of a snapshot is made once and shared by all listeners; a listener that
 * has read its text is suspended until the next one.
 *
 *   sample -> text (counted) -> feed -> feed -> feed   each copies from it at its own pace */
#include "http/feed.h"
#include "base/memory.h"
#include "http/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEED_MOST  64
#define FEED_BLOCK (16 * 1024)

struct feed_text {
    uint32_t refs;
    size_t len;
    char data[];
};

struct feed {
    struct feed *next, *prev;
    struct http *http;
    struct MHD_Connection *connection;
    struct feed_text *text; /* NULL: all is read */
    size_t at;
    uint64_t events; /* those up to this change were told */
    bool suspended;
    bool last; /* this text ends the stream */
};

/* --- texts --- */

static struct feed_text *feed_make_text(const char *head, const char *body, size_t len)
{
    size_t head_len = strlen(head);
    struct feed_text *text = memory_alloc(sizeof *text + head_len + len + 2);
    text->refs = 1;
    text->len = head_len + len + 2;
    memcpy(text->data, head, head_len);
    memcpy(text->data + head_len, body, len);
    memcpy(text->data + head_len + len, "\n\n", 2);
    return text;
}

static void feed_drop_text(struct feed_text *text)
{
    if (text && --text->refs == 0)
        free(text);
}

/* A snapshot with the events that changed after `events`. NULL: out of memory. */
static struct feed_text *feed_snapshot(const struct http *h, uint64_t events, const char *before)
{
    char head[128];
    size_t len;
    char *json = json_snapshot(h->stats, events, &len);
    if (!json)
        return NULL;
    snprintf(head, sizeof head, "%sid: %llu\nevent: snapshot\ndata: ", before,
             (unsigned long long)h->stats->sequence);
    struct feed_text *text = feed_make_text(head, json, len);
    free(json);
    return text;
}

/* --- one listener --- */

static ssize_t feed_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct feed *feed = cls;
    (void)pos;
    if (!feed->text && feed->last)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!feed->text) {
        feed->suspended = true;
        MHD_suspend_connection(feed->connection);
        return 0;
    }
    size_t n = feed->text->len - feed->at;
    if (n > max)
        n = max;
    memcpy(buf, feed->text->data + feed->at, n);
    feed->at += n;
    if (feed->at == feed->text->len) {
        feed_drop_text(feed->text);
        feed->text = NULL;
    }
    return (ssize_t)n;
}

static void feed_free(void *cls)
{
    struct feed *feed = cls;
    struct http *h = feed->http;
    if (feed->prev)
        feed->prev->next = feed->next;
    else
        h->feeds = feed->next;
    if (feed->next)
        feed->next->prev = feed->prev;
    h->nfeeds--;
    feed_drop_text(feed->text);
    free(feed);
}

/* Takes over a reference of text. */
static void feed_give(struct feed *feed, struct feed_text *text)
{
    feed->text = text;
    feed->at = 0;
    if (feed->suspended)
        MHD_resume_connection(feed->connection);
    feed->suspended = false;
}

/* Of the sample; what has happened since then is not in its text. */
static uint64_t feed_newest_event(const struct http *h)
{
    return h->stats->nevents ? h->stats->events[0].changed : 0;
}

void feed_open(struct exchange *x)
{
    struct http *h = x->http;
    if (h->nfeeds >= FEED_MOST) {
        exchange_reply_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many listeners.");
        return;
    }
    struct feed *feed = memory_zalloc(sizeof *feed);
    feed->http = h;
    feed->connection = x->connection;
    feed->next = h->feeds;
    if (feed->next)
        feed->next->prev = feed;
    h->feeds = feed;
    h->nfeeds++;
    if (h->stats->sequence > 0) {
        feed->text = feed_snapshot(h, 0, "retry: 1000\n");
        feed->events = feed_newest_event(h);
    }
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FEED_BLOCK,
                                                                      feed_read, feed, feed_free);
    if (!response) {
        feed_free(feed);
        exchange_reply_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, "slotway is out of memory.");
        return;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    exchange_queue(x, MHD_HTTP_OK, response);
}

/* --- all of them --- */

/* What a listener has not been told yet: the same text for all that read the one before. */
static struct feed_text *feed_news(const struct http *h, const struct feed *feed,
                                   struct feed_text **shared)
{
    if (feed->events != h->events_told)
        return feed_snapshot(h, feed->events, "");
    if (!*shared)
        *shared = feed_snapshot(h, h->events_told, "");
    if (*shared)
        (*shared)->refs++;
    return *shared;
}

void feed_tell(struct http *h)
{
    uint64_t newest = feed_newest_event(h);
    struct feed_text *shared = NULL;
    for (struct feed *feed = h->feeds; feed; feed = feed->next) {
        struct feed_text *text = feed->text ? NULL : feed_news(h, feed, &shared);
        if (!text)
            continue;
        feed->events = newest;
        feed_give(feed, text);
    }
    feed_drop_text(shared);
    h->events_told = newest;
}

void feed_end(struct http *h)
{
    static const char body[] = "{\"reason\": \"it was stopped\"}";
    struct feed_text *text = feed_make_text("event: bye\ndata: ", body, sizeof body - 1);
    for (struct feed *feed = h->feeds; feed; feed = feed->next) {
        feed->last = true;
        if (feed->text)
            continue;
        text->refs++;
        feed_give(feed, text);
    }
    feed_drop_text(text);
}
