/* config_fuzz: any bytes as a configuration file; what is accepted can be printed and set again. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>

static void set_again(void *ctx, const struct config_directive *d, const char *value)
{
    struct config *config = ctx;
    struct config_error error;

    if (!config_is_runtime(d))
        return;
    struct config *again = config_set(config, config_name(d), value, &error);
    assert(again);
    char *same = config_value(again, d);
    assert(same);
    free(same);
    config_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error error;
    struct config *config = config_parse((const char *)data, size, "fuzz.conf", &error);
    char host[CONFIG_HOST_LEN] = "10.0.0.1";
    uint16_t port = 7000;

    if (!config) {
        assert(*error.text);
        return 0;
    }
    config_match(config, "*", set_again, config);
    config_map_address(config, host, &port);
    config_unref(config);
    return 0;
}
