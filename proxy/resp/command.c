/* The table of commands and finding one in it.
 * A table is one array of commands (first all without container, then the subcommands of each
 * container, both by name) and one open-addressed index over it. */
#include "resp/command.h"
#include "base/compiler.h"
#include "resp/command_row.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_PARENT    0xffffu
#define COMMANDS_MAX 0xfffeu

/* A name as two words, which with its length are the whole of a name of up to 16 bytes: its first
 * and its last 8 bytes, or all in the first word. */
struct name_key {
    uint64_t head;
    uint64_t tail;
};

struct index_slot {
    struct name_key key;     /* of the name in lower case */
    struct name_key letters; /* 0x20 for each byte that is a letter: case does not matter there */
    const struct command *command; /* NULL: free slot */
    uint64_t level;                /* see level_of */
};

struct command_table {
    struct command *commands;
    uint32_t count;
    uint32_t ntop; /* commands without container; they come first */
    uint32_t shift;
    uint32_t mask;
    struct index_slot *index;
    char *names;                   /* owned text of all names */
    struct command_keyspec *specs; /* owned specifications of all commands */
};

/* --- names ------------------------------------------------------------------------------------*/

static inline uint64_t load8(const char *s)
{
    uint64_t w;

    memcpy(&w, s, 8);
    return w;
}

static inline uint32_t load4(const char *s)
{
    uint32_t w;

    memcpy(&w, s, 4);
    return w;
}

static inline struct name_key name_key(const char *s, uint32_t len)
{
    struct name_key key = {0, 0};

    if (len >= 8) {
        key.head = load8(s);
        key.tail = load8(s + len - 8);
    } else if (len >= 4) {
        key.head = load4(s) | (uint64_t)load4(s + len - 4) << 32;
    } else if (len > 0) {
        key.head = (uint8_t)s[0] | (uint32_t)(uint8_t)s[len / 2] << 8 |
                   (uint32_t)(uint8_t)s[len - 1] << 16;
    }
    return key;
}

/* Length of a name together with the index of its container (NO_PARENT: none). */
static inline uint64_t level_of(uint32_t len, uint32_t parent)
{
    return (uint64_t)parent << 32 | len;
}

/* The same for names that differ in case only. */
static inline uint32_t key_hash(const struct name_key *key, uint64_t level, uint32_t shift)
{
    const uint64_t lower = 0x2020202020202020u;
    uint64_t h = (key->head | lower) ^ ((key->tail | lower) * 0x9e3779b97f4a7c15u) ^ level;

    return (uint32_t)((h * 0xd6e8feb86659fd93u) >> shift);
}

/* The part of a command's name that a client sends at its level: "get" of "config|get". */
static const char *own_name(const struct command *cmd)
{
    const char *bar = strchr(cmd->name, '|');

    return bar ? bar + 1 : cmd->name;
}

static inline bool slot_matches(const struct index_slot *slot, const struct name_key *key,
                                uint64_t level)
{
    return (key->head | slot->letters.head) == slot->key.head && slot->level == level &&
           (key->tail | slot->letters.tail) == slot->key.tail;
}

/* Names of more than 16 bytes, whose middle the key does not hold. */
static OUTLINED const struct command *
index_find_long(const struct command_table *table, const char *name, uint32_t len, uint32_t parent)
{
    struct name_key key = name_key(name, len);
    uint64_t level = level_of(len, parent);
    uint32_t i = key_hash(&key, level, table->shift);

    for (; table->index[i].command; i = (i + 1) & table->mask)
        if (slot_matches(&table->index[i], &key, level) &&
            strncasecmp(name, own_name(table->index[i].command), len) == 0)
            return table->index[i].command;
    return NULL;
}

static inline const struct command *index_find(const struct command_table *table, const char *name,
                                               uint32_t len, uint32_t parent)
{
    struct name_key key;
    uint64_t level = level_of(len, parent);
    uint32_t i;

    if (UNLIKELY(len > 16))
        return index_find_long(table, name, len, parent);
    key = name_key(name, len);
    i = key_hash(&key, level, table->shift);
    while (UNLIKELY(!slot_matches(&table->index[i], &key, level))) {
        if (!table->index[i].command)
            return NULL;
        i = (i + 1) & table->mask;
    }
    return table->index[i].command;
}

/* 0x20 in each byte of w that is a lower-case letter. */
static uint64_t letters_of(uint64_t w)
{
    uint64_t letters = 0;

    for (int shift = 0; shift < 64; shift += 8) {
        uint8_t c = (uint8_t)(w >> shift);
        if (c >= 'a' && c <= 'z')
            letters |= (uint64_t)0x20 << shift;
    }
    return letters;
}

static void index_add(struct command_table *table, const struct command *cmd, uint32_t parent)
{
    const char *name = own_name(cmd);
    uint32_t len = (uint32_t)strlen(name);
    struct name_key key = name_key(name, len);
    struct name_key letters = {letters_of(key.head), letters_of(key.tail)};
    uint64_t level = level_of(len, parent);
    uint32_t i = key_hash(&key, level, table->shift);

    while (table->index[i].command)
        i = (i + 1) & table->mask;
    table->index[i] = (struct index_slot){key, letters, cmd, level};
}

/* The command of a request whose first argument names a container. */
static OUTLINED const struct command *lookup_sub(const struct command_table *table,
                                                 const struct command *container,
                                                 const char *request, const struct resp_args *args,
                                                 bool *unknown_sub)
{
    const struct command *sub = index_find(table, request + args->v[1].off, args->v[1].len,
                                           (uint32_t)(container - table->commands));

    *unknown_sub = !sub;
    return sub ? sub : container;
}

const struct command *command_lookup(const struct command_table *table, const char *request,
                                     const struct resp_args *args, bool *unknown_sub)
{
    const struct command *cmd;

    *unknown_sub = false;
    if (UNLIKELY(args->argc == 0))
        return NULL;
    cmd = index_find(table, request + args->v[0].off, args->v[0].len, NO_PARENT);
    if (LIKELY(!cmd || !cmd->nsubcommands) || args->argc < 2)
        return cmd;
    return lookup_sub(table, cmd, request, args, unknown_sub);
}

/* --- making a table ---------------------------------------------------------------------------*/

/* Specifications that COMMAND cannot express, by hand. */
static const struct by_hand {
    const char *name;
    uint8_t nspecs;
    struct command_keyspec specs[2];
} by_hand[] = {
    {"sort",
     2,
     {{COMMAND_BEGIN_INDEX, COMMAND_FIND_RANGE, 1, 0, 1, 0, ""},
      {COMMAND_BEGIN_SORT_STORE, COMMAND_FIND_RANGE, 2, 0, 1, 0, ""}}},
    {"sort_ro", 1, {{COMMAND_BEGIN_INDEX, COMMAND_FIND_RANGE, 1, 0, 1, 0, ""}}},
    {"migrate", 1, {{COMMAND_BEGIN_MIGRATE, COMMAND_FIND_RANGE, 3, 0, 1, 0, ""}}},
};

static void row_specs(const struct command_row *row, const struct command_keyspec **specs,
                      uint8_t *nspecs)
{
    *specs = row->specs;
    *nspecs = row->nspecs < COMMAND_SPECS_MAX ? row->nspecs : COMMAND_SPECS_MAX;
    for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
        if (strcmp(by_hand[i].name, row->name) == 0) {
            *specs = by_hand[i].specs;
            *nspecs = by_hand[i].nspecs;
        }
    }
}

static uint32_t derived_flags(const struct command *cmd)
{
    static const char *const scripts[] = {"eval",       "eval_ro", "evalsha",
                                          "evalsha_ro", "fcall",   "fcall_ro"};
    const struct command_keyspec *spec = cmd->specs;
    uint32_t flags = 0;

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        if (strcmp(cmd->name, scripts[i]) == 0)
            flags |= COMMAND_SCRIPT | (cmd->flags & COMMAND_READONLY ? 0 : COMMAND_WRITE);
    if (cmd->nspecs != 1 || spec->begin != COMMAND_BEGIN_INDEX || spec->find != COMMAND_FIND_RANGE)
        return flags;
    if (spec->last == 0 && !(cmd->flags & COMMAND_MOVABLE) && abs(cmd->arity) > spec->at)
        flags |= COMMAND_ONE_KEY;
    if (spec->at == 1 && spec->last == -1 && spec->step == 2 && spec->limit == 0)
        flags |= COMMAND_PAIRS;
    return flags;
}

/* A row and where it came from: sorting keeps the earlier of two with one name first. */
struct sorted_row {
    const struct command_row *row;
    uint32_t order;
};

static int sorted_row_compare(const void *a, const void *b)
{
    const struct sorted_row *x = a, *y = b;
    bool x_sub = strchr(x->row->name, '|') != NULL, y_sub = strchr(y->row->name, '|') != NULL;
    int by_name;

    if (x_sub != y_sub)
        return x_sub ? 1 : -1;
    by_name = strcmp(x->row->name, y->row->name);
    if (by_name)
        return by_name;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* The rows in the order of the table, without doubles; free() releases. */
static struct sorted_row *rows_sort(const struct command_row *rows, uint32_t *nrows)
{
    struct sorted_row *sorted = malloc((*nrows + 1) * sizeof(*sorted));
    uint32_t kept = 0;

    if (!sorted)
        return NULL;
    for (uint32_t i = 0; i < *nrows; i++)
        sorted[i] = (struct sorted_row){&rows[i], i};
    qsort(sorted, *nrows, sizeof(*sorted), sorted_row_compare);
    for (uint32_t i = 0; i < *nrows; i++)
        if (kept == 0 || strcmp(sorted[kept - 1].row->name, sorted[i].row->name) != 0)
            sorted[kept++] = sorted[i];
    *nrows = kept;
    return sorted;
}

static struct command_table *table_alloc(const struct sorted_row *sorted, uint32_t nrows)
{
    struct command_table *table = calloc(1, sizeof(*table));
    size_t text = 1, nspecs = 1;
    uint32_t bits = 6;

    if (!table)
        return NULL;
    while ((1u << bits) < nrows * 4)
        bits++;
    for (uint32_t i = 0; i < nrows; i++) {
        text += strlen(sorted[i].row->name) + 1;
        nspecs += COMMAND_SPECS_MAX < sorted[i].row->nspecs + 2u ? COMMAND_SPECS_MAX
                                                                 : sorted[i].row->nspecs + 2u;
    }
    table->shift = 64 - bits;
    table->mask = (1u << bits) - 1;
    table->commands = calloc(nrows + 1, sizeof(*table->commands));
    table->index = calloc((size_t)1 << bits, sizeof(*table->index));
    table->names = malloc(text);
    table->specs = calloc(nspecs, sizeof(*table->specs));
    if (!table->commands || !table->index || !table->names || !table->specs) {
        command_table_free(table);
        return NULL;
    }
    return table;
}

/* Fill in a command from its row; name and specs point to its copies' places, and move on. */
static void command_fill(struct command *cmd, const struct command_row *row, char **name,
                         struct command_keyspec **specs)
{
    const struct command_keyspec *from;
    uint8_t nspecs;
    size_t len = strlen(row->name) + 1;

    row_specs(row, &from, &nspecs);
    memcpy(*name, row->name, len);
    if (nspecs)
        memcpy(*specs, from, nspecs * sizeof(*from));
    cmd->name = *name;
    cmd->arity = row->arity;
    cmd->flags = (uint16_t)row->flags;
    cmd->nspecs = nspecs;
    cmd->specs = nspecs ? *specs : NULL;
    cmd->flags |= (uint16_t)derived_flags(cmd);
    if (nspecs && from->begin == COMMAND_BEGIN_INDEX && from->find == COMMAND_FIND_RANGE)
        cmd->first_key = from->at;
    *name += len;
    *specs += nspecs;
    command_policy_apply(cmd, row);
}

/* The container of a subcommand among the commands of the table; NULL: it is not there. */
static struct command *container_of_row(struct command_table *table, const char *name)
{
    uint32_t len = (uint32_t)(strchr(name, '|') - name);

    return (struct command *)(uintptr_t)index_find(table, name, len, NO_PARENT);
}

struct command_table *command_table_make(const struct command_row *rows, uint32_t nrows)
{
    struct sorted_row *sorted = rows_sort(rows, &nrows);
    struct command_table *table = sorted ? table_alloc(sorted, nrows) : NULL;
    char *name = table ? table->names : NULL;
    struct command_keyspec *specs = table ? table->specs : NULL;

    for (uint32_t i = 0; table && i < nrows && table->count < COMMANDS_MAX; i++) {
        const struct command_row *row = sorted[i].row;
        struct command *cmd = &table->commands[table->count];
        bool is_sub = strchr(row->name, '|') != NULL;
        struct command *container = is_sub ? container_of_row(table, row->name) : NULL;
        if (is_sub && !container)
            continue;
        command_fill(cmd, row, &name, &specs);
        cmd->family = (uint16_t)table->count++;
        cmd->stat = command_stat_of(cmd);
        index_add(table, cmd, container ? container->family : NO_PARENT);
        if (!container) {
            table->ntop++;
        } else {
            container->subcommands = container->nsubcommands ? container->subcommands : cmd;
            container->nsubcommands++;
        }
    }
    free(sorted);
    return table;
}

void command_table_free(struct command_table *table)
{
    if (!table)
        return;
    free(table->commands);
    free(table->index);
    free(table->names);
    free(table->specs);
    free(table);
}

static struct command_table *builtin_table;

static void builtin_make(void)
{
    builtin_table = command_table_make(command_builtin_rows, command_builtin_nrows);
    if (!builtin_table)
        abort(); /* no memory at the very start */
}

const struct command_table *command_builtin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, builtin_make);
    return builtin_table;
}

uint32_t command_count(const struct command_table *table)
{
    return table->count;
}

const struct command *command_at(const struct command_table *table, uint32_t family)
{
    return family < table->count ? &table->commands[family] : NULL;
}
