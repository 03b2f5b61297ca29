/* combine_info: merges the INFO texts of all masters line by line. What becomes of a field is in
 * one table; what the table does not name is added up if it is a number in a section of figures. */
#include "flow/combine_info.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

enum info_rule {
    INFO_FIRST, /* the first node's */
    INFO_SUM,
    INFO_MAX,
    INFO_MIN,       /* of whole numbers */
    INFO_MEAN,      /* of numbers, a percent sign stays */
    INFO_WORST,     /* "ok" unless one says otherwise */
    INFO_HUMAN,     /* 1.50M: of the field without _human */
    INFO_FIELDS,    /* a=1,b=2: each added up, or a weighted mean */
    INFO_FIELDS_MAX /* a=1,b=2: the greatest of each */
};

static const struct {
    const char *name;
    enum info_rule rule;
} info_rules[] = {
    {"allocator_frag_ratio", INFO_MEAN},
    {"allocator_rss_ratio", INFO_MEAN},
    {"aof_current_rewrite_time_sec", INFO_MAX},
    {"aof_enabled", INFO_MAX},
    {"aof_last_bgrewrite_status", INFO_WORST},
    {"aof_last_rewrite_time_sec", INFO_MAX},
    {"aof_last_write_status", INFO_WORST},
    {"aof_rewrite_in_progress", INFO_MAX},
    {"aof_rewrite_scheduled", INFO_MAX},
    {"async_loading", INFO_MAX},
    {"connected_slaves", INFO_SUM},
    {"current_fork_perc", INFO_MEAN},
    {"expired_stale_perc", INFO_MEAN},
    {"latest_fork_usec", INFO_MAX},
    {"loading", INFO_MAX},
    {"maxmemory_policy", INFO_FIRST},
    {"mem_fragmentation_ratio", INFO_MEAN},
    {"number_of_cached_scripts", INFO_MAX},
    {"number_of_functions", INFO_MAX},
    {"number_of_libraries", INFO_MAX},
    {"rdb_bgsave_in_progress", INFO_MAX},
    {"rdb_current_bgsave_time_sec", INFO_MAX},
    {"rdb_last_bgsave_status", INFO_WORST},
    {"rdb_last_bgsave_time_sec", INFO_MAX},
    {"rdb_last_save_time", INFO_MIN},
    {"rss_overhead_ratio", INFO_MEAN},
    {"tracking_total_prefixes", INFO_MAX},
    {"used_memory_dataset_perc", INFO_MEAN},
    {"used_memory_functions", INFO_MAX},
    {"used_memory_lua", INFO_MAX},
    {"used_memory_peak_perc", INFO_MEAN},
    {"used_memory_scripts", INFO_MAX},
    {"used_memory_scripts_eval", INFO_MAX},
    {"used_memory_vm_eval", INFO_MAX},
    {"used_memory_vm_functions", INFO_MAX},
    {"used_memory_vm_total", INFO_MAX},
};

/* Sections of figures: numbers that no rule names are added up. */
static const struct {
    const char *name;
    enum info_rule rule;
} info_sections[] = {
    {"Clients", INFO_SUM},       {"Memory", INFO_SUM},
    {"Persistence", INFO_SUM},   {"Stats", INFO_SUM},
    {"CPU", INFO_SUM},           {"Commandstats", INFO_FIELDS},
    {"Errorstats", INFO_FIELDS}, {"Latencystats", INFO_FIELDS_MAX},
    {"Keyspace", INFO_FIELDS},
};

/* Fields inside of a=1,b=2 that are means, and the field that says of how many. */
static const struct {
    const char *name;
    const char *weight;
} info_means[] = {
    {"avg_ttl", "expires"},
    {"usec_per_call", "calls"},
};

/* One line of the merged text. */
struct info_line {
    char *key; /* "Section\nname" */
    const char *name;
    char *value;
    uint32_t count; /* values so far */
    enum info_rule rule;
    struct info_line *next; /* in its section */
    UT_hash_handle hh;
};

struct info_section {
    char *name;
    struct info_line *first, *last;
    struct info_section *next;
};

struct info {
    struct info_section *sections, *last;
    struct info_line *lines; /* by key */
    unsigned replicas;       /* lines "slave0:", "slave1:" … so far */
};

/* --- rules --- */

static bool info_is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end != s && *end == '\0';
}

static enum info_rule info_rule_of(const char *section, const char *name, const char *value)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof info_rules / sizeof info_rules[0]; i++)
        if (strcmp(info_rules[i].name, name) == 0)
            return info_rules[i].rule;
    if (len > 6 && strcmp(name + len - 6, "_human") == 0)
        return INFO_HUMAN;
    for (size_t i = 0; i < sizeof info_sections / sizeof info_sections[0]; i++)
        if (strcmp(info_sections[i].name, section) == 0 &&
            (info_sections[i].rule != INFO_SUM || info_is_number(value)))
            return info_sections[i].rule;
    return INFO_FIRST;
}

/* --- values --- */

/* Digits after the point of a number. */
static int info_decimals(const char *s)
{
    const char *point = strchr(s, '.');
    return point ? (int)strspn(point + 1, "0123456789") : 0;
}

/* A whole number, modulo 2^64: a node prints a difference that is below zero, such as a
 * used_memory_dataset of less than its estimates, as almost 2^64. */
static long long info_whole(const char *s)
{
    return (long long)strtoull(s, NULL, 10);
}

/* a and b, of which a stands for `count` values already, by a numeric rule. */
static void info_fold(enum info_rule rule, const char *a, const char *b, uint32_t count, char *out,
                      size_t cap)
{
    int decimals = info_decimals(a);
    const char *percent = strchr(a, '%') ? "%" : "";
    if (decimals == 0 && rule != INFO_MEAN) {
        long long x = info_whole(a), y = info_whole(b);
        snprintf(out, cap, "%lld",
                 rule == INFO_SUM ? (long long)((unsigned long long)x + (unsigned long long)y)
                 : (x > y) == (rule == INFO_MAX) ? x
                                                 : y);
        return;
    }
    double x = strtod(a, NULL), y = strtod(b, NULL);
    double z = rule == INFO_SUM   ? x + y
               : rule == INFO_MAX ? (x > y ? x : y)
                                  : x + (y - x) / (count + 1.);
    snprintf(out, cap, "%.*f%s", decimals, z, percent);
}

/* The value of field `name` in a=1,b=2. False: there is none. */
static bool info_field(const char *fields, const char *name, size_t len, char *out, size_t cap)
{
    while (*fields) {
        size_t n = strcspn(fields, ",");
        if (n > len && fields[len] == '=' && memcmp(fields, name, len) == 0) {
            snprintf(out, cap, "%.*s", (int)(n - len - 1), fields + len + 1);
            return true;
        }
        fields += n + (fields[n] == ',');
    }
    return false;
}

/* The field that is the weight of the mean `name`; NULL: it is no mean. */
static const char *info_weight_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof info_means / sizeof info_means[0]; i++)
        if (strlen(info_means[i].name) == len && memcmp(info_means[i].name, name, len) == 0)
            return info_means[i].weight;
    return NULL;
}

/* What the mean x of a and the mean y of b are together. */
static void info_fold_mean(const char *a, const char *b, const char *weight, const char *x,
                           const char *y, char *out, size_t cap)
{
    char wa[64] = "0", wb[64] = "0";
    info_field(a, weight, strlen(weight), wa, sizeof wa);
    info_field(b, weight, strlen(weight), wb, sizeof wb);
    double m = strtod(wa, NULL), n = strtod(wb, NULL);
    double mean = m + n > 0 ? (strtod(x, NULL) * m + strtod(y, NULL) * n) / (m + n) : 0;
    snprintf(out, cap, "%.*f", info_decimals(x), mean);
}

/* Merge b into a, both of the form a=1,b=2, in the order of a. The caller frees. */
static char *info_fold_fields(enum info_rule rule, const char *a, const char *b)
{
    struct gather_part out = {0};
    enum info_rule each = rule == INFO_FIELDS_MAX ? INFO_MAX : INFO_SUM;
    for (const char *p = a; *p;) {
        size_t n = strcspn(p, ","), name = strcspn(p, "=");
        const char *weight = info_weight_of(p, name);
        char x[64], y[64], z[64];
        if (name >= n || !info_field(b, p, name, y, sizeof y)) {
            gather_printf(&out, "%s%.*s", out.len ? "," : "", (int)n, p);
        } else {
            snprintf(x, sizeof x, "%.*s", (int)(n - name - 1), p + name + 1);
            if (weight)
                info_fold_mean(a, b, weight, x, y, z, sizeof z);
            else
                info_fold(each, x, y, 1, z, sizeof z);
            gather_printf(&out, "%s%.*s=%s", out.len ? "," : "", (int)name, p, z);
        }
        p += n + (p[n] == ',');
    }
    gather_append(&out, "", 1);
    return out.data;
}

static void info_merge_value(struct info_line *line, const char *value)
{
    char number[64];
    switch (line->rule) {
    case INFO_SUM:
    case INFO_MAX:
    case INFO_MIN:
    case INFO_MEAN:
        info_fold(line->rule, line->value, value, line->count, number, sizeof number);
        free(line->value);
        line->value = memory_strdup(number);
        break;
    case INFO_FIELDS:
    case INFO_FIELDS_MAX: {
        char *merged = info_fold_fields(line->rule, line->value, value);
        free(line->value);
        line->value = merged;
        break;
    }
    case INFO_WORST:
        if (strcmp(line->value, "ok") == 0) {
            free(line->value);
            line->value = memory_strdup(value);
        }
        break;
    case INFO_FIRST:
    case INFO_HUMAN:
        break;
    }
    line->count++;
}

/* As Redis prints amounts of memory. */
static void info_human(unsigned long long n, char *out, size_t cap)
{
    static const char units[] = "KMGTP";
    double d = (double)n;
    int unit = -1;
    while (d >= 1024 && unit < (int)sizeof units - 2) {
        d /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(out, cap, "%lluB", n);
    else
        snprintf(out, cap, "%.2f%c", d, units[unit]);
}

/* --- the text --- */

static struct info_section *info_section(struct info *info, const char *name)
{
    struct info_section *section = info->sections;
    while (section && strcmp(section->name, name) != 0)
        section = section->next;
    if (section)
        return section;
    section = memory_zalloc(sizeof *section);
    section->name = memory_strdup(name);
    if (info->last)
        info->last->next = section;
    else
        info->sections = section;
    info->last = section;
    return section;
}

/* A line of at most this length is merged; INFO has no longer ones that could be. */
#define INFO_LINE_MAX 1024

/* Section and name each come from a line. */
#define INFO_KEY_MAX (2 * INFO_LINE_MAX)

static void info_key(char key[INFO_KEY_MAX], const char *section, const char *name)
{
    snprintf(key, INFO_KEY_MAX, "%s\n%s", section, name);
}

static struct info_line *info_find(struct info *info, const char *section, const char *name)
{
    char key[INFO_KEY_MAX];
    struct info_line *line;
    info_key(key, section, name);
    HASH_FIND_STR(info->lines, key, line);
    return line;
}

static void info_add(struct info *info, struct info_section *section, const char *name,
                     const char *value)
{
    struct info_line *line = info_find(info, section->name, name);
    if (line) {
        info_merge_value(line, value);
        return;
    }
    char key[INFO_KEY_MAX];
    info_key(key, section->name, name);
    line = memory_zalloc(sizeof *line);
    line->key = memory_strdup(key);
    line->name = strchr(line->key, '\n') + 1;
    line->value = memory_strdup(value);
    line->count = 1;
    line->rule = info_rule_of(section->name, name, value);
    if (section->last)
        section->last->next = line;
    else
        section->first = line;
    section->last = line;
    HASH_ADD_KEYPTR(hh, info->lines, line->key, strlen(line->key), line);
}

/* Call each(ctx, line) for every line of text that is not empty. */
static void info_each_line(const char *text, size_t len, void (*each)(void *ctx, char *line),
                           void *ctx)
{
    char line[INFO_LINE_MAX];
    for (const char *p = text, *end = text + len; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t n = eol ? (size_t)(eol - p) : (size_t)(end - p);
        size_t next = n + (eol != NULL);
        while (n && p[n - 1] == '\r')
            n--;
        if (n && n < sizeof line) {
            memcpy(line, p, n);
            line[n] = '\0';
            each(ctx, line);
        }
        p += next;
    }
}

struct info_reading {
    struct info *info;
    struct info_section *section;
};

static void info_read_line(void *ctx, char *line)
{
    struct info_reading *reading = ctx;
    char replica[32];
    if (line[0] == '#') {
        reading->section = info_section(reading->info, line + 1 + (line[1] == ' '));
        return;
    }
    char *colon = strchr(line, ':');
    if (!colon || !reading->section)
        return;
    *colon = '\0';
    const char *name = line;
    if (strncmp(line, "slave", 5) == 0 && line[5] >= '0' && line[5] <= '9') {
        /* The replicas of one master are numbered from 0: number those of all. */
        snprintf(replica, sizeof replica, "slave%u", reading->info->replicas++);
        name = replica;
    }
    info_add(reading->info, reading->section, name, colon + 1);
}

/* What slotway says of a field takes the place of what the nodes say. A client counts as blocked
 * when its node knows of it, which may be a moment later than slotway; and the nodes may have other
 * clients: so there the lesser figure. */
static void info_override(struct info_line *line, const char *value)
{
    uint64_t nodes = strtoull(line->value, NULL, 10);
    if (strcmp(line->name, "blocked_clients") == 0 && *line->value &&
        nodes < strtoull(value, NULL, 10))
        return;
    free(line->value);
    line->value = memory_strdup(value);
}

static void info_add_to(struct info_line *line, const char *value)
{
    char sum[32];
    snprintf(sum, sizeof sum, "%llu", strtoull(line->value, NULL, 10) + strtoull(value, NULL, 10));
    free(line->value);
    line->value = memory_strdup(sum);
}

/* "name:value" of slotway's own; "+name:n" adds n to what is there. */
static void info_override_line(void *ctx, char *text)
{
    struct info *info = ctx;
    char *colon = strchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    for (struct info_line *line = info->lines; line; line = line->hh.next) {
        if (*text == '+' && strcmp(line->name, text + 1) == 0)
            info_add_to(line, colon + 1);
        else if (strcmp(line->name, text) == 0)
            info_override(line, colon + 1);
    }
}

static void info_print_line(struct info *info, const struct info_section *section,
                            const struct info_line *line, struct gather_part *out)
{
    char base[128], human[32];
    const char *value = line->value;
    if (line->rule == INFO_HUMAN) {
        snprintf(base, sizeof base, "%.*s", (int)(strlen(line->name) - 6), line->name);
        const struct info_line *number = info_find(info, section->name, base);
        if (number) {
            info_human(strtoull(number->value, NULL, 10), human, sizeof human);
            value = human;
        }
    }
    gather_printf(out, "%s:%s\r\n", line->name, value);
}

static void info_print(struct info *info, struct gather_part *out)
{
    for (struct info_section *section = info->sections; section; section = section->next) {
        gather_printf(out, "%s# %s\r\n", out->len ? "\r\n" : "", section->name);
        for (struct info_line *line = section->first; line; line = line->next)
            info_print_line(info, section, line, out);
    }
}

static void info_free(struct info *info)
{
    struct info_line *line, *next_line;
    HASH_ITER (hh, info->lines, line, next_line) {
        HASH_DEL(info->lines, line);
        free(line->key);
        free(line->value);
        free(line);
    }
    while (info->sections) {
        struct info_section *section = info->sections;
        info->sections = section->next;
        free(section->name);
        free(section);
    }
}

void combine_info_texts(const char *const *texts, const size_t *lens, size_t n, const char *own,
                        struct gather_part *out)
{
    struct info info = {0};
    for (size_t i = 0; i < n; i++) {
        struct info_reading reading = {.info = &info};
        info_each_line(texts[i], lens[i], info_read_line, &reading);
    }
    info_each_line(own, strlen(own), info_override_line, &info);
    info_print(&info, out);
    info_free(&info);
}
