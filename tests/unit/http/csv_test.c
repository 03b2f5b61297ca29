/* csv_test: /stats.csv as HAProxy has it. */
#define _GNU_SOURCE
#include "http/csv.h"
#include "support/stats_unit.h"
#include <stdlib.h>
#include <string.h>

START_TEST(every_row_of_the_csv_has_every_column)
{
    struct gather_part out = {0};
    size_t columns = 0, rows = 0;
    csv_write(s, &out);
    for (const char *p = out.data, *end = out.data + out.len; p < end; rows++) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t commas = 0;
        for (; p < line_end; p++)
            commas += *p == ',';
        if (rows == 0)
            columns = commas;
        ck_assert_uint_eq(commas, columns);
        p = line_end + 1;
    }
    ck_assert_uint_eq(rows, 1 + 1 + 6 + 1);
    ck_assert_ptr_nonnull(memmem(out.data, out.len, "\nslotway,BACKEND,", 17));
    free(out.data);
}
END_TEST

UNIT_SUITE_WITH("csv", stats_begin, stats_end, {every_row_of_the_csv_has_every_column})
