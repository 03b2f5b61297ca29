/* slowlog: keeps the latest slow requests of one worker. An entry is the text of its reply, so that
 * showing it is a copy. */
#include "flow/slowlog.h"
#include "base/memory.h"
#include "flow/client.h"
#include "flow/local_address.h"
#include "flow/secret.h"
#include "flow/session.h"
#include "flow/worker.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Redis' own limits on what is kept of a request. */
#define SLOWLOG_MAX_ARGS  32
#define SLOWLOG_MAX_BYTES 128

/* Longest entry: every argument with its header and "... (N more bytes)", address and name. */
#define SLOWLOG_ENTRY_MAX (SLOWLOG_MAX_ARGS * (SLOWLOG_MAX_BYTES + 64) + 2 * 512)

static _Atomic uint64_t slowlog_next_id;

struct slowlog *slowlog_new(void)
{
    return memory_zalloc(sizeof(struct slowlog));
}

static void slowlog_drop_oldest(struct slowlog *log)
{
    struct slowlog_entry *entry = log->oldest;
    log->oldest = entry->newer;
    if (!log->oldest)
        log->newest = NULL;
    log->count--;
    free(entry);
}

uint64_t slowlog_next(void)
{
    return atomic_load_explicit(&slowlog_next_id, memory_order_relaxed);
}

void slowlog_reset(struct slowlog *log, uint64_t before)
{
    while (log->count > 0 && log->oldest->id < before)
        slowlog_drop_oldest(log);
}

void slowlog_free(struct slowlog *log)
{
    if (!log)
        return;
    slowlog_reset(log, UINT64_MAX);
    free(log);
}

/* Text being written, with room for SLOWLOG_ENTRY_MAX bytes. */
struct slowlog_text {
    char *out;
    size_t len;
};

static void slowlog_put_bulk(struct slowlog_text *text, const char *data, size_t len,
                             const char *suffix)
{
    size_t more = strlen(suffix);
    text->len += (size_t)sprintf(text->out + text->len, "$%zu\r\n", len + more);
    if (len)
        memcpy(text->out + text->len, data, len);
    memcpy(text->out + text->len + len, suffix, more);
    text->len += len + more;
    text->out[text->len++] = '\r';
    text->out[text->len++] = '\n';
}

static void slowlog_put_argument(struct slowlog_text *text, const char *data, size_t len)
{
    char suffix[48] = "";
    if (len > SLOWLOG_MAX_BYTES) {
        snprintf(suffix, sizeof suffix, "... (%zu more bytes)", len - SLOWLOG_MAX_BYTES);
        len = SLOWLOG_MAX_BYTES;
    }
    slowlog_put_bulk(text, data, len, suffix);
}

/* The arguments of a request, cut and redacted as Redis does it. */
static void slowlog_put_arguments(struct slowlog_text *text, const char *request, size_t len)
{
    struct resp_args args;
    const char *error;
    size_t used;
    resp_args_init(&args);
    bool good = resp_scan_request(&args, request, len, &resp_unlimited, &used, &error) ==
                RESP_COMPLETE;
    uint32_t argc = good ? args.argc : 0;
    uint32_t shown = argc > SLOWLOG_MAX_ARGS ? SLOWLOG_MAX_ARGS - 1 : argc;
    const struct secret_rule *rule = argc ? secret_rule(request, &args) : NULL;
    text->len += (size_t)sprintf(text->out + text->len, "*%u\r\n", shown + (argc > shown));
    for (uint32_t i = 0; i < shown; i++) {
        if (secret_hides(rule, request, &args, i))
            slowlog_put_bulk(text, SECRET_SHOWN, strlen(SECRET_SHOWN), "");
        else
            slowlog_put_argument(text, request + args.v[i].off, args.v[i].len);
    }
    if (argc > shown) {
        char more[48];
        snprintf(more, sizeof more, "... (%u more arguments)", argc - shown);
        slowlog_put_bulk(text, "", 0, more);
    }
    resp_args_free(&args);
}

void slowlog_record(struct slowlog *log, uint32_t max_len, const char *request, size_t len,
                    int64_t time, uint64_t duration, const char *address, const char *name)
{
    char buf[SLOWLOG_ENTRY_MAX];
    struct slowlog_text text = {buf, 0};
    uint64_t id = atomic_fetch_add_explicit(&slowlog_next_id, 1, memory_order_relaxed);
    text.len = (size_t)sprintf(buf, "*6\r\n:%llu\r\n:%lld\r\n:%llu\r\n", (unsigned long long)id,
                               (long long)time, (unsigned long long)duration);
    slowlog_put_arguments(&text, request, len);
    slowlog_put_bulk(&text, address, strnlen(address, 256), "");
    slowlog_put_bulk(&text, name, strnlen(name, 256), "");

    struct slowlog_entry *entry = memory_alloc(sizeof *entry + text.len);
    entry->newer = NULL;
    entry->id = id;
    entry->inside = 0;
    entry->node = NODE_NONE;
    entry->len = (uint32_t)text.len;
    memcpy(entry->reply, buf, text.len);
    if (log->newest)
        log->newest->newer = entry;
    else
        log->oldest = entry;
    log->newest = entry;
    log->count++;
    while (log->count > max_len)
        slowlog_drop_oldest(log);
}

void slowlog_add(struct worker *w, struct client *c, const char *request, size_t len,
                 uint64_t duration)
{
    char address[LOCAL_ADDRESS_LEN] = "";
    const char *name = c && c->session && c->session->name ? c->session->name : "";
    if (c)
        local_address_peer(c, address);
    slowlog_record(w->slowlog, w->config->slowlog_max_len, request, len, (int64_t)time(NULL),
                   duration, address, name);
}
