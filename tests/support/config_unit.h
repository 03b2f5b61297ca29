/* config_unit: configurations from a text, and what is in them. */
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

#endif
