/* script: bodies of the scripts that passed, by their SHA-1.
 * One table for all workers behind a mutex; a small cache per thread keeps EVAL of a known body
 * away from both the digest and the mutex. */
#include "flow/script.h"
#include "base/chunk.h"
#include "base/memory.h"
#include "flow/worker.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <uthash.h>

#define SCRIPT_MAX_BYTES (64 * 1024 * 1024) /* of all bodies; the oldest give way */
#define SCRIPT_SEEN      256                /* entries of a thread's cache */

struct script {
    unsigned char sha[SCRIPT_SHA_LEN];
    size_t len;
    UT_hash_handle hh;
    char body[];
};

static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER;
static struct script *scripts;
static size_t script_bytes;
static _Atomic uint32_t script_flushes;

static _Thread_local uint64_t script_seen[SCRIPT_SEEN];
static _Thread_local uint32_t script_seen_flushes;

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): only decides whether to look closer, but a
 * collision would hide a new script, so length and all bytes go in. */
static uint64_t script_hash(const char *body, size_t len)
{
    uint64_t hash = 14695981039346656037u ^ len;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)body[i]) * 1099511628211u;
    return hash | 1;
}

static void script_remove(struct script *script)
{
    HASH_DEL(scripts, script);
    script_bytes -= script->len;
    free(script);
}

static void script_add(const char *body, size_t len)
{
    unsigned char sha[SCRIPT_SHA_LEN];
    struct script *script;
    if (len > SCRIPT_MAX_BYTES || !EVP_Digest(body, len, sha, NULL, EVP_sha1(), NULL))
        return;
    pthread_mutex_lock(&script_lock);
    HASH_FIND(hh, scripts, sha, SCRIPT_SHA_LEN, script);
    if (!script) {
        script = memory_alloc(sizeof *script + len);
        memcpy(script->sha, sha, SCRIPT_SHA_LEN);
        memcpy(script->body, body, len);
        script->len = len;
        HASH_ADD(hh, scripts, sha, SCRIPT_SHA_LEN, script);
        script_bytes += len;
        while (script_bytes > SCRIPT_MAX_BYTES)
            script_remove(scripts); /* uthash keeps the order of insertion */
    }
    pthread_mutex_unlock(&script_lock);
}

void script_forget_all(void)
{
    pthread_mutex_lock(&script_lock);
    while (scripts)
        script_remove(scripts);
    pthread_mutex_unlock(&script_lock);
    atomic_fetch_add(&script_flushes, 1);
}

static void script_remember(const char *body, size_t len)
{
    uint32_t flushes = atomic_load_explicit(&script_flushes, memory_order_acquire);
    uint64_t hash = script_hash(body, len);
    if (flushes != script_seen_flushes) {
        memset(script_seen, 0, sizeof script_seen);
        script_seen_flushes = flushes;
    }
    if (script_seen[hash % SCRIPT_SEEN] == hash)
        return;
    script_add(body, len);
    script_seen[hash % SCRIPT_SEEN] = hash;
}

static bool script_arg_is(const char *request, const struct resp_args *args, uint32_t at,
                          const char *name)
{
    size_t len = strlen(name);
    return at < args->argc && args->v[at].len == len &&
           strncasecmp(request + args->v[at].off, name, len) == 0;
}

void script_on_request(const char *request, const struct resp_args *args)
{
    if (script_arg_is(request, args, 0, "script")) {
        if (script_arg_is(request, args, 1, "load") && args->argc == 3)
            script_remember(request + args->v[2].off, args->v[2].len);
        else if (script_arg_is(request, args, 1, "flush"))
            script_forget_all();
    } else if ((script_arg_is(request, args, 0, "eval") ||
                script_arg_is(request, args, 0, "eval_ro")) &&
               args->argc > 1) {
        script_remember(request + args->v[1].off, args->v[1].len);
    }
}

/* 40 hexadecimal digits. */
static bool script_parse_sha(const char *hex, size_t len, unsigned char sha[SCRIPT_SHA_LEN])
{
    if (len != 2 * SCRIPT_SHA_LEN)
        return false;
    for (int i = 0; i < SCRIPT_SHA_LEN; i++) {
        unsigned value;
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        if (strspn(pair, "0123456789abcdefABCDEF") != 2 || sscanf(pair, "%2x", &value) != 1)
            return false;
        sha[i] = (unsigned char)value;
    }
    return true;
}

static bool script_append_body(struct worker *w, const unsigned char sha[SCRIPT_SHA_LEN],
                               struct bufq *q)
{
    struct script *script;
    pthread_mutex_lock(&script_lock);
    HASH_FIND(hh, scripts, sha, SCRIPT_SHA_LEN, script);
    if (script) {
        char head[64];
        int len = snprintf(head, sizeof head, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n",
                           script->len);
        bufq_append(&w->chunks, q, head, (size_t)len);
        bufq_append(&w->chunks, q, script->body, script->len);
        bufq_append(&w->chunks, q, "\r\n", 2);
    }
    pthread_mutex_unlock(&script_lock);
    return script != NULL;
}

bool script_name(const char *data, const struct resp_args *args, unsigned char sha[SCRIPT_SHA_LEN])
{
    return args->argc > 1 &&
           (script_arg_is(data, args, 0, "evalsha") ||
            script_arg_is(data, args, 0, "evalsha_ro")) &&
           script_parse_sha(data + args->v[1].off, args->v[1].len, sha);
}

/* Has the shebang line of a body this flag? */
static bool script_has_flag(const char *body, size_t len, const char *flag)
{
    char line[256];
    const char *end = len > 2 && memcmp(body, "#!", 2) == 0 ? memchr(body, '\n', len) : NULL;
    if (!end || (size_t)(end - body) >= sizeof line)
        return false;
    memcpy(line, body, (size_t)(end - body));
    line[end - body] = '\0';
    char *flags = strstr(line, " flags=");
    char *rest = NULL;
    for (char *word = flags ? strtok_r(flags + strlen(" flags="), ", \t\r", &rest) : NULL; word;
         word = strtok_r(NULL, ", \t\r", &rest))
        if (strcmp(word, flag) == 0)
            return true;
    return false;
}

bool script_is_read_only(const char *request, const struct resp_args *args)
{
    unsigned char sha[SCRIPT_SHA_LEN];
    struct script *script;
    if (args->argc < 2)
        return false;
    const char *named = request + args->v[1].off;
    if (script_arg_is(request, args, 0, "eval"))
        return script_has_flag(named, args->v[1].len, "no-writes");
    if (!script_arg_is(request, args, 0, "evalsha") ||
        !script_parse_sha(named, args->v[1].len, sha))
        return false;
    pthread_mutex_lock(&script_lock);
    HASH_FIND(hh, scripts, sha, SCRIPT_SHA_LEN, script);
    bool read_only = script && script_has_flag(script->body, script->len, "no-writes");
    pthread_mutex_unlock(&script_lock);
    return read_only;
}

/* The same for a request that is not scanned. */
static bool script_named(const char *data, size_t len, unsigned char sha[SCRIPT_SHA_LEN])
{
    struct resp_args args;
    const char *error;
    size_t used;
    resp_args_init(&args);
    bool named = resp_scan_request(&args, data, len, &resp_unlimited, &used, &error) ==
                     RESP_COMPLETE &&
                 script_name(data, &args, sha);
    resp_args_free(&args);
    return named;
}

bool script_has(const char *hex, size_t len)
{
    unsigned char sha[SCRIPT_SHA_LEN];
    struct script *script;
    if (!script_parse_sha(hex, len, sha))
        return false;
    pthread_mutex_lock(&script_lock);
    HASH_FIND(hh, scripts, sha, SCRIPT_SHA_LEN, script);
    pthread_mutex_unlock(&script_lock);
    return script != NULL;
}

bool script_is_known(const char *data, size_t len)
{
    unsigned char sha[SCRIPT_SHA_LEN];
    struct script *script = NULL;
    if (!script_named(data, len, sha))
        return false;
    pthread_mutex_lock(&script_lock);
    HASH_FIND(hh, scripts, sha, SCRIPT_SHA_LEN, script);
    pthread_mutex_unlock(&script_lock);
    return script != NULL;
}

bool script_bring(struct worker *w, struct script_known *known,
                  const unsigned char sha[SCRIPT_SHA_LEN], struct bufq *q)
{
    uint32_t flushes = atomic_load_explicit(&script_flushes, memory_order_acquire);
    uint64_t mark;
    if (!known->v || known->flushes != flushes) {
        free(known->v);
        known->v = memory_zalloc(SCRIPT_SEEN * sizeof *known->v);
        known->flushes = flushes;
    }
    memcpy(&mark, sha, sizeof mark); /* a digest is as good as a hash of it */
    if (known->v[mark % SCRIPT_SEEN] == mark || !script_append_body(w, sha, q))
        return false;
    known->v[mark % SCRIPT_SEEN] = mark;
    return true;
}

bool script_prepare(struct worker *w, struct script_known *known, const char *data, size_t len,
                    struct bufq *q)
{
    unsigned char sha[SCRIPT_SHA_LEN];
    return script_named(data, len, sha) && script_bring(w, known, sha, q);
}

void script_known_free(struct script_known *known)
{
    free(known->v);
    known->v = NULL;
}
