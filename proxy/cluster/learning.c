/* learning: software -> table.
 * Tables are never freed: workers read them without a reference. There is one for each version and
 * set of modules that the process has met, so they are few. */
#include "cluster/learning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KNOWN 64

struct known {
    char software[LEARNING_NAME_LEN];
    uint64_t digest;
    struct command_table *table; /* NULL: its COMMAND reply made no sense */
};

struct learning {
    uint64_t digest; /* of the table in force; 0: none */
    uint32_t nknown;
    struct known known[MAX_KNOWN];
};

/* All tables ever made, so that leak checkers see that they are meant to stay. */
struct kept {
    struct kept *next;
    struct command_table *table;
};
static struct kept *kept_tables;

struct learning *learning_new(void)
{
    return calloc(1, sizeof(struct learning));
}

void learning_free(struct learning *l)
{
    free(l);
}

static const struct known *find(const struct learning *l, const char *software)
{
    for (uint32_t i = 0; i < l->nknown; i++)
        if (strcmp(l->known[i].software, software) == 0)
            return &l->known[i];
    return NULL;
}

bool learning_knows(const struct learning *l, const char *software)
{
    return find(l, software) || l->nknown == MAX_KNOWN;
}

static uint64_t digest_of(const char *s, size_t len)
{
    uint64_t digest = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < len; i++)
        digest = (digest ^ (unsigned char)s[i]) * 0x100000001b3ULL;
    return digest ? digest : 1;
}

static void keep(struct command_table *table)
{
    struct kept *k = malloc(sizeof(*k));

    if (!k)
        return;
    *k = (struct kept){kept_tables, table};
    kept_tables = k;
}

bool learning_take(struct learning *l, const char *software, const char *reply, size_t len,
                   const char **error)
{
    struct known *k = &l->known[l->nknown];

    *error = NULL;
    if (learning_knows(l, software))
        return true;
    l->nknown++;
    snprintf(k->software, sizeof(k->software), "%s", software);
    k->digest = digest_of(reply, len);
    k->table = command_learn(reply, len, error);
    if (k->table)
        keep(k->table);
    return k->table != NULL;
}

const struct command_table *learning_choose(struct learning *l, const char *const *software,
                                            size_t n)
{
    const struct known *best = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct known *k = find(l, software[i]);

        if (k && k->table && (!best || strverscmp(k->software, best->software) > 0))
            best = k;
    }
    if (!best || best->digest == l->digest)
        return NULL;
    l->digest = best->digest;
    return best->table;
}
