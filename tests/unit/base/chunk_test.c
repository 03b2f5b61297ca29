/* chunk_test: reference counts and queues of spans. Memory is back where it began after each. */
#include "base/chunk.h"
#include "support/unit.h"
#include <stdlib.h>
#include <string.h>

static struct chunk_pool pool;
static struct bufq q, other;

static void begin(void)
{
    chunk_pool_init(&pool);
}

static void end(void)
{
    bufq_clear(&pool, &q);
    bufq_clear(&pool, &other);
    ck_assert_uint_eq(pool.bytes, 0);
    ck_assert_uint_eq(pool.segs.in_use, 0);
    chunk_pool_destroy(&pool);
}

static void append(struct bufq *to, const char *text)
{
    bufq_append(&pool, to, text, strlen(text));
}

static void append_span(struct bufq *to, const char *text)
{
    struct chunk *chunk = chunk_alloc_size(&pool, strlen(text));
    memcpy(chunk->data, text, strlen(text));
    bufq_append_span(&pool, to, chunk, chunk->data, strlen(text));
    chunk_unref(&pool, chunk);
}

static void expect(const struct bufq *from, const char *want)
{
    char got[200] = "";
    size_t n = bufq_peek(from, got, sizeof got - 1);
    ck_assert_uint_eq(n, from->len);
    ck_assert_str_eq(got, want);
}

static unsigned segments(const struct bufq *from)
{
    unsigned n = 0;
    for (const struct seg *seg = from->head; seg; seg = seg->next)
        n++;
    return n;
}

START_TEST(a_chunk_lives_as_long_as_its_last_reference)
{
    struct chunk *chunk = chunk_alloc(&pool, CHUNK_FLAT);
    size_t bytes = pool.bytes;
    ck_assert_uint_ge(bytes, chunk->cap);
    chunk_ref(chunk);
    chunk_unref(&pool, chunk);
    ck_assert_uint_eq(pool.bytes, bytes);
    chunk_unref(&pool, chunk);
    ck_assert_uint_eq(pool.bytes, 0);
}
END_TEST

START_TEST(any_size_is_had)
{
    for (size_t cap = 1; cap < 40000000; cap = cap * 3 + 1) {
        struct chunk *chunk = chunk_alloc_size(&pool, cap);
        ck_assert_uint_ge(chunk->cap, cap);
        chunk->data[0] = chunk->data[cap - 1] = 'x';
        chunk_unref(&pool, chunk);
    }
}
END_TEST

START_TEST(a_grown_chunk_keeps_its_bytes)
{
    struct chunk *chunk = chunk_alloc_size(&pool, 100);
    size_t used = 0;
    for (size_t cap = 100; cap < 30000000; cap *= 3) {
        chunk = chunk_grow(&pool, chunk, used, cap);
        ck_assert_uint_ge(chunk->cap, cap);
        while (used < cap)
            chunk->data[used] = (char)(used % 251), used++;
    }
    size_t changed = 0;
    for (size_t i = 0; i < used; i++)
        changed += chunk->data[i] != (char)(i % 251);
    ck_assert_uint_eq(changed, 0);
    ck_assert_ptr_eq(chunk_grow(&pool, chunk, used, 10), chunk);
    chunk_unref(&pool, chunk);
}
END_TEST

START_TEST(small_messages_share_a_segment)
{
    for (int i = 0; i < 20; i++)
        append(&q, "12345");
    ck_assert_uint_eq(q.len, 100);
    ck_assert_uint_eq(segments(&q), 1);
}
END_TEST

START_TEST(a_message_is_never_spread_over_two_segments)
{
    char message[5000];
    memset(message, 'm', sizeof message);
    for (int i = 0; i < 20; i++)
        bufq_append(&pool, &q, message, sizeof message);
    for (const struct seg *seg = q.head; seg; seg = seg->next)
        ck_assert_uint_eq(seg->len % sizeof message, 0);
}
END_TEST

START_TEST(long_messages_are_referred_to_and_short_ones_copied)
{
    struct chunk *chunk = chunk_alloc(&pool, CHUNK_READ);
    bufq_append_from(&pool, &q, chunk, chunk->data, CHUNK_SPAN_MIN - 1);
    ck_assert_uint_eq(chunk->refs, 1);
    bufq_append_from(&pool, &q, chunk, chunk->data, CHUNK_SPAN_MIN);
    ck_assert_uint_eq(chunk->refs, 2);
    bufq_clear(&pool, &q);
    ck_assert_uint_eq(chunk->refs, 1);
    chunk_unref(&pool, chunk);
}
END_TEST

START_TEST(bytes_are_not_written_behind_a_span)
{
    struct chunk *chunk = chunk_alloc(&pool, CHUNK_FLAT);
    memcpy(chunk->data, "sharedXXXX", 10);
    bufq_append_span(&pool, &q, chunk, chunk->data, 6);
    append(&q, "mine");
    expect(&q, "sharedmine");
    ck_assert_int_eq(memcmp(chunk->data, "sharedXXXX", 10), 0);
    chunk_unref(&pool, chunk);
}
END_TEST

START_TEST(splice_moves_everything)
{
    append(&q, "one");
    append(&other, "two");
    append_span(&other, "three");
    bufq_splice(&q, &other);
    expect(&q, "onetwothree");
    expect(&other, "");
    ck_assert_ptr_null(other.head);
    bufq_splice(&q, &other);
    bufq_splice(&other, &q);
    append(&other, "!");
    expect(&other, "onetwothree!");
}
END_TEST

START_TEST(move_takes_the_first_bytes_and_copy_leaves_them)
{
    append(&other, "abc");
    append_span(&other, "defgh");
    bufq_copy_head(&pool, &q, &other, 5);
    expect(&q, "abcde");
    expect(&other, "abcdefgh");
    bufq_move(&pool, &q, &other, 4);
    expect(&q, "abcdeabcd");
    expect(&other, "efgh");
    bufq_move(&pool, &q, &other, 4);
    expect(&q, "abcdeabcdefgh");
    expect(&other, "");
}
END_TEST

START_TEST(drop_takes_bytes_off_the_start)
{
    append(&q, "abc");
    append_span(&q, "def");
    bufq_drop(&pool, &q, 0);
    bufq_drop(&pool, &q, 2);
    expect(&q, "cdef");
    bufq_drop(&pool, &q, 2);
    expect(&q, "ef");
    bufq_drop(&pool, &q, 2);
    ck_assert_ptr_null(q.head);
    ck_assert_ptr_null(q.tail);
    append(&q, "again");
    expect(&q, "again");
}
END_TEST

START_TEST(flatten_makes_one_run)
{
    ck_assert_ptr_null(bufq_flatten(&pool, &q));
    append(&q, "abc");
    append_span(&q, "def");
    append(&q, "ghi");
    ck_assert_int_eq(memcmp(bufq_flatten(&pool, &q), "abcdefghi", 9), 0);
    ck_assert_uint_eq(segments(&q), 1);
    ck_assert_uint_eq(q.len, 9);
    append(&q, "jkl");
    expect(&q, "abcdefghijkl");
}
END_TEST

UNIT_SUITE_WITH("chunk", begin, end, {a_chunk_lives_as_long_as_its_last_reference},
                {any_size_is_had}, {a_grown_chunk_keeps_its_bytes},
                {small_messages_share_a_segment}, {a_message_is_never_spread_over_two_segments},
                {long_messages_are_referred_to_and_short_ones_copied},
                {bytes_are_not_written_behind_a_span}, {splice_moves_everything},
                {move_takes_the_first_bytes_and_copy_leaves_them}, {drop_takes_bytes_off_the_start},
                {flatten_makes_one_run})
