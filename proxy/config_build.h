/* config_build: a snapshot that is being made, and who makes it: config_read from files and flags,
 * config from older ones. Private to config*.c; everyone else includes config.h. */
#ifndef SLOTWAY_CONFIG_BUILD_H
#define SLOTWAY_CONFIG_BUILD_H

#include "config_table.h"
#include <stdio.h>

#define CONFIG_MAX_FILES      64 /* read, with every include */
#define CONFIG_MAX_DIRECTIVES 128

/* Later kinds win over earlier ones. */
enum config_origin_kind {
    CONFIG_ORIGIN_DEFAULT,
    CONFIG_ORIGIN_FILE,
    CONFIG_ORIGIN_FLAG,
    CONFIG_ORIGIN_RUNTIME
};

struct config_origin {
    uint8_t kind;  /* enum config_origin_kind */
    uint16_t file; /* position in files, CONFIG_ORIGIN_FILE only */
    uint32_t line;
};

/* What a struct config really is: its public part first, so that a pointer to one is a pointer to
 * the other. */
struct config_snapshot {
    struct config config;
    struct config_origin origins[CONFIG_MAX_DIRECTIVES];
    struct config_list files; /* every file read, by name; the first is the one of -c */
    struct config_list flags; /* command line, without the program's name: read again on reload */
};

/* A snapshot being made. */
struct config_build {
    struct config_snapshot *snapshot;
    FILE *problems; /* one line each */
    uint32_t nproblems;
    uint32_t max_files;
};

/* What the command line has besides directives. */
struct config_command_line {
    const char *file; /* -c, NULL: none */
    bool check;       /* -t */
    bool help;
    bool version;
};

/* Something is wrong there (origin NULL: with the whole): a line for whoever reads it. */
__attribute__((format(printf, 3, 4))) void
config_problem(struct config_build *b, const struct config_origin *origin, const char *format, ...);
/* Set a directive from n words that stood at origin. */
void config_apply(struct config_build *b, const struct config_directive *d, char *const *words,
                  uint32_t n, struct config_origin origin);

/* The directive of that name; NULL: there is none, which is a problem now, with a guess. */
const struct config_directive *config_named(struct config_build *b, const char *name,
                                            const struct config_origin *origin);

/* Apply the lines of a text, which has the name of a file; those of a file, named at `from` (NULL:
 * on the command line), and of all that it includes. */
void config_read_text(struct config_build *b, const char *text, size_t len, const char *name);
void config_read_file(struct config_build *b, const char *path, const struct config_origin *from);
/* The command line in b's snapshot: its options into line, and if `values` is set its directives
 * and nodes into the snapshot. The file comes first, as flags win over it: so this is done twice,
 * the second time for the values. */
void config_read_flags(struct config_build *b, struct config_command_line *line, bool values);

#endif
