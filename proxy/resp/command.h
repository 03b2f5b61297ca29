/* command: the table of commands, where their keys are, and how slotway treats each.
 *
 * Facts about a command (arity, flags, key specifications, tips) come from the nodes' own COMMAND
 * reply when it is known, and from a built-in table until then. How slotway treats it (its kind)
 * comes from one table of policies here, and for commands that table does not name from the tips.
 */
#ifndef SLOTWAY_RESP_COMMAND_H
#define SLOTWAY_RESP_COMMAND_H

#include "base/compiler.h"
#include "resp/resp.h"
#include <stdbool.h>
#include <stdint.h>

/* How slotway treats a command. */
enum command_kind {
    COMMAND_KEYED,   /* to the owner of its keys' slot; keys in several slots: CROSSSLOT; a keyed
                        command that happens to have no key (EVAL … 0) goes to any master */
    COMMAND_SPLIT,   /* split by slot, see enum command_merge */
    COMMAND_ANY,     /* no keys: any one master (PUBLISH, COMMAND, LOLWUT …) */
    COMMAND_MASTERS, /* to every master, replies merged */
    COMMAND_LOCAL,   /* answered by slotway: `local` says by which handler */
    COMMAND_ADMIN,   /* refused unless allow-admin yes; then by its handler, or any one master */
    COMMAND_LATER,   /* holds state on a connection: one clear error until it is supported */
    COMMAND_REFUSED  /* never possible through one address: an error that says so */
};

/* How the replies of a split or fanned-out command become one. */
enum command_merge {
    COMMAND_MERGE_FIRST, /* all must succeed; the first reply is the answer (all_succeeded, MSET) */
    COMMAND_MERGE_SUM,   /* integers are added (agg_sum, DEL) */
    COMMAND_MERGE_MIN,   /* least integer, or element by element for arrays of integers */
    COMMAND_MERGE_MAX,   /* greatest integer */
    COMMAND_MERGE_AND,   /* logical and of integers, element by element for arrays */
    COMMAND_MERGE_OR,    /* one success is enough, element by element for arrays of integers */
    COMMAND_MERGE_CONCAT, /* arrays (maps, sets) one after the other (KEYS, default without keys) */
    COMMAND_MERGE_KEYS,   /* arrays put together again in the order of the request's keys (MGET) */
    COMMAND_MERGE_SPECIAL /* code of its own, chosen by `local` (INFO, SCAN, RANDOMKEY …) */
};

/* Every handler in slotway that a policy can name: locally answered commands and special merges.
 * X(enumerator suffix) is kept in command_local.def: one row a handler, and the policy table in
 * command_policy.c refers to it. */
enum command_local {
    COMMAND_LOCAL_NONE,
#define X(name) COMMAND_LOCAL_##name,
#include "resp/command_local.def"
#undef X
    COMMAND_LOCAL_COUNT
};

#define COMMAND_WRITE          (1u << 0) /* may change data: never sent twice */
#define COMMAND_READONLY       (1u << 1) /* only reads: may be retried and sent to a replica */
#define COMMAND_BLOCKING       (1u << 2)
#define COMMAND_NOAUTH         (1u << 3) /* allowed before AUTH */
#define COMMAND_PUBSUB         (1u << 4)
#define COMMAND_SCRIPT         (1u << 5) /* EVAL, EVALSHA, FCALL and _RO forms */
#define COMMAND_ONE_KEY        (1u << 6) /* exactly one key, always at args[first_key]: the fast path */
#define COMMAND_MOVABLE        (1u << 7) /* key positions depend on the arguments */
#define COMMAND_NOSCRIPT       (1u << 8)
#define COMMAND_ADMINISTRATIVE (1u << 9)  /* Redis' own "admin" flag */
#define COMMAND_MAY_REPLICATE  (1u << 14) /* replicated although only a read: PFCOUNT */
#define COMMAND_PAIRS          (1u << 10) /* MSET, MSETNX: key value key value …, so argc is odd */
#define COMMAND_ALONE          (1u << 11) /* nothing of its client is under way beside it */
#define COMMAND_SKIP_MONITOR   (1u << 12) /* Redis' own "skip_monitor" flag */
#define COMMAND_NO_MULTI       (1u << 13) /* Redis does not allow it inside MULTI */

struct command_keyspec; /* command_row.h */

struct command {
    const char *name;  /* lower case, subcommands as Redis prints them: "config|get" */
    int16_t arity;     /* as COMMAND reports it: n exactly, -n at least, with the name */
    int16_t first_key; /* position of the first key, 0: none (from the key specification) */
    uint16_t flags;    /* COMMAND_… bits */
    uint8_t kind;      /* enum command_kind */
    uint8_t merge;     /* enum command_merge */
    uint8_t local;     /* enum command_local */
    uint16_t family;   /* dense index of this command (with subcommand) in its table */
    uint16_t stat;     /* the same for statistics: one name, one number in all tables */
    uint16_t nspecs;
    const struct command_keyspec *specs;
    const struct command *subcommands; /* NULL: none */
    uint16_t nsubcommands;
};

struct command_table; /* immutable once made */

/* The table that serves before any node has been asked. Never freed. */
const struct command_table *command_builtin(void);

/* Make a table from the raw RESP2 bytes of a COMMAND reply (hiredis' reader parses it). Commands
 * that only slotway knows (PROXY) are added; policies are applied. NULL and *error (static text) if
 * the reply is not what COMMAND answers. Owner: caller; command_table_free. */
struct command_table *command_learn(const char *reply, size_t len, const char **error);
void command_table_free(struct command_table *table);
uint32_t command_count(const struct command_table *table); /* commands with subcommands */
const struct command *command_at(const struct command_table *table, uint32_t family);

/* The name behind `stat` (NULL: not given out). Numbers are given in order, from 0; what comes when
 * all are given out counts as the last one, "other". */
#define COMMAND_STATS 1024
const char *command_stat_name(uint32_t stat);
/* Families of commands, by what they do. */
#define COMMAND_STAT_FAMILIES 5
extern const char *const command_stat_families[COMMAND_STAT_FAMILIES];
unsigned command_stat_family(uint32_t stat);

/* Find the command of a request; resolves the subcommand (args[1]) of containers: for an unknown
 * subcommand the container itself is returned with *unknown_sub = true. NULL: no such command. The
 * name is matched without regard to case. On the hot path: no allocation, no loop over the table.
 */
const struct command *command_lookup(const struct command_table *table, const char *request,
                                     const struct resp_args *args, bool *unknown_sub);

/* Is argc (with the name) right for this command's arity (and its pairs of arguments)? */
static inline bool command_arity_ok(const struct command *cmd, uint32_t argc)
{
    if (UNLIKELY(cmd->flags & COMMAND_PAIRS && argc % 2 == 0))
        return false;
    return cmd->arity >= 0 ? argc == (uint32_t)cmd->arity : argc >= (uint32_t)-cmd->arity;
}

/* Positions of keys in a request. Owner: the thread that made it; grown as needed. */
struct command_keys {
    uint32_t *v;
    uint32_t count;
    uint32_t cap;
};
void command_keys_free(struct command_keys *keys);

/* Fill in the positions of all keys in the order in which Redis names them. 0; or -1 if the
 * arguments make no sense for the command (numkeys out of range, a missing STREAMS …): then the
 * request is to be sent to any master, whose error text is the right one. */
int command_find_keys(const struct command *cmd, const char *request, const struct resp_args *args,
                      struct command_keys *keys);

/* May this very request block at the node? XREAD and XREADGROUP only with their BLOCK option. */
bool command_is_blocking(const struct command *cmd, const char *request,
                         const struct resp_args *args);

/* Redis' error texts, written to out without "-" and line end, as many bytes as fit in cap
 * (COMMAND_ERROR_MAX is enough for all); they return the length. What comes from the client has no
 * line ends left in it. */
#define COMMAND_ERROR_MAX 512
/* "ERR unknown command 'x', with args beginning with: 'a' 'b' " */
size_t command_error_unknown(char *out, size_t cap, const char *request,
                             const struct resp_args *args);
/* "ERR unknown subcommand 'x'. Try CLIENT HELP." */
size_t command_error_subcommand(char *out, size_t cap, const struct command *container,
                                const char *request, const struct resp_args *args);
/* "ERR wrong number of arguments for 'client|kill' command" */
size_t command_error_arity(char *out, size_t cap, const struct command *cmd);

#endif
