/* config_name: the directive of a name, or the one that was probably meant. */
#include "config_build.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool config_has_alias(const struct config_directive *d, const char *name)
{
    size_t len = strlen(name);

    for (const char *s = d->aliases; s && *s; s += strspn(s, " ")) {
        size_t word = strcspn(s, " ");
        if (word == len && strncasecmp(s, name, len) == 0)
            return true;
        s += word;
    }
    return false;
}

const struct config_directive *config_find(const char *name)
{
    for (uint32_t i = 0; i < config_directive_count; i++) {
        const struct config_directive *d = &config_directives[i];
        if (strcasecmp(d->name, name) == 0 || config_has_alias(d, name))
            return d;
    }
    return NULL;
}

static uint32_t config_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many characters must be added, removed or changed to make b of a (Levenshtein). */
static uint32_t config_distance(const char *a, const char *b)
{
    uint32_t row[64];
    uint32_t len = (uint32_t)strlen(b);

    for (uint32_t j = 0; j <= len; j++)
        row[j] = j;
    for (uint32_t i = 1; *a; i++, a++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= len; j++) {
            bool same = tolower((unsigned char)*a) == b[j - 1];
            uint32_t change = diagonal + (same ? 0 : 1);
            diagonal = row[j];
            row[j] = config_least(change, config_least(row[j], row[j - 1]) + 1);
        }
    }
    return row[len];
}

/* The name that was probably meant, NULL if none is near. */
static const char *config_nearest(const char *name)
{
    const char *best = NULL;
    uint32_t best_distance = (uint32_t)config_least((uint32_t)strlen(name) / 2, 4) + 1;

    for (uint32_t i = 0; i < config_directive_count && strlen(name) < 64; i++) {
        uint32_t d = config_distance(name, config_directives[i].name);
        if (d < best_distance) {
            best = config_directives[i].name;
            best_distance = d;
        }
    }
    return best;
}

const struct config_directive *config_named(struct config_build *b, const char *name,
                                            const struct config_origin *origin)
{
    const struct config_directive *d = config_find(name);
    const char *guess;

    if (!d && (guess = config_nearest(name)))
        config_problem(b, origin, "unknown directive \"%.60s\"; did you mean \"%s\"?", name, guess);
    else if (!d)
        config_problem(b, origin, "unknown directive \"%.60s\"; slotway --help lists all", name);
    return d;
}
