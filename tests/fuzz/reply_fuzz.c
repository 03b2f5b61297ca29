/* reply_fuzz: any bytes as replies of a node; fed in small pieces they end where they end when fed
 * whole, and what the fast way accepts the general one accepts alike. */
#include "resp/resp.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static enum resp_result scan_in_steps(const uint8_t *data, size_t size, size_t step, size_t *end)
{
    struct resp_reply_scan scan = {0, 0};
    enum resp_result result = RESP_MORE;
    size_t at = 0, have = 0;

    while (result == RESP_MORE && have < size) {
        char *exact;
        size_t used;
        have = have + step < size ? have + step : size;
        exact = malloc(have - at ? have - at : 1); /* any read beyond the end is seen */
        memcpy(exact, data + at, have - at);
        result = resp_scan_reply(&scan, exact, have - at, &used);
        assert(used <= have - at);
        at += used;
        free(exact);
    }
    assert(result != RESP_COMPLETE || (scan.pending == 0 && scan.bulk_left == 0));
    *end = at;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4000)
        return 0;
    while (size) {
        size_t whole, split;
        size_t fast = resp_reply_fast((const char *)data, size);
        enum resp_result result = scan_in_steps(data, size, size, &whole);
        enum resp_result stepwise = scan_in_steps(data, size, 1, &split);
        assert(stepwise == result);
        assert(fast == 0 || (result == RESP_COMPLETE && whole == fast));
        if (result != RESP_COMPLETE)
            return 0;
        assert(whole == split);
        data += whole;
        size -= whole;
    }
    return 0;
}
