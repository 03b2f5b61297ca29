/* pages: what there is at each path, and what it answers. */
#define _GNU_SOURCE
#include "http/pages.h"
#include "base/memory.h"
#include "http/action.h"
#include "http/csv.h"
#include "http/feed.h"
#include "http/json.h"
#include "http/metrics.h"
#include "http/summary.h"
#include <stdlib.h>
#include <string.h>

/* --- probes and figures --- */

static void pages_healthz(struct exchange *x)
{
    exchange_reply_text(x, MHD_HTTP_OK, "ok");
}

static void pages_readyz(struct exchange *x)
{
    const struct http *h = x->http;
    const struct topology *t = collector_newest(h->collector);
    const char *why = NULL;
    if (atomic_load_explicit(&h->process->draining, memory_order_relaxed))
        why = "draining";
    else if (!t)
        why = "starting: no node of the cluster has answered yet";
    else if (topology_uncovered(t) > 0)
        why = "slots not covered";
    exchange_reply_text(x, why ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, why ? why : "ready");
}

static void pages_summary(struct exchange *x)
{
    struct gather_part out = {0};
    summary_text(x->http->stats, &out);
    exchange_reply_own(x, MHD_HTTP_OK, EXCHANGE_TEXT, out.data, out.len);
}

static void pages_csv(struct exchange *x)
{
    struct gather_part out = {0};
    csv_write(x->http->stats, &out);
    exchange_reply_own(x, MHD_HTTP_OK, EXCHANGE_TEXT, out.data, out.len);
}

static void pages_metrics(struct exchange *x)
{
    struct gather_part out = {0};
    metrics_write(x->http->stats, &out);
    exchange_reply_own(x, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", out.data,
                       out.len);
}

static void pages_json(struct exchange *x)
{
    size_t len;
    char *text = json_all(x->http->stats, &len);
    if (text)
        exchange_reply_own(x, MHD_HTTP_OK, "application/json", text, len);
    else
        exchange_reply_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, "slotway is out of memory.");
}

/* --- the operators' page --- */

const struct asset *pages_find_asset(const char *path)
{
    for (size_t i = 0; i < asset_count; i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return NULL;
}

static const char *pages_header(struct exchange *x, const char *name)
{
    const char *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

/* "/" has a place for the verdict, for browsers without JavaScript. */
static bool pages_root(struct exchange *x, const struct asset *asset)
{
    static const char mark[] = ASSET_VERDICT_MARK;
    const char *page = (const char *)asset->bytes;
    const char *at = memmem(page, asset->size, mark, sizeof mark - 1);
    if (!at)
        return false;
    struct gather_part out = {0};
    summary_html(x->http->stats, &out);
    size_t len = asset->size - (sizeof mark - 1) + out.len, before = (size_t)(at - page);
    char *text = memory_alloc(len);
    memcpy(text, page, before);
    memcpy(text + before, out.data, out.len);
    memcpy(text + before + out.len, at + sizeof mark - 1, asset->size - before - sizeof mark + 1);
    free(out.data);
    exchange_reply_own(x, MHD_HTTP_OK, asset->type, text, len);
    return true;
}

void pages_asset(struct exchange *x, const struct asset *asset)
{
    if (pages_root(x, asset))
        return;
    bool same = strstr(pages_header(x, MHD_HTTP_HEADER_IF_NONE_MATCH), asset->etag) != NULL;
    bool gzip = asset->gzip && strstr(pages_header(x, MHD_HTTP_HEADER_ACCEPT_ENCODING), "gzip");
    const unsigned char *bytes = gzip ? asset->gzip : asset->bytes;
    size_t size = gzip ? asset->gzip_size : asset->size;
    struct MHD_Response *response = exchange_response(asset->type, bytes, same ? 0 : size,
                                                      MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, asset->etag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "private, no-cache");
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (gzip && !same)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    exchange_queue(x, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

/* --- the paths --- */

static const struct page pages[] = {
    {"/healthz", pages_healthz, PAGES_OPEN},
    {"/readyz", pages_readyz, PAGES_OPEN},
    {"/stats.json", pages_json, 0},
    {"/events", feed_open, 0},
    {"/stats;csv", pages_csv, 0},
    {"/;csv", pages_csv, 0},
    {"/metrics", pages_metrics, 0},
    {"/summary", pages_summary, 0},
    {"/action/refresh", action_refresh, PAGES_POST},
    {"/action/drain", action_drain, PAGES_POST},
    {"/action/resume", action_resume, PAGES_POST},
    {"/action/close-client", action_close_client, PAGES_POST},
};

/* As with HAProxy, options may follow that of the format: "/;csv;norefresh". */
const struct page *pages_find(const char *path)
{
    const char *csv = strstr(path, ";csv;");
    size_t len = csv ? (size_t)(csv - path) + 4 : strlen(path);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strlen(pages[i].path) == len && memcmp(pages[i].path, path, len) == 0)
            return &pages[i];
    return NULL;
}
