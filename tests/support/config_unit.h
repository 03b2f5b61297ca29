/* config_unit: configurations from a text or a command line, and what is in them. */
#ifndef SLOTWAY_TESTS_CONFIG_UNIT_H
#define SLOTWAY_TESTS_CONFIG_UNIT_H

#include "config.h"
#include "support/unit.h"

/* The configuration of a file test.conf with this text. NULL with error, or config_good fails. */
struct config *config_text(const char *text, struct config_error *error);
struct config *config_good(const char *text);
/* This text is refused, with a message that has this in it. */
void config_bad(const char *text, const char *message);

/* The directive has this value, from this source. */
void config_shows(const struct config *config, const char *name, const char *value);
void config_comes_from(const struct config *config, const char *name, const char *source);

/* What loading from a command line gave. */
struct config_loaded {
    enum config_outcome outcome;
    struct config *config;
    char out[32768];
    char err[4096];
};
extern struct config_loaded config_loaded;

/* Load from these words of a command line: config_load_from("-c", path). Returns its configuration.
 */
#define config_load_from(...) config_load_words((char *[]){"slotway", __VA_ARGS__, NULL})
struct config *config_load_words(char *const argv[]);

/* Setup and teardown: a folder of the test's own. */
void config_folder_begin(void);
void config_folder_end(void);
/* Write a file in it; its path is valid until the fourth call after this. */
char *config_write_file(const char *name, const char *text);

#endif
