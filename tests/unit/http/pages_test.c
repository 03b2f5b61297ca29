/* pages_test: what there is at each path. */
#include "http/pages.h"
#include "support/page_unit.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *path;
    unsigned flags;
    bool found;
} paths[] = {
    {"/healthz", PAGES_OPEN, true},
    {"/readyz", PAGES_OPEN, true},
    {"/stats.json", 0, true},
    {"/events", 0, true},
    {"/metrics", 0, true},
    {"/summary", 0, true},
    {"/;csv", 0, true}, /* as HAProxy has it */
    {"/stats;csv", 0, true},
    {"/;csv;norefresh", 0, true},
    {"/stats;csv;norefresh;up", 0, true},
    {"/action/refresh", PAGES_POST, true},
    {"/action/drain", PAGES_POST, true},
    {"/action/resume", PAGES_POST, true},
    {"/action/close-client", PAGES_POST, true},
    {"", 0, false},
    {"/", 0, false}, /* an asset */
    {"/healthzz", 0, false},
    {"/health", 0, false},
    {"/HEALTHZ", 0, false},
    {"/healthz/", 0, false},
    {"/healthz;csv;", 0, false},
    {"/;csvx", 0, false},
    {"/;csv;", 0, true},
    {"/summary;csv", 0, false},
    {"/action/", 0, false},
    {"//healthz", 0, false},
};

START_TEST(paths_are_found_as_they_are)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct page *page = pages_find(paths[i].path);
        ck_assert_msg((page != NULL) == paths[i].found, "\"%s\"", paths[i].path);
        if (page)
            ck_assert_msg(page->flags == paths[i].flags, "%s", paths[i].path);
    }
}
END_TEST

static const struct {
    const char *path, *type, *begins;
} contents[] = {
    {"GET /stats.json", "Content-Type: application/json", "{"},
    {"GET /metrics", "Content-Type: text/plain; version=0.0.4", "# HELP "},
    {"GET /summary", "Content-Type: text/plain; charset=utf-8", "ok for "},
    {"GET /;csv", "Content-Type: text/plain; charset=utf-8", "# pxname,svname,"},
    {"GET /stats;csv;norefresh", "Content-Type: text/plain; charset=utf-8", "# pxname,svname,"},
    {"GET /healthz", "Content-Type: text/plain; charset=utf-8", "ok\n"},
    {"GET /", "Content-Type: text/html; charset=utf-8", "<!DOCTYPE html>"},
};

START_TEST(each_page_is_of_its_kind)
{
    struct http_answer a = page_ask(contents[_i].path, PAGE_ADMIN, NULL);
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(strstr(a.head, contents[_i].type) != NULL, "%s: %s", contents[_i].path, a.head);
    ck_assert_msg(strncasecmp(a.body, contents[_i].begins, strlen(contents[_i].begins)) == 0,
                  "%s: %.80s", contents[_i].path, a.body);
    http_forget(&a);
}
END_TEST

START_TEST(ready_is_who_can_serve_all_slots)
{
    page_expect("GET /readyz", NULL, NULL, 503, NULL, "starting: no node of the cluster");
    collector_set_topology(h->collector, topology_ref(f->w->topology));
    page_expect("GET /readyz", NULL, NULL, 200, NULL, "ready\n");
    f->nodes[NODE_B].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    collector_set_topology(h->collector, topology_ref(f->w->topology));
    page_expect("GET /readyz", NULL, NULL, 503, NULL, "slots not covered");
    f->nodes[NODE_B].flags &= ~(uint32_t)TOPOLOGY_SILENT;
    flow_publish(f);
    collector_set_topology(h->collector, topology_ref(f->w->topology));
    page_expect("GET /readyz", NULL, NULL, 200, NULL, "ready\n");
    atomic_store(&f->process.draining, true);
    page_expect("GET /readyz", NULL, NULL, 503, NULL, "draining");
    page_expect("GET /healthz", NULL, NULL, 200, NULL, "ok"); /* it does live */
    atomic_store(&f->process.draining, false);
}
END_TEST

/* For browsers without JavaScript. */
START_TEST(the_verdict_is_in_the_page)
{
    const struct asset *asset = pages_find_asset("/");
    struct http_answer a = page_ask("GET /", PAGE_ADMIN, NULL);
    const char *end = "</html>";
    ck_assert_ptr_nonnull(asset);
    ck_assert_ptr_null(strstr(a.body, ASSET_VERDICT_MARK));
    ck_assert_uint_gt(a.len, asset->size);
    const char *mark = strstr((const char *)asset->bytes, ASSET_VERDICT_MARK);
    ck_assert_ptr_nonnull(mark);
    size_t before = (size_t)(mark - (const char *)asset->bytes);
    size_t after = asset->size - before - strlen(ASSET_VERDICT_MARK);
    ck_assert(memcmp(a.body, asset->bytes, before) == 0);
    ck_assert(memcmp(a.body + a.len - after, mark + strlen(ASSET_VERDICT_MARK), after) == 0);
    ck_assert_ptr_nonnull(strstr(a.body, end));
    ck_assert_ptr_nonnull(strstr(a.head, "Cache-Control: no-store"));
    http_forget(&a);
}
END_TEST

/* A file of the page that is worth compressing. */
static const struct asset *packed(void)
{
    for (size_t i = 0; i < asset_count; i++)
        if (assets[i].gzip && strcmp(assets[i].path, "/") != 0)
            return &assets[i];
    ck_abort_msg("no file is compressed");
    return NULL;
}

static const struct {
    const char *header, *value; /* "%s": its etag */
    int status;
    bool gzip;
} asked[] = {
    {NULL, NULL, 200, false},
    {"Accept-Encoding", "gzip, deflate, br", 200, true},
    {"Accept-Encoding", "br", 200, false},
    {"If-None-Match", "%s", 304, false},
    {"If-None-Match", "\"other\", W/%s", 304, false},
    {"If-None-Match", "\"other\"", 200, false},
    {"Accept-Encoding: gzip\r\nIf-None-Match", "%s", 304, false},
};

START_TEST(files_are_sent_as_the_browser_has_them)
{
    char headers[400] = PAGE_ADMIN, request[100], value[200];
    const struct asset *asset = packed();
    if (asked[_i].header) {
        snprintf(value, sizeof value, asked[_i].value, asset->etag);
        snprintf(headers, sizeof headers, "%s%s: %s\r\n", PAGE_ADMIN, asked[_i].header, value);
    }
    snprintf(request, sizeof request, "GET %s", asset->path);
    struct http_answer a = page_ask(request, headers, NULL);
    ck_assert_int_eq(a.status, asked[_i].status);
    ck_assert_ptr_nonnull(strstr(a.head, asset->etag));
    ck_assert_ptr_nonnull(strstr(a.head, "Vary: Accept-Encoding"));
    ck_assert_ptr_nonnull(strstr(a.head, "Cache-Control: private, no-cache"));
    ck_assert((strstr(a.head, "Content-Encoding: gzip") != NULL) == asked[_i].gzip);
    const unsigned char *bytes = asked[_i].gzip ? asset->gzip : asset->bytes;
    size_t size = asked[_i].status == 304 ? 0 : asked[_i].gzip ? asset->gzip_size : asset->size;
    ck_assert_uint_eq(a.len, size);
    ck_assert(memcmp(a.body, bytes, size) == 0);
    http_forget(&a);
}
END_TEST

START_TEST(files_need_the_password)
{
    char request[100];
    for (size_t i = 0; i < asset_count; i++) {
        snprintf(request, sizeof request, "GET %s", assets[i].path);
        ck_assert_ptr_eq(pages_find_asset(assets[i].path), &assets[i]);
        ck_assert_int_eq(page_status(request, NULL, NULL), 401);
        ck_assert_int_eq(page_status(request, PAGE_ADMIN, NULL), 200);
    }
    ck_assert_ptr_null(pages_find_asset("/none.js"));
}
END_TEST

UNIT_SUITE_WITH("pages", page_begin, page_end, {paths_are_found_as_they_are},
                {each_page_is_of_its_kind, sizeof contents / sizeof *contents},
                {ready_is_who_can_serve_all_slots}, {the_verdict_is_in_the_page},
                {files_are_sent_as_the_browser_has_them, sizeof asked / sizeof *asked},
                {files_need_the_password})
