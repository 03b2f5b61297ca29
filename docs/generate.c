/* generate: writes the documents that are made from the table of directives.
 * Run by `make docs`; takes the root of the source tree. tests/unit/config_print_test.c checks the
 * result. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *path;
    void (*print)(FILE *out);
} documents[] = {
    {"conf/slotway.conf", config_print_sample},
    {"docs/slotway.8", config_print_manual},
    {"docs/configuration.md", config_print_markdown},
};

static bool write_document(const char *root, const char *path, void (*print)(FILE *out))
{
    char name[4096];
    FILE *out;

    snprintf(name, sizeof(name), "%s/%s", root, path);
    out = fopen(name, "w");
    if (!out) {
        perror(name);
        return false;
    }
    print(out);
    if (fclose(out) != 0) {
        perror(name);
        return false;
    }
    printf("  WRITE %s\n", path);
    return true;
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : ".";
    bool good = true;

    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
        good = write_document(root, documents[i].path, documents[i].print) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
