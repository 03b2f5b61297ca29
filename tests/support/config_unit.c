/* config_unit: configurations from a text or a command line, and what is in them. */
#include "support/config_unit.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- command lines and files --- */

struct config_loaded config_loaded;

static char *dir;

void config_folder_begin(void)
{
    dir = strdup("/tmp/slotway-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

void config_folder_end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    free(dir);
}

char *config_write_file(const char *name, const char *text)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return path;
}

struct config *config_load_words(char *const argv[])
{
    int argc = 0;
    FILE *out, *err;

    config_loaded = (struct config_loaded){0};
    out = fmemopen(config_loaded.out, sizeof(config_loaded.out), "w");
    err = fmemopen(config_loaded.err, sizeof(config_loaded.err), "w");
    while (argv[argc])
        argc++;
    config_loaded.outcome = config_load(argc, argv, out, err, &config_loaded.config);
    fclose(out);
    fclose(err);
    return config_loaded.config;
}
