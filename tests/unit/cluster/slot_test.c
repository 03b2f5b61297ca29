/* Slots of keys: known values of the cluster specification, hash tags, all lengths against the
 * plain bit-by-bit definition. */
#include "cluster/slot.h"
#include "support/unit.h"

#include <string.h>

static uint16_t slot(const char *key)
{
    return slot_of_key(key, strlen(key));
}

static uint16_t crc_bit_by_bit(const uint8_t *p, size_t len)
{
    unsigned crc = 0;

    for (; len; len--, p++) {
        crc ^= (unsigned)*p << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
    }
    return (uint16_t)crc;
}

START_TEST(known_values)
{
    ck_assert_uint_eq(slot("123456789"), 0x31c3 & (SLOT_COUNT - 1));
    ck_assert_uint_eq(slot("foo"), 12182);
    ck_assert_uint_eq(slot("bar"), 5061);
    ck_assert_uint_eq(slot("hello"), 866);
    ck_assert_uint_eq(slot(""), 0);
}
END_TEST

START_TEST(hash_tags)
{
    ck_assert_uint_eq(slot("{user1000}.following"), slot("user1000"));
    ck_assert_uint_eq(slot("{user1000}.followers"), slot("user1000"));
    ck_assert_uint_eq(slot("foo{{bar}}zap"), slot("{bar"));
    ck_assert_uint_eq(slot("foo{bar}{zap}"), slot("bar"));
    ck_assert_uint_eq(slot("}{a}"), slot("a"));
    ck_assert_uint_eq(slot_of_key("a{\0}b", 5), slot_of_key("\0", 1));
}
END_TEST

START_TEST(no_hash_tag_when_empty_or_open)
{
    static const char *const whole[] = {"foo{}{bar}", "{}", "foo{bar", "foo}bar{", "}{", "{"};

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        ck_assert_uint_eq(slot(whole[i]),
                          crc_bit_by_bit((const uint8_t *)whole[i], strlen(whole[i])) % SLOT_COUNT);
}
END_TEST

START_TEST(every_length_as_defined)
{
    uint8_t key[100];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 37 + 200) == '{' ? 'x' : (uint8_t)(i * 37 + 200);
    for (size_t from = 0; from < 8; from++)
        for (size_t len = 0; len + from <= sizeof(key); len++)
            ck_assert_uint_eq(slot_of_key((const char *)key + from, len),
                              crc_bit_by_bit(key + from, len) % SLOT_COUNT);
}
END_TEST

UNIT_SUITE("slot", {known_values}, {hash_tags}, {no_hash_tag_when_empty_or_open},
           {every_length_as_defined})
