/* config_table_test: what holds of every row of the table of directives. */
#include "config_table.h"
#include "support/config_unit.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define each(d)                                                                                    \
    for (const struct config_directive *d = config_directives,                                     \
                                       *end_ = config_directives + config_directive_count;         \
         d < end_; d++)

static bool is_number(const struct config_directive *d)
{
    return d->kind == CONFIG_INT || d->kind == CONFIG_SIZE || d->kind == CONFIG_SECONDS ||
           d->kind == CONFIG_MILLIS;
}

/* Is d set to this number in a snapshot of its own? */
static bool takes(const struct config_directive *d, int64_t number)
{
    char text[32], why[CONFIG_WHY_LEN], *words[] = {text};
    struct config *c = config_default();
    snprintf(text, sizeof text, "%" PRId64, number);
    bool good = config_value_set(c, d, words, 1, false, why);
    if (good) { /* and it is what is read, not what fits in a field that is too small */
        char *value = config_value(c, d);
        struct config *again = config_default();
        char *shown[] = {value};
        ck_assert_msg(config_value_set(again, d, shown, 1, false, why), "%s: %s", d->name, why);
        ck_assert_msg(config_value_equal(c, again, d), "%s: %s is shown as %s", d->name, text,
                      value);
        free(value);
        config_unref(again);
    } else {
        ck_assert_msg(*why, "%s: %s is refused without a word", d->name, text);
    }
    config_unref(c);
    return good;
}

START_TEST(bounds_of_numbers_are_taken_and_what_is_past_them_is_not)
{
    each(d)
    {
        if (!is_number(d))
            continue;
        ck_assert_msg(d->min < d->max, "%s", d->name);
        ck_assert_msg(takes(d, d->min) && takes(d, d->max), "%s", d->name);
        ck_assert_msg(d->min == INT64_MIN || !takes(d, d->min - 1), "%s", d->name);
        ck_assert_msg(d->max == INT64_MAX || !takes(d, d->max + 1), "%s", d->name);
        ck_assert_msg(d->width >= 8 || (uint64_t)d->max >> (8 * d->width) == 0,
                      "%s: %" PRId64 " is more than its field holds", d->name, d->max);
    }
}
END_TEST

START_TEST(names_are_there_once)
{
    char all[8192] = " ";
    each(d)
    {
        char names[256], *rest = names;
        snprintf(names, sizeof names, "%s %s", d->name, d->aliases ? d->aliases : "");
        for (char *name; (name = strsep(&rest, " "));) {
            char word[128];
            snprintf(word, sizeof word, " %.100s ", name);
            if (!*name)
                continue;
            for (const char *p = name; *p; p++)
                ck_assert_msg(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-',
                              "%s", name);
            ck_assert_msg(strstr(all, word) == NULL, "%s is there twice", name);
            ck_assert_uint_lt(strlen(all) + strlen(word), sizeof all);
            strcat(all, word);
        }
    }
}
END_TEST

START_TEST(fields_do_not_overlap)
{
    static unsigned char taken[sizeof(struct config)];
    each(d)
    {
        ck_assert_msg(d->offset + d->width <= (int)sizeof(struct config), "%s", d->name);
        for (unsigned i = d->offset; i < (unsigned)d->offset + d->width; i++)
            ck_assert_msg(!taken[i]++, "%s shares its field with another one", d->name);
    }
}
END_TEST

START_TEST(defaults_are_allowed)
{
    struct config *c = config_default();
    each(d)
    {
        char why[CONFIG_WHY_LEN], *words[] = {(char *)d->fallback};
        struct config *other = config_default();
        ck_assert_ptr_nonnull(d->fallback);
        if (d->kind != CONFIG_LIST || *d->fallback)
            ck_assert_msg(config_value_set(other, d, words, 1, false, why), "%s: %s", d->name, why);
        ck_assert_msg(config_value_equal(c, other, d), "%s", d->name);
        config_unref(other);
    }
    config_unref(c);
}
END_TEST

START_TEST(each_is_told_of_in_documents)
{
    uint8_t section = 0;
    each(d)
    {
        size_t len = strlen(d->help);
        ck_assert_msg(len > 10 && (d->help[len - 1] == '.' || strstr(d->help, "…")), "%s: %s",
                      d->name, d->help);
        ck_assert_msg(d->section < config_section_count, "%s", d->name);
        ck_assert_msg(d->section == section || d->section == section + 1,
                      "%s is apart from its section", d->name);
        section = d->section;
        if (d->sample) /* a line of it is about this directive */
            ck_assert_msg(strstr(d->sample, d->name) && d->sample[strlen(d->sample) - 1] == '\n',
                          "%s", d->name);
        if (d->check)
            ck_assert_msg(d->allowed && *d->allowed, "%s does not say what is allowed", d->name);
    }
    ck_assert_uint_eq(section, config_section_count - 1);
    for (uint32_t i = 0; i < config_section_count; i++)
        ck_assert(config_sections[i].title && *config_sections[i].title);
}
END_TEST

START_TEST(flags_fit_the_kind)
{
    unsigned secrets = 0;
    each(d)
    {
        secrets += (d->flags & CONFIG_SECRET) != 0;
        ck_assert_msg(!(d->flags & CONFIG_SECRET) || d->kind == CONFIG_STRING, "%s", d->name);
        ck_assert_msg(!(d->flags & CONFIG_CORES) || d->kind == CONFIG_INT, "%s", d->name);
        ck_assert_msg(!(d->flags & CONFIG_UNUSED) || !(d->flags & CONFIG_RUNTIME),
                      "%s does nothing, and may be changed", d->name);
        ck_assert_msg((d->choices != NULL) == (d->kind == CONFIG_ENUM), "%s", d->name);
        ck_assert_msg(!strstr(d->name, "pass") || d->flags & CONFIG_SECRET, "%s is shown", d->name);
    }
    ck_assert_uint_gt(secrets, 1);
}
END_TEST

/* Sockets and threads are made once. */
START_TEST(what_is_fixed_at_the_start)
{
    static const char *const fixed[] = {"port",       "bind",       "threads", "stats-port",
                                        "stats-bind", "unixsocket", "pidfile"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        ck_assert_msg(!config_is_runtime(config_find(fixed[i])), "%s", fixed[i]);
    static const char *const changed[] = {"loglevel",    "maxclients",    "stats-password",
                                          "requirepass", "cluster-nodes", "read-from"};
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        ck_assert_msg(config_is_runtime(config_find(changed[i])), "%s", changed[i]);
}
END_TEST

UNIT_SUITE("config_table", {bounds_of_numbers_are_taken_and_what_is_past_them_is_not},
           {names_are_there_once}, {fields_do_not_overlap}, {defaults_are_allowed},
           {each_is_told_of_in_documents}, {flags_fit_the_kind}, {what_is_fixed_at_the_start})
