/* command_row: facts about one command as a table is made from them; between the files of command
 * only. Rows come from the built-in list or from a node's COMMAND reply. */
#ifndef SLOTWAY_RESP_COMMAND_ROW_H
#define SLOTWAY_RESP_COMMAND_ROW_H

#include "resp/command.h"

/* Where keys are. BEGIN finds the first position, FIND the positions from there on. */
enum command_begin {
    COMMAND_BEGIN_UNKNOWN,
    COMMAND_BEGIN_INDEX,
    COMMAND_BEGIN_KEYWORD,
    COMMAND_BEGIN_SORT_STORE, /* by hand: the last STORE option of SORT */
    COMMAND_BEGIN_MIGRATE     /* by hand: the key of MIGRATE or what follows its KEYS option */
};

enum command_find { COMMAND_FIND_UNKNOWN, COMMAND_FIND_RANGE, COMMAND_FIND_KEYNUM };

/* One key specification, with Redis' own meanings (redis.io/docs/reference/key-specs). */
struct command_keyspec {
    uint8_t begin; /* enum command_begin */
    uint8_t find;  /* enum command_find */
    int16_t at;    /* index: position; keyword: where the search starts, negative: from the end */
    int32_t last;  /* range: last key after the first, negative: from the end; keynum: position
                      of the number after the first position */
    int32_t step;  /* from one key to the next */
    int32_t limit; /* range: 1/limit of the rest are keys; keynum: first key after the first
                      position */
    char keyword[16]; /* upper case */
};

#define COMMAND_SPECS_MAX 8 /* specifications kept of one command */

/* Tips on where to send a command without keys and how to make one reply of many. */
enum command_request_policy { COMMAND_REQUEST_NONE, COMMAND_REQUEST_ALL, COMMAND_REQUEST_OTHER };

struct command_row {
    const char *name; /* lower case, "container|sub" */
    int16_t arity;
    uint32_t flags;
    uint8_t nspecs;
    const struct command_keyspec *specs;
    uint8_t request; /* enum command_request_policy */
    int8_t response; /* enum command_merge; -1: the tip says special; CONCAT: no tip */
};

/* The built-in rows, and those of commands that only slotway knows. */
extern const struct command_row command_builtin_rows[];
extern const uint32_t command_builtin_nrows;

/* Make a table of rows (copied; of rows with equal names the first counts). NULL: no memory. */
struct command_table *command_table_make(const struct command_row *rows, uint32_t nrows);

/* Set kind, merge and local of a command: by the table of policies, else from its facts. */
void command_policy_apply(struct command *cmd, const struct command_row *row);

/* The number of a command in statistics; a new one for a new name. Any thread. */
uint16_t command_stat_of(const struct command *cmd);

#endif
