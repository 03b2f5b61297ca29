/* log_unit: the log of a unit test, kept in memory, and what is in it. */
#include "support/log_unit.h"
#include "base/log.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int kept = -1;

void log_keep(void)
{
    char path[32];
    if (kept >= 0)
        close(kept);
    kept = memfd_create("log", MFD_CLOEXEC);
    ck_assert_int_ge(kept, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
    ck_assert(log_open(path));
}

unsigned log_count(const char *text)
{
    struct stat st;
    unsigned n = 0;
    ck_assert_int_eq(fstat(kept, &st), 0);
    char *all = calloc(1, (size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(all);
    ck_assert_int_eq(pread(kept, all, (size_t)st.st_size, 0), st.st_size);
    for (char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        n += strstr(line, text) != NULL;
    }
    free(all);
    return n;
}
