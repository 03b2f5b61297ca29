/* CRC16 (polynomial 0x1021, start 0, not reflected) of a key or of its hash tag, eight bytes a
 * step: a CRC is linear, so the contributions of eight bytes at their distances add up. */
#include "cluster/slot.h"

#include <string.h>

/* TABLE(b0 … b7): the 256 contributions of a byte whose bit i contributes b_i. */
#define BIT(i, n, b) (((i) >> (n)) & 1 ? (b) : 0)
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                                   \
    (BIT(i, 0, b0) ^ BIT(i, 1, b1) ^ BIT(i, 2, b2) ^ BIT(i, 3, b3) ^ BIT(i, 4, b4) ^               \
     BIT(i, 5, b5) ^ BIT(i, 6, b6) ^ BIT(i, 7, b7))
#define FOUR(i, ...)                                                                               \
    ENTRY(i, __VA_ARGS__), ENTRY(i + 1, __VA_ARGS__), ENTRY(i + 2, __VA_ARGS__),                   \
        ENTRY(i + 3, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                                            \
    FOUR(i, __VA_ARGS__), FOUR(i + 4, __VA_ARGS__), FOUR(i + 8, __VA_ARGS__),                      \
        FOUR(i + 12, __VA_ARGS__)
#define SIXTYFOUR(i, ...)                                                                          \
    SIXTEEN(i, __VA_ARGS__), SIXTEEN(i + 16, __VA_ARGS__), SIXTEEN(i + 32, __VA_ARGS__),           \
        SIXTEEN(i + 48, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {                                                                                              \
        SIXTYFOUR(0, __VA_ARGS__), SIXTYFOUR(64, __VA_ARGS__), SIXTYFOUR(128, __VA_ARGS__),        \
            SIXTYFOUR(192, __VA_ARGS__)                                                            \
    }

/* crc_table[k][b]: what byte b contributes with k more bytes after it. */
static const uint16_t crc_table[8][256] = {
    TABLE(0x1021, 0x2042, 0x4084, 0x8108, 0x1231, 0x2462, 0x48c4, 0x9188),
    TABLE(0x3331, 0x6662, 0xccc4, 0x89a9, 0x0373, 0x06e6, 0x0dcc, 0x1b98),
    TABLE(0x3730, 0x6e60, 0xdcc0, 0xa9a1, 0x4363, 0x86c6, 0x1dad, 0x3b5a),
    TABLE(0x76b4, 0xed68, 0xcaf1, 0x85c3, 0x1ba7, 0x374e, 0x6e9c, 0xdd38),
    TABLE(0xaa51, 0x4483, 0x8906, 0x022d, 0x045a, 0x08b4, 0x1168, 0x22d0),
    TABLE(0x45a0, 0x8b40, 0x06a1, 0x0d42, 0x1a84, 0x3508, 0x6a10, 0xd420),
    TABLE(0xb861, 0x60e3, 0xc1c6, 0x93ad, 0x377b, 0x6ef6, 0xddec, 0xabf9),
    TABLE(0x47d3, 0x8fa6, 0x0f6d, 0x1eda, 0x3db4, 0x7b68, 0xf6d0, 0xfd81),
};

/* The CRC after four bytes more; `crc` is the one before them. */
static inline unsigned crc4(unsigned crc, const uint8_t *p)
{
    return crc_table[3][p[0] ^ (crc >> 8)] ^ crc_table[2][p[1] ^ (crc & 0xff)] ^
           crc_table[1][p[2]] ^ crc_table[0][p[3]];
}

static unsigned crc_tail(unsigned crc, const uint8_t *p, size_t len)
{
    if (len >= 4) {
        crc = crc4(crc, p);
        p += 4;
        len -= 4;
    }
    for (; len; len--, p++)
        crc = ((crc << 8) & 0xffff) ^ crc_table[0][(crc >> 8) ^ *p];
    return crc;
}

static uint16_t crc_slot(const char *key, size_t len)
{
    const uint8_t *p = (const uint8_t *)key;
    unsigned crc = 0;

    for (; len >= 8; len -= 8, p += 8)
        crc = crc_table[7][p[0] ^ (crc >> 8)] ^ crc_table[6][p[1] ^ (crc & 0xff)] ^
              crc_table[5][p[2]] ^ crc_table[4][p[3]] ^ crc_table[3][p[4]] ^ crc_table[2][p[5]] ^
              crc_table[1][p[6]] ^ crc_table[0][p[7]];
    return crc_tail(crc, p, len) & (SLOT_COUNT - 1);
}

/* memchr(key, '{', len), without a call for the usual short key: eight bytes at a time, looking for
 * a byte that is zero after the exclusive or
 * (https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord). */
static inline const char *find_open_brace(const char *key, size_t len)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    size_t i = 0;

    if (len > 32)
        return memchr(key, '{', len);
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, key + i, sizeof word);
        word ^= '{' * ones;
        if ((word - ones) & ~word & tops)
            return memchr(key + i, '{', 8);
    }
    for (; i < len; i++)
        if (key[i] == '{')
            return key + i;
    return NULL;
}

uint16_t slot_of_key(const char *key, size_t len)
{
    const char *open = find_open_brace(key, len);

    if (open) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', (size_t)(key + len - tag));
        if (close && close != tag) {
            key = tag;
            len = (size_t)(close - tag);
        }
    }
    return crc_slot(key, len);
}
