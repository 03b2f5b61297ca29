/* json_unit: looking into JSON that was made. */
#include "support/json_unit.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const json_t *json_find(const json_t *o, const char *path)
{
    char name[64];
    for (const char *p = path; o && *p; p += strcspn(p, "."), p += *p == '.') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "."), p);
        o = json_is_array(o) ? json_array_get(o, strtoul(name, NULL, 10))
                             : json_object_get(o, name);
    }
    return o;
}

void json_shows(const json_t *o, const char *path, const char *text)
{
    const json_t *value = json_find(o, path);
    ck_assert_msg(value != NULL, "there is no %s", path);
    char *is = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) | JSON_SORT_KEYS);
    ck_assert_msg(is && strcmp(is, text) == 0, "%s is %s, not %s", path, is, text);
    free(is);
}
