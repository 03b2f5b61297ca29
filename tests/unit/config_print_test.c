/* config_print_test: the documents in the tree are the ones that the table of directives gives. */
#include "support/config_unit.h"
#include "support/testing.h"
#include <stdlib.h>
#include <string.h>

static void assert_current(const char *path, void (*print)(FILE *out))
{
    char name[4096], *wanted, *got;
    size_t len;
    FILE *out = open_memstream(&wanted, &len);

    print(out);
    fclose(out);
    snprintf(name, sizeof(name), "%s/%s", project_root(), path);
    FILE *file = fopen(name, "r");
    ck_assert_msg(file != NULL, "%s is missing: run make docs", path);
    got = calloc(1, len + 2);
    ck_assert_msg(fread(got, 1, len + 1, file) == len && memcmp(got, wanted, len) == 0,
                  "%s is out of date: run make docs", path);
    fclose(file);
    free(got);
    free(wanted);
}

START_TEST(documents_in_the_tree_are_current)
{
    assert_current("conf/slotway.conf", config_print_sample);
    assert_current("docs/slotway.8", config_print_manual);
    assert_current("docs/configuration.md", config_print_markdown);
}
END_TEST

START_TEST(the_sample_is_good_as_it_is_and_with_every_line_uncommented)
{
    char *text, *line, *rest;
    size_t len;
    uint32_t directives = 0;
    FILE *out = open_memstream(&text, &len);

    config_print_sample(out);
    fclose(out);
    config_unref(config_good(text));
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        char name[64] = "";
        /* The last line of a paragraph is the directive, what is above it is prose. */
        if (rest && *rest == '\n' && sscanf(line, "# %63s", name) == 1 && config_find(name)) {
            config_unref(config_good(line + 2));
            directives++;
        }
    }
    ck_assert_uint_eq(directives, config_count() - 1); /* cluster-nodes is no comment */
    free(text);
}
END_TEST

UNIT_SUITE("config_print", {documents_in_the_tree_are_current},
           {the_sample_is_good_as_it_is_and_with_every_line_uncommented})
