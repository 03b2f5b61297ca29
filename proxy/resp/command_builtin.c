/* The commands known before any node has been asked: facts of Redis 7.0 and what later versions
 * added. `tests/support/dump-commands` prints the rows of command_builtin.def from a server. */
#include "resp/command_row.h"

enum {
    WRITE = COMMAND_WRITE,
    READONLY = COMMAND_READONLY,
    BLOCKING = COMMAND_BLOCKING,
    NOAUTH = COMMAND_NOAUTH,
    PUBSUB = COMMAND_PUBSUB,
    MOVABLE = COMMAND_MOVABLE,
    NOSCRIPT = COMMAND_NOSCRIPT,
    ADMIN = COMMAND_ADMINISTRATIVE,
    NO_MULTI = COMMAND_NO_MULTI
};

#define RANGE(at, last, step)                                                                      \
    {                                                                                              \
        COMMAND_BEGIN_INDEX, COMMAND_FIND_RANGE, at, last, step, 0, ""                             \
    }
#define NUMKEYS(at, number, first, step)                                                           \
    {                                                                                              \
        COMMAND_BEGIN_INDEX, COMMAND_FIND_KEYNUM, at, number, step, first, ""                      \
    }
#define AFTER(keyword, from, last, step, limit)                                                    \
    {                                                                                              \
        COMMAND_BEGIN_KEYWORD, COMMAND_FIND_RANGE, from, last, step, limit, keyword                \
    }
#define BY_HAND                                                                                    \
    {                                                                                              \
        COMMAND_BEGIN_UNKNOWN, COMMAND_FIND_UNKNOWN, 0, 0, 0, 0, ""                                \
    }

#define SPECS(...)                                                                                 \
    (const struct command_keyspec[])                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NSPECS(...) (sizeof(SPECS(__VA_ARGS__)) / sizeof(struct command_keyspec))
#define KEYLESS(name, arity, flags)                                                                \
    {name, arity, flags, 0, NULL, COMMAND_REQUEST_NONE, COMMAND_MERGE_CONCAT},
#define KEYED(name, arity, flags, ...)                                                             \
    {name,                                                                                         \
     arity,                                                                                        \
     flags,                                                                                        \
     NSPECS(__VA_ARGS__),                                                                          \
     SPECS(__VA_ARGS__),                                                                           \
     COMMAND_REQUEST_NONE,                                                                         \
     COMMAND_MERGE_CONCAT},

const struct command_row command_builtin_rows[] = {
#include "resp/command_builtin.def"
};

const uint32_t command_builtin_nrows = sizeof(command_builtin_rows) /
                                       sizeof(command_builtin_rows[0]);
