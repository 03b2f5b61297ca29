/* config_table: the row of a directive, and what the files that share the table tell each other.
 * Private to config*.c; everyone else includes config.h. */
#ifndef SLOTWAY_CONFIG_TABLE_H
#define SLOTWAY_CONFIG_TABLE_H

#include "config.h"

enum config_kind {
    CONFIG_BOOL,    /* yes or no */
    CONFIG_INT,     /* a whole number */
    CONFIG_SIZE,    /* bytes, with k, kb, m, mb, g or gb */
    CONFIG_SECONDS, /* a duration, stored in seconds */
    CONFIG_MILLIS,  /* a duration, stored in milliseconds */
    CONFIG_STRING,
    CONFIG_ENUM, /* one of choices[], stored as its position */
    CONFIG_LIST, /* any number of words */
    CONFIG_MODE  /* permission bits in octal */
};

#define CONFIG_RUNTIME (1u << 0) /* config_set and reload may change it */
#define CONFIG_UNUSED  (1u << 1) /* accepted, does nothing yet */
#define CONFIG_SECRET  (1u << 2) /* a password */
#define CONFIG_CORES   (1u << 3) /* "auto": the number of cores this process may use */

struct config_directive {
    const char *name;
    const char *aliases;  /* separated by blanks; NULL: none */
    const char *fallback; /* default, as the file would have it */
    const char *help;
    const char *sample;              /* lines of the sample file instead of "# name default" */
    const char *const *choices;      /* CONFIG_ENUM: NULL-terminated */
    bool (*check)(const char *word); /* strings and each word of lists; NULL: anything */
    const char *allowed;             /* strings and lists: what check accepts */
    int64_t min;
    int64_t max;
    uint16_t offset; /* in struct config */
    uint8_t width;   /* sizeof the field */
    uint8_t kind;    /* enum config_kind */
    uint8_t section; /* index of config_sections */
    uint8_t flags;   /* CONFIG_… bits */
};

struct config_section {
    const char *title;
    const char *intro;  /* a paragraph for the documents; NULL: none */
    const char *sample; /* lines of the sample file after the intro; NULL: none */
};

extern const struct config_directive config_directives[];
extern const uint32_t config_directive_count;
extern const struct config_section config_sections[];
extern const uint32_t config_section_count;

#define CONFIG_WHY_LEN 400

/* Set d's field from words; append: add to a list instead of replacing it. False and why (what is
 * wrong, what is allowed): the field is as before. */
bool config_value_set(struct config *c, const struct config_directive *d, char *const *words,
                      uint32_t n, bool append, char why[CONFIG_WHY_LEN]);
/* Copy d's field into a snapshot whose own was freed or never set. */
void config_value_copy(struct config *to, const struct config *from,
                       const struct config_directive *d);
bool config_value_equal(const struct config *a, const struct config *b,
                        const struct config_directive *d);
void config_value_free(struct config *c, const struct config_directive *d);
/* "a number from 0 to 65535": for messages and documents. */
void config_value_allowed(const struct config_directive *d, FILE *out);

void config_list_add(struct config_list *list, const char *word);
void config_list_free(struct config_list *list);
/* Split a line into words with the quoting of redis.conf. False: quotes are not balanced, a NUL. */
bool config_list_split(struct config_list *list, const char *line, size_t len);

/* Checks of words, for the table. */
bool config_check_bind(const char *word);
bool config_check_address(const char *word);
bool config_check_address_map(const char *word);
bool config_check_network(const char *word);

#endif
