/* config_value: one value of the configuration as text and as a field of struct config.
 * Also the lists of words that lines and values are made of. */
#define _GNU_SOURCE
#include "config_table.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1},           {"b", 1},          {"k", 1000},
                                         {"kb", 1LL << 10}, {"m", 1000000},    {"mb", 1 << 20},
                                         {"g", 1000000000}, {"gb", 1LL << 30}, {NULL, 0}};
static const struct unit second_units[] = {{"", 1},     {"s", 1},     {"m", 60}, {"min", 60},
                                           {"h", 3600}, {"d", 86400}, {NULL, 0}};
static const struct unit milli_units[] = {{"", 1},         {"ms", 1},      {"s", 1000},
                                          {"m", 60000},    {"min", 60000}, {"h", 3600000},
                                          {"d", 86400000}, {NULL, 0}};

static const struct unit *const kind_units[] = {
    [CONFIG_INT] = no_units,
    [CONFIG_SIZE] = size_units,
    [CONFIG_SECONDS] = second_units,
    [CONFIG_MILLIS] = milli_units,
};

/* --- lists of words --- */

static void *config_must(void *p)
{
    if (!p)
        abort(); /* nothing sensible is left to do without memory for a configuration */
    return p;
}

void config_list_add(struct config_list *list, const char *word)
{
    list->v = config_must(realloc(list->v, (list->n + 1) * sizeof(*list->v)));
    list->v[list->n++] = config_must(strdup(word));
}

void config_list_free(struct config_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        free(list->v[i]);
    free(list->v);
    *list = (struct config_list){0};
}

static int config_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character after a backslash in double quotes. Moves *s past it. */
static char config_unescape(const char **s, const char *end)
{
    static const char escapes[][2] = {
        {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'b', '\b'}, {'a', '\a'}};
    char c = *(*s)++;

    if (c == 'x' && end - *s >= 2 && config_hex_digit((*s)[0]) >= 0 &&
        config_hex_digit((*s)[1]) >= 0) {
        c = (char)(config_hex_digit((*s)[0]) * 16 + config_hex_digit((*s)[1]));
        *s += 2;
        return c;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
        if (c == escapes[i][0])
            return escapes[i][1];
    }
    return c;
}

/* Copy a quoted word to out. Returns where the text goes on, NULL if the quotes never close. */
static const char *config_split_quoted(const char *s, const char *end, char **out)
{
    char quote = *s++;

    while (s < end && *s != quote) {
        if (*s == '\\' && quote == '"' && end - s > 1) {
            s++;
            *(*out)++ = config_unescape(&s, end);
        } else if (*s == '\\' && quote == '\'' && end - s > 1 && s[1] == '\'') {
            *(*out)++ = '\'';
            s += 2;
        } else {
            *(*out)++ = *s++;
        }
    }
    if (s == end || (s + 1 < end && !isspace((unsigned char)s[1])))
        return NULL;
    return s + 1;
}

/* Copy the word at s, without its quotes, to out. Returns where the text goes on, NULL if its
 * quotes never close or it holds a NUL. */
static const char *config_split_word(const char *s, const char *end, char *out)
{
    char *start = out;

    while (s && s < end && !isspace((unsigned char)*s)) {
        if (*s == '"' || *s == '\'')
            s = config_split_quoted(s, end, &out);
        else
            *out++ = *s++;
    }
    *out = '\0';
    return strlen(start) == (size_t)(out - start) ? s : NULL;
}

bool config_list_split(struct config_list *list, const char *line, size_t len)
{
    const char *s = line, *end = line + len;
    char *word = config_must(malloc(len + 1));

    while (s && s < end) {
        if (isspace((unsigned char)*s)) {
            s++;
        } else if ((s = config_split_word(s, end, word))) {
            config_list_add(list, word);
        }
    }
    free(word);
    return s;
}

/* --- fields --- */

static void *config_field(const struct config *c, const struct config_directive *d)
{
    return (char *)c + d->offset;
}

static int64_t config_field_number(const struct config *c, const struct config_directive *d)
{
    const void *p = config_field(c, d);

    switch (d->width) {
    case 1:
        return *(const uint8_t *)p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const int64_t *)p;
    }
}

static void config_field_store(struct config *c, const struct config_directive *d, int64_t value)
{
    void *p = config_field(c, d);

    switch (d->width) {
    case 1:
        *(uint8_t *)p = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(int64_t *)p = value;
    }
}

static bool config_is_number(const struct config_directive *d)
{
    return d->kind != CONFIG_STRING && d->kind != CONFIG_LIST;
}

void config_value_free(struct config *c, const struct config_directive *d)
{
    if (d->kind == CONFIG_STRING)
        free(*(char **)config_field(c, d));
    else if (d->kind == CONFIG_LIST)
        config_list_free(config_field(c, d));
}

void config_value_copy(struct config *to, const struct config *from,
                       const struct config_directive *d)
{
    if (d->kind == CONFIG_STRING) {
        *(char **)config_field(to, d) = config_must(strdup(*(char **)config_field(from, d)));
    } else if (d->kind == CONFIG_LIST) {
        const struct config_list *list = config_field(from, d);
        *(struct config_list *)config_field(to, d) = (struct config_list){0};
        for (uint32_t i = 0; i < list->n; i++)
            config_list_add(config_field(to, d), list->v[i]);
    } else {
        memcpy(config_field(to, d), config_field(from, d), d->width);
    }
}

bool config_value_equal(const struct config *a, const struct config *b,
                        const struct config_directive *d)
{
    if (config_is_number(d))
        return config_field_number(a, d) == config_field_number(b, d);
    if (d->kind == CONFIG_STRING)
        return strcmp(*(char **)config_field(a, d), *(char **)config_field(b, d)) == 0;
    const struct config_list *x = config_field(a, d), *y = config_field(b, d);
    bool equal = x->n == y->n;
    for (uint32_t i = 0; equal && i < x->n; i++)
        equal = strcmp(x->v[i], y->v[i]) == 0;
    return equal;
}

/* --- text to value --- */

static uint32_t config_count_cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (uint32_t)n;
}

enum number_result { NUMBER_GOOD, NUMBER_BAD, NUMBER_OUT_OF_RANGE };

static enum number_result config_scale(const char *suffix, const struct unit *units, int64_t *value)
{
    for (const struct unit *u = units; u->suffix; u++) {
        if (strcasecmp(suffix, u->suffix) == 0)
            return __builtin_mul_overflow(*value, u->factor, value) ? NUMBER_OUT_OF_RANGE
                                                                    : NUMBER_GOOD;
    }
    return NUMBER_BAD;
}

static enum number_result config_parse_number(const struct config_directive *d, const char *word,
                                              int64_t *value)
{
    char *rest;

    if (d->flags & CONFIG_CORES && strcasecmp(word, "auto") == 0) {
        *value = config_count_cores();
        return NUMBER_GOOD;
    }
    if (!isdigit((unsigned char)word[*word == '-']))
        return NUMBER_BAD;
    errno = 0;
    *value = strtoll(word, &rest, d->kind == CONFIG_MODE ? 8 : 10);
    bool overflow = errno == ERANGE;
    enum number_result result = d->kind == CONFIG_MODE
                                    ? (*rest ? NUMBER_BAD : NUMBER_GOOD)
                                    : config_scale(rest, kind_units[d->kind], value);
    if (result == NUMBER_GOOD && (overflow || *value < d->min || *value > d->max))
        return NUMBER_OUT_OF_RANGE;
    return result;
}

static enum number_result config_parse_choice(const char *const *choices, const char *word,
                                              int64_t *value)
{
    for (*value = 0; choices[*value]; (*value)++) {
        if (strcasecmp(word, choices[*value]) == 0)
            return NUMBER_GOOD;
    }
    return NUMBER_BAD;
}

static const char *const bool_choices[] = {"no", "yes", NULL};

static enum number_result config_parse_word(const struct config_directive *d, const char *word,
                                            int64_t *value)
{
    if (d->kind == CONFIG_BOOL || d->kind == CONFIG_ENUM)
        return config_parse_choice(d->kind == CONFIG_BOOL ? bool_choices : d->choices, word, value);
    if (d->kind == CONFIG_STRING || d->kind == CONFIG_LIST)
        return !d->check || d->check(word) ? NUMBER_GOOD : NUMBER_BAD;
    return config_parse_number(d, word, value);
}

/* "WORD" WHAT: ALLOWED is allowed; the word of a secret is not shown. */
static void config_explain(const struct config_directive *d, const char *word, const char *what,
                           char why[CONFIG_WHY_LEN])
{
    FILE *out = config_must(fmemopen(why, CONFIG_WHY_LEN, "w"));

    setbuf(out, NULL);
    if (word)
        fprintf(out, "\"%.100s\" ", d->flags & CONFIG_SECRET ? "***" : word);
    fprintf(out, "%s; allowed: ", what);
    config_value_allowed(d, out);
    fclose(out);
}

static bool config_set_list(struct config *c, const struct config_directive *d, char *const *words,
                            uint32_t n, bool append)
{
    struct config_list *list = config_field(c, d);

    if (!append)
        config_list_free(list);
    for (uint32_t i = 0; i < n; i++) {
        if (*words[i]) /* "" is how an empty list is written */
            config_list_add(list, words[i]);
    }
    return true;
}

bool config_value_set(struct config *c, const struct config_directive *d, char *const *words,
                      uint32_t n, bool append, char why[CONFIG_WHY_LEN])
{
    int64_t value = 0;

    if (d->kind != CONFIG_LIST && n != 1) {
        config_explain(d, NULL,
                       n == 0             ? "the value is missing"
                       : *words[1] == '#' ? "a comment needs a line of its own"
                                          : "more than one value (quote blanks)",
                       why);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (d->kind == CONFIG_LIST && !*words[i])
            continue;
        enum number_result result = config_parse_word(d, words[i], &value);
        if (result != NUMBER_GOOD) {
            config_explain(d, words[i], result == NUMBER_BAD ? "is not valid" : "is out of range",
                           why);
            return false;
        }
    }
    if (d->kind == CONFIG_LIST)
        return config_set_list(c, d, words, n, append);
    if (d->kind == CONFIG_STRING) {
        free(*(char **)config_field(c, d));
        *(char **)config_field(c, d) = config_must(strdup(words[0]));
        return true;
    }
    config_field_store(c, d, value);
    return true;
}

/* --- value to text --- */

/* "512mb", "10000" …: the largest binary unit that divides it. */
static void config_print_limit(const struct config_directive *d, int64_t value, FILE *out)
{
    static const struct unit units[] = {{"gb", 1LL << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}};

    if (d->kind == CONFIG_MODE) {
        fprintf(out, "%llo", (unsigned long long)value);
        return;
    }
    for (size_t i = 0; d->kind == CONFIG_SIZE && value && i < sizeof(units) / sizeof(*units); i++) {
        if (value % units[i].factor == 0) {
            fprintf(out, "%lld%s", (long long)(value / units[i].factor), units[i].suffix);
            return;
        }
    }
    fprintf(out, "%lld", (long long)value);
}

static void config_print_choices(const char *const *choices, FILE *out)
{
    for (uint32_t i = 0; choices[i]; i++)
        fprintf(out, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

void config_value_allowed(const struct config_directive *d, FILE *out)
{
    static const char *const numbers[] = {
        [CONFIG_INT] = "a number",
        [CONFIG_SIZE] = "a size in bytes, kb, mb or gb",
        [CONFIG_SECONDS] = "seconds (or with s, m, h, d)",
        [CONFIG_MILLIS] = "milliseconds (or with ms, s, m, h, d)",
        [CONFIG_MODE] = "octal permissions",
    };

    if (d->kind == CONFIG_BOOL || d->kind == CONFIG_ENUM) {
        config_print_choices(d->kind == CONFIG_BOOL ? bool_choices : d->choices, out);
    } else if (d->kind == CONFIG_STRING) {
        fputs(d->allowed ? d->allowed : "one word, or text in quotes", out);
    } else if (d->kind == CONFIG_LIST) {
        fprintf(out, "any number of words, each %s", d->allowed);
    } else {
        fprintf(out, "%s%s from ", d->flags & CONFIG_CORES ? "auto, or " : "", numbers[d->kind]);
        config_print_limit(d, d->min, out);
        if (d->max == INT64_MAX) {
            fputs(" up", out);
            return;
        }
        fputs(" to ", out);
        config_print_limit(d, d->max, out);
    }
}

static void config_print_list(const struct config_list *list, FILE *out)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const char *word = list->v[i];
        bool quote = word[strcspn(word, " \t\"'")];
        fprintf(out, "%s%s", i ? " " : "", quote ? "\"" : "");
        for (const char *s = word; *s; s++)
            fprintf(out, "%s%c", quote && (*s == '"' || *s == '\\') ? "\\" : "", *s);
        fputs(quote ? "\"" : "", out);
    }
}

char *config_value(const struct config *config, const struct config_directive *d)
{
    char *text;
    size_t len;
    FILE *out = config_must(open_memstream(&text, &len));

    switch (d->kind) {
    case CONFIG_BOOL:
        fputs(bool_choices[config_field_number(config, d)], out);
        break;
    case CONFIG_ENUM:
        fputs(d->choices[config_field_number(config, d)], out);
        break;
    case CONFIG_STRING:
        fputs(*(char **)config_field(config, d), out);
        break;
    case CONFIG_LIST:
        config_print_list(config_field(config, d), out);
        break;
    default:
        fprintf(out, d->kind == CONFIG_MODE ? "%llo" : "%lld",
                (long long)config_field_number(config, d));
    }
    fclose(out);
    return text;
}
