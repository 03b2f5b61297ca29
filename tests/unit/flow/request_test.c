/* request_test: a reply that is held until its turn. */
#include "flow/request.h"
#include "flow/worker.h"
#include "support/flow.h"
#include "support/unit.h"
#include <stdlib.h>
#include <string.h>

static struct flow *f;
static struct request *r;

static void begin(void)
{
    f = flow_start(NULL);
    r = request_new(f->w, NULL, NULL);
}

static void end(void)
{
    request_free(f->w, r);
    ck_assert_uint_eq(f->w->requests.in_use, 0);
    flow_stop(f);
}

START_TEST(a_new_request_is_blank)
{
    ck_assert_uint_eq(r->slot, SLOT_NONE);
    ck_assert_uint_eq(r->target, NODE_NONE);
    ck_assert_uint_eq(r->flags, 0);
    ck_assert_uint_eq(request_held(r), 0);
    ck_assert_uint_eq(r->started, f->w->now);
}
END_TEST

START_TEST(a_short_reply_is_held_in_the_request_itself)
{
    char text[] = "+OK\r\n";
    request_hold(f->w, r, NULL, text, 5);
    ck_assert_uint_eq(r->inline_len, 5);
    ck_assert_ptr_null(r->reply.head);
    ck_assert_uint_eq(request_held(r), 5);
}
END_TEST

START_TEST(what_grows_beyond_the_request_moves_out_in_order)
{
    char *value = flow_pattern(300), got[301];
    for (size_t at = 0; at < 300; at += 50)
        request_hold(f->w, r, NULL, value + at, 50);
    ck_assert_uint_eq(r->inline_len, 0);
    ck_assert_uint_eq(request_held(r), 300);
    ck_assert_uint_eq(bufq_peek(&r->reply, got, 300), 300);
    ck_assert_int_eq(memcmp(got, value, 300), 0);
    free(value);
}
END_TEST

START_TEST(a_long_part_is_held_by_reference)
{
    struct chunk *chunk = chunk_alloc_size(&f->w->chunks, 50000);
    request_hold(f->w, r, chunk, chunk->data, 50000);
    ck_assert_uint_eq(chunk->refs, 2);
    ck_assert_ptr_eq(r->reply.head->data, chunk->data);
    request_forget_reply(f->w, r);
    ck_assert_uint_eq(chunk->refs, 1);
    ck_assert_uint_eq(request_held(r), 0);
    chunk_unref(&f->w->chunks, chunk);
}
END_TEST

UNIT_SUITE_WITH("request", begin, end, {a_new_request_is_blank},
                {a_short_reply_is_held_in_the_request_itself},
                {what_grows_beyond_the_request_moves_out_in_order},
                {a_long_part_is_held_by_reference})
