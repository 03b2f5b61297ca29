/* request_fuzz: any bytes as a pipeline of requests; fed byte by byte they read the same as whole,
 * and inline requests turn into multibulk ones that the scanner accepts. */
#include "resp/resp.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct resp_limits limits = {1 << 20, 1 << 20, 1024, 4096};

/* What one scan of a request found. */
struct outcome {
    enum resp_result result;
    size_t used;
    uint32_t argc;
    struct resp_arg last;
};

static enum resp_result scan_exact(struct resp_args *args, const uint8_t *data, size_t size,
                                   size_t *used, const char **error)
{
    char *exact = malloc(size ? size : 1); /* any read beyond the end is seen */
    enum resp_result result;

    memcpy(exact, data, size);
    result = resp_scan_request(args, exact, size, &limits, used, error);
    free(exact);
    return result;
}

static struct outcome scan_in_steps(const uint8_t *data, size_t size, size_t step)
{
    struct resp_args args;
    struct outcome outcome = {RESP_MORE, 0, 0, {0, 0}};
    const char *error = NULL;

    resp_args_init(&args);
    for (size_t n = step < size ? step : size;; n = n + step < size ? n + step : size) {
        outcome.result = scan_exact(&args, data, n, &outcome.used, &error);
        if (outcome.result == RESP_MORE)
            assert(outcome.used > n);
        if (outcome.result != RESP_MORE || n == size)
            break;
    }
    if (outcome.result == RESP_ERROR)
        assert(error && *error && !strpbrk(error, "\r\n"));
    if (outcome.result == RESP_COMPLETE) {
        assert(outcome.used <= size && args.argc > 0);
        outcome.argc = args.argc;
        if (args.multibulk)
            outcome.last = args.v[args.argc - 1];
    }
    resp_args_free(&args);
    return outcome;
}

/* A scanner that remembers how an earlier request began finds the same as one that doesn't. */
static void check_seasoned(const uint8_t *data, size_t size, const struct outcome *fresh)
{
    static struct resp_args args;
    const char *error = NULL;
    size_t used = 0;

    resp_args_reset(&args);
    enum resp_result result = scan_exact(&args, data, size, &used, &error);
    assert(result == fresh->result);
    if (result != RESP_COMPLETE)
        return;
    assert(used == fresh->used && args.argc == fresh->argc);
    assert(!args.multibulk ||
           memcmp(&args.v[args.argc - 1], &fresh->last, sizeof fresh->last) == 0);
}

static void check_inline(const uint8_t *data, size_t size, uint32_t argc)
{
    char *out = malloc(RESP_INLINE_ENCODED_MAX(size));
    struct resp_args args;
    const char *error;
    size_t used, len;
    const struct resp_limits wide = {1 << 20, 1 << 20, 1 << 20, 4096};

    resp_args_init(&args);
    len = resp_inline_encode((const char *)data, size, out, &args);
    assert(len && len <= RESP_INLINE_ENCODED_MAX(size) && args.argc == argc);
    resp_args_reset(&args);
    assert(resp_scan_request(&args, out, len, &wide, &used, &error) == RESP_COMPLETE);
    assert(used == len && args.argc == argc);
    resp_args_free(&args);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 6000)
        return 0;
    while (size) {
        struct outcome whole = scan_in_steps(data, size, size);
        struct outcome split = scan_in_steps(data, size, size > 500 ? 37 : 1);
        check_seasoned(data, size, &whole);
        /* A line over the limit may be refused before what else is wrong with it is there. */
        assert(whole.result == split.result);
        if (whole.result != RESP_COMPLETE && whole.result != RESP_EMPTY)
            return 0;
        assert(whole.used == split.used && whole.argc == split.argc);
        assert(memcmp(&whole.last, &split.last, sizeof(whole.last)) == 0);
        if (whole.result == RESP_COMPLETE && *data != '*')
            check_inline(data, whole.used, whole.argc);
        data += whole.used;
        size -= whole.used;
    }
    return 0;
}
