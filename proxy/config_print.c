/* config_print: everything that is written from the table of directives for people to read.
 * --help, the sample file, the manual page and the reference in Markdown. */
#define _GNU_SOURCE
#include "config_table.h"
#include "version.h"

#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 30
#define WIDTH       79

static const char summary[] =
    "one address for a whole Redis Cluster: clients connect as to one Redis server";

static const char *const usages[][2] = {
    {"slotway [--DIRECTIVE VALUE]... HOST:PORT...", "serve the cluster that these nodes belong to"},
    {"slotway -c FILE [--DIRECTIVE VALUE]...", "read a configuration file; flags win over it"},
    {"slotway -t -c FILE", "check a configuration and exit: 0 good, 1 bad"},
    {"slotway -h | --help", "show this help"},
    {"slotway -V | --version", "show the version"},
};

#define USAGES (sizeof(usages) / sizeof(*usages))

/* --- helpers --- */

/* Columns of UTF-8 text. */
static size_t config_columns(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

/* Print text broken at blanks; `at` columns of the first line are taken, further lines start with
 * prefix, whose width counts. */
static void config_print_wrapped(FILE *out, const char *text, size_t at, const char *prefix)
{
    bool first = true;

    for (const char *s = text; *s;) {
        size_t len = strcspn(s, " ");
        size_t wide = config_columns(s, len);
        if (!first && at + 1 + wide > WIDTH) {
            fprintf(out, "\n%s", prefix);
            at = config_columns(prefix, strlen(prefix));
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", (int)len, s);
        at += wide;
        first = false;
        s += len;
        s += strspn(s, " ");
    }
    fputc('\n', out);
}

/* " Also known as: a, b." or nothing. */
static void config_print_aliases(FILE *out, const struct config_directive *d)
{
    fputs(d->aliases ? " Also known as: " : "", out);
    for (const char *s = d->aliases; s && *s; s++)
        fprintf(out, *s == ' ' ? ",%c" : "%c", *s);
    fputs(d->aliases ? "." : "", out);
}

/* The help with what else is to know of a directive. Caller frees. */
static char *config_full_help(const struct config_directive *d)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    fputs(d->help, out);
    if (d->flags & CONFIG_UNUSED)
        fputs(" (Does nothing yet.)", out);
    config_print_aliases(out, d);
    fclose(out);
    return text;
}

/* "Allowed: …. Default: …." as one paragraph. Caller frees. */
static char *config_facts(const struct config_directive *d)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    fputs("Allowed: ", out);
    config_value_allowed(d, out);
    fprintf(out, ". Default: %s. %s.", *d->fallback ? d->fallback : "none",
            d->flags & CONFIG_RUNTIME ? "Can change at run time" : "Fixed at start");
    fclose(out);
    return text;
}

static void config_print_value_name(FILE *out, const struct config_directive *d)
{
    static const char *const names[] = {
        [CONFIG_BOOL] = "yes|no",     [CONFIG_INT] = "NUMBER",    [CONFIG_SIZE] = "SIZE",
        [CONFIG_SECONDS] = "SECONDS", [CONFIG_MILLIS] = "MILLIS", [CONFIG_STRING] = "TEXT",
        [CONFIG_LIST] = "WORD...",    [CONFIG_MODE] = "OCTAL",
    };

    if (d->kind != CONFIG_ENUM) {
        fputs(names[d->kind], out);
        return;
    }
    for (uint32_t i = 0; d->choices[i]; i++)
        fprintf(out, "%s%s", i ? "|" : "", d->choices[i]);
}

/* Call print for each directive of a section, in the order of the table. */
static void config_each_in_section(uint32_t section, FILE *out,
                                   void (*print)(FILE *out, const struct config_directive *d))
{
    for (uint32_t i = 0; i < config_directive_count; i++) {
        if (config_directives[i].section == section)
            print(out, &config_directives[i]);
    }
}

/* --- --help --- */

static void config_help_line(FILE *out, const char *left, const char *text)
{
    static const char indent[] = "                              ";
    int width = fprintf(out, "  %s", left);

    if (width + 1 > HELP_COLUMN)
        fprintf(out, "\n%s", indent);
    else
        fprintf(out, "%*s", HELP_COLUMN - width, "");
    config_print_wrapped(out, text, HELP_COLUMN, indent);
}

static void config_help_directive(FILE *out, const struct config_directive *d)
{
    char left[80] = "";
    char *help = config_full_help(d);
    char *text;
    FILE *name = fmemopen(left, sizeof(left), "w");

    fprintf(name, "--%s ", d->name);
    config_print_value_name(name, d);
    fclose(name);
    if (asprintf(&text, "%s%s%s%s", help, *d->fallback ? " [" : "", d->fallback,
                 *d->fallback ? "]" : "") < 0)
        abort();
    config_help_line(out, left, text);
    free(text);
    free(help);
}

void config_print_help(FILE *out)
{
    fprintf(out, "slotway %s: ", SLOTWAY_VERSION);
    config_print_wrapped(out, summary, strlen("slotway " SLOTWAY_VERSION ": "), "");
    fputs("\nUsage:\n", out);
    for (size_t i = 0; i < USAGES; i++)
        config_help_line(out, usages[i][0], usages[i][1]);
    fputs("\nEvery directive of the configuration file is a flag; defaults are in brackets.\n",
          out);
    for (uint32_t i = 0; i < config_section_count; i++) {
        fprintf(out, "\n%s\n", config_sections[i].title);
        config_each_in_section(i, out, config_help_directive);
    }
}

/* --- conf/slotway.conf --- */

static void config_sample_comment(FILE *out, const char *text)
{
    fputs("# ", out);
    config_print_wrapped(out, text, 2, "# ");
}

static void config_sample_directive(FILE *out, const struct config_directive *d)
{
    char *help = config_full_help(d);
    char *text = config_facts(d);

    fputc('\n', out);
    config_sample_comment(out, help);
    config_sample_comment(out, text);
    if (d->sample)
        fputs(d->sample, out);
    else
        fprintf(out, "# %s %s\n", d->name, *d->fallback ? d->fallback : "\"\"");
    free(text);
    free(help);
}

void config_print_sample(FILE *out)
{
    fputs(
        "# slotway configuration. Check it with: slotway -t -c FILE\n"
        "# The syntax is that of redis.conf: a directive a line, comments on lines of their own,\n"
        "# quotes around blanks. A list may stand on several lines. \"include FILE\" reads "
        "another\n"
        "# file, relative to this one. A directive that is given again wins.\n"
        "# Each directive is also a flag: slotway -c FILE --port 5001\n",
        out);
    for (uint32_t i = 0; i < config_section_count; i++) {
        const struct config_section *section = &config_sections[i];
        fprintf(out, "\n\n# ---- %s ----\n", section->title);
        if (section->intro)
            config_sample_comment(out, section->intro);
        fputs(section->sample ? section->sample : "", out);
        config_each_in_section(i, out, config_sample_directive);
    }
}

/* --- docs/slotway.8 --- */

static void config_roff_text(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (const char *s = text; *s; s++) {
        if (*s == '-')
            fputs("\\-", out);
        else if (*s == '\\')
            fputs("\\e", out);
        else if (strncmp(s, "…", strlen("…")) == 0) {
            fputs("\\&...", out);
            s += strlen("…") - 1;
        } else
            fputc(*s, out);
    }
}

static void config_roff_line(FILE *out, const char *before, const char *text, const char *after)
{
    fputs(before, out);
    config_roff_text(out, text);
    fputs(after, out);
}

static void config_manual_directive(FILE *out, const struct config_directive *d)
{
    char *help = config_full_help(d);
    char *text = config_facts(d);

    config_roff_line(out, ".TP\n\\fB", d->name, "\\fR \\fI");
    config_print_value_name(out, d);
    fputs("\\fR\n", out);
    config_roff_line(out, "", help, "\n");
    config_roff_line(out, "", text, "\n");
    free(text);
    free(help);
}

static const char manual_end[] =
    ".SH SIGNALS\n"
    ".TP\n.B SIGTERM, SIGINT\n"
    "Stop: take no further clients, finish what is under way (drain\\-timeout), exit.\n"
    ".TP\n.B SIGHUP\n"
    "Read the configuration file again and open the log file again. A file with a mistake changes "
    "nothing; the log says why.\n"
    ".TP\n.B SIGUSR1\n"
    "Open the log file again.\n"
    ".SH EXIT STATUS\n"
    "0 after an orderly stop or a good check, 1 after a bad configuration or a failed start.\n"
    ".SH FILES\n"
    ".I /etc/slotway/slotway.conf\n"
    ".SH SEE ALSO\n"
    ".BR redis\\-server (1),\n"
    ".BR redis\\-cli (1)\n";

void config_print_manual(FILE *out)
{
    fprintf(out,
            ".\\\" Made from the table of directives by \"make docs\".\n"
            ".TH SLOTWAY 8 \"\" \"slotway %s\" \"System Administration\"\n.SH NAME\n",
            SLOTWAY_VERSION);
    config_roff_line(out, "slotway \\- ", summary, "\n.SH SYNOPSIS\n");
    for (size_t i = 0; i < USAGES; i++)
        config_roff_line(out, i ? ".br\n.B " : ".B ", usages[i][0], "\n");
    fputs(".SH DESCRIPTION\n", out);
    for (size_t i = 0; i < USAGES; i++) {
        config_roff_line(out, ".TP\n.B ", usages[i][0], "\n");
        config_roff_line(out, "", usages[i][1], ".\n");
    }
    fputs(".PP\nEvery directive below is a line of the configuration file (syntax of redis.conf; "
          "\\fBinclude\\fR \\fIFILE\\fR reads another file) and a flag of the same name. A list "
          "takes any number of words, as a flag up to the next flag or node, in the file also on "
          "several lines; a list given as flags replaces that of the file.\n"
          ".PP\n\\fBPROXY CONFIG GET\\fR \\fIpattern\\fR and \\fBPROXY CONFIG SET\\fR \\fIname "
          "value\\fR show and change values of a running slotway.\n",
          out);
    for (uint32_t i = 0; i < config_section_count; i++) {
        config_roff_line(out, ".SH DIRECTIVES: ", config_sections[i].title, "\n");
        if (config_sections[i].intro)
            config_roff_line(out, "", config_sections[i].intro, "\n");
        config_each_in_section(i, out, config_manual_directive);
    }
    fputs(manual_end, out);
}

/* --- docs/configuration.md --- */

/* Text of a table cell: what Markdown would take for markup is escaped. */
static void config_markdown_text(FILE *out, const char *text)
{
    for (const char *s = text; *s; s++) {
        if (strchr("|*_<>[]", *s))
            fputc('\\', out);
        fputc(*s, out);
    }
}

static void config_markdown_directive(FILE *out, const struct config_directive *d)
{
    char *help = config_full_help(d);
    char *allowed;
    size_t len;
    FILE *memory = open_memstream(&allowed, &len);

    config_value_allowed(d, memory);
    fclose(memory);
    fprintf(out, "| `%s` | %s%s%s | ", d->name, *d->fallback ? "`" : "", d->fallback,
            *d->fallback ? "`" : "");
    config_markdown_text(out, allowed);
    fprintf(out, " | %s | ", d->flags & CONFIG_RUNTIME ? "yes" : "no");
    config_markdown_text(out, help);
    fputs(" |\n", out);
    free(allowed);
    free(help);
}

void config_print_markdown(FILE *out)
{
    fputs(
        "# Configuration\n\n"
        "<!-- Made from the table in proxy/config_table.c by `make docs`. -->\n\n"
        "A directive is a line of the configuration file (`slotway -c FILE`, in the syntax of\n"
        "redis.conf) and a flag of the same name (`--port 5001`); flags win. `include FILE` reads\n"
        "another file, relative to the one that names it. A directive that is given again wins,\n"
        "except that the words of a list add up; a list given as flags replaces that of the file,\n"
        "and its words end at the next flag or node (`--bind 10.0.0.9 127.0.0.1 10.0.0.1:7000`).\n"
        "`slotway -t -c FILE` checks a file and says what is wrong in which line, and what is\n"
        "allowed.\n\n"
        "The file is read again on SIGHUP; a file with a mistake changes nothing. Of the\n"
        "directives that cannot change at run time the old value stays until a restart.\n"
        "`PROXY CONFIG GET pattern` and `PROXY CONFIG SET name value` show and change values of a\n"
        "running slotway, until the next SIGHUP or restart.\n\n"
        "Sizes: `k`, `m` and `g` are powers of 1000, `kb`, `mb` and `gb` of 1024.\n",
        out);
    for (uint32_t i = 0; i < config_section_count; i++) {
        fprintf(out, "\n## %s\n\n", config_sections[i].title);
        if (config_sections[i].intro) {
            config_print_wrapped(out, config_sections[i].intro, 0, "");
            fputc('\n', out);
        }
        fputs("| Directive | Default | Allowed | At run time | Meaning |\n"
              "|---|---|---|---|---|\n",
              out);
        config_each_in_section(i, out, config_markdown_directive);
    }
}
