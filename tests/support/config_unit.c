/* config_unit: configurations from a text, and what is in them. */
#include "support/config_unit.h"
#include <stdlib.h>
#include <string.h>

struct config *config_text(const char *text, struct config_error *error)
{
    return config_parse(text, strlen(text), "test.conf", error);
}

struct config *config_good(const char *text)
{
    struct config_error error;
    struct config *config = config_text(text, &error);

    ck_assert_msg(config != NULL, "%s", error.text);
    return config;
}

void config_bad(const char *text, const char *message)
{
    struct config_error error;

    ck_assert_ptr_null(config_text(text, &error));
    ck_assert_msg(strstr(error.text, message), "got: %s\nwanted: %s", error.text, message);
}

void config_shows(const struct config *config, const char *name, const char *value)
{
    char *got = config_value(config, config_find(name));

    ck_assert_str_eq(got, value);
    free(got);
}

void config_comes_from(const struct config *config, const char *name, const char *source)
{
    char got[CONFIG_SOURCE_LEN];

    config_source(config, config_find(name), got);
    ck_assert_str_eq(got, source);
}
