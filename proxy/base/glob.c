/* glob: patterns as redis-server matches them.
 * Only the latest star is gone back to: what an earlier one could do, the later one can too. */
#include "base/glob.h"

/* A class that begins at pattern[0] == '[': does it contain c? *used: its bytes. A class that is
 * not closed ends with the pattern. */
static bool glob_class(const char *pattern, size_t len, unsigned char c, size_t *used)
{
    size_t i = 1;
    bool negated = len > 1 && pattern[1] == '^';
    bool found = false;
    if (negated)
        i++;
    while (i < len && pattern[i] != ']') {
        if (pattern[i] == '\\' && i + 1 < len) {
            found = found || (unsigned char)pattern[i + 1] == c;
            i += 2;
        } else if (i + 2 < len && pattern[i + 1] == '-') {
            unsigned char low = (unsigned char)pattern[i], high = (unsigned char)pattern[i + 2];
            found = found || (low <= high ? low <= c && c <= high : high <= c && c <= low);
            i += 3;
        } else {
            found = found || (unsigned char)pattern[i] == c;
            i++;
        }
    }
    *used = i < len ? i + 1 : len;
    return found != negated;
}

/* Does the first element of the pattern, which is no star, match c? *used: its bytes. */
static bool glob_one(const char *pattern, size_t len, char c, size_t *used)
{
    *used = 1;
    if (pattern[0] == '?')
        return true;
    if (pattern[0] == '[')
        return glob_class(pattern, len, (unsigned char)c, used);
    if (pattern[0] == '\\' && len > 1) {
        *used = 2;
        return pattern[1] == c;
    }
    return pattern[0] == c;
}

bool glob_match(const char *pattern, size_t len, const char *text, size_t text_len)
{
    size_t at = 0, i = 0, star = len, mark = 0;
    if (text_len == 0)
        return len == 0;
    while (i < text_len) {
        size_t used;
        if (at < len && pattern[at] == '*') {
            star = at++;
            mark = i;
        } else if (at < len && glob_one(pattern + at, len - at, text[i], &used)) {
            at += used;
            i++;
        } else if (star < len) {
            at = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (at < len && pattern[at] == '*')
        at++;
    return at == len;
}

bool glob_may_begin(const char *pattern, size_t len, const char *prefix, size_t prefix_len)
{
    size_t at = 0;
    for (size_t i = 0; i < prefix_len; i++) {
        size_t used;
        if (at == len)
            return false;
        if (pattern[at] == '*')
            return true;
        if (!glob_one(pattern + at, len - at, prefix[i], &used) && pattern[at] != '[')
            return false;
        at += used;
    }
    return true;
}
