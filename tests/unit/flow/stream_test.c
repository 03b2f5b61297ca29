/* stream_test: one write a turn, what is retained and acknowledged, sockets that refuse bytes. */
#include "base/memory.h"
#include "flow/stream.h"
#include "support/flow.h"
#include "support/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct flow *f;
static struct stream s;
static int peer;
static unsigned readable, drained, failed;
static bool more_is_expected;
static const struct stream *first_drained;

static void on_readable(struct stream *stream)
{
    (void)stream;
    readable++;
}

static void on_drained(struct stream *stream)
{
    if (drained++ == 0)
        first_drained = stream;
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    failed++;
    stream_close(stream);
}

static bool expects_more(const struct stream *stream)
{
    (void)stream;
    return more_is_expected;
}

static const struct stream_ops ops = {.on_readable = on_readable,
                                      .on_drained = on_drained,
                                      .expects_more = expects_more,
                                      .on_failed = on_failed};

static void open_pair(bool retain)
{
    int pair[2];
    readable = drained = failed = 0;
    more_is_expected = false;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    peer = pair[1];
    stream_open(&s, f->w, pair[0], &ops, retain, false);
}

static void begin(void)
{
    f = flow_start(NULL);
}

static void end(void)
{
    stream_close(&s);
    stream_close(&s); /* twice is fine */
    close(peer);
    flow_stop(f);
}

static void expect(const char *want)
{
    char got[200] = "";
    flow_turn(f);
    ck_assert_int_eq(read(peer, got, sizeof got), (ssize_t)strlen(want));
    ck_assert_str_eq(got, want);
}

START_TEST(what_is_appended_in_a_turn_leaves_in_one_write)
{
    open_pair(false);
    uint64_t before = flow_count(f, COUNTER_writes);
    stream_append(&s, "one", 3);
    stream_append(&s, "two", 3);
    char got[8];
    ck_assert_int_eq(read(peer, got, sizeof got), -1);
    expect("onetwo");
    ck_assert_uint_eq(flow_count(f, COUNTER_writes) - before, 1);
    ck_assert_uint_eq(s.unsent, 0);
    ck_assert_uint_eq(s.out.len, 0);
    ck_assert_uint_eq(drained, 1);
    flow_turn(f);
    ck_assert_uint_eq(flow_count(f, COUNTER_writes) - before, 1);
}
END_TEST

/* The last node first, as libev calls the watchers of one turn in reverse. */
START_TEST(nodes_are_written_to_before_clients_and_the_last_one_first)
{
    struct stream node[2];
    int pair[2][2];
    open_pair(false);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair[i]), 0);
        stream_open(&node[i], f->w, pair[i][0], &ops, true, false);
    }
    for (int round = 0; round < 6; round++) {
        int next = round % 2;
        drained = 0;
        for (int i = 0; i < 3; i++)
            stream_append(i == round % 3 ? &s : &node[next++ % 2], "x", 1);
        flow_turn(f);
        ck_assert_uint_eq(drained, 3);
        ck_assert_ptr_eq(first_drained, &node[(round + 1) % 2]);
    }
    for (int i = 0; i < 2; i++) {
        stream_close(&node[i]);
        close(pair[i][1]);
    }
}
END_TEST

START_TEST(what_expects_more_waits_for_it)
{
    open_pair(false);
    uint64_t before = flow_count(f, COUNTER_writes);
    more_is_expected = true;
    stream_append(&s, "one", 3);
    flow_turn(f);
    ck_assert_uint_eq(flow_count(f, COUNTER_writes), before);
    ck_assert_ptr_eq(f->w->patient, &s);
    more_is_expected = false;
    stream_append(&s, "two", 3);
    expect("onetwo");
    ck_assert_ptr_null(f->w->patient);
}
END_TEST

START_TEST(what_expects_more_in_vain_waits_for_a_moment)
{
    char got[8] = "";
    open_pair(false);
    more_is_expected = true;
    stream_append(&s, "one", 3);
    flow_settle(f);
    ck_assert_ptr_null(f->w->patient);
    ck_assert_ptr_null(f->w->patient_tail);
    ck_assert_int_eq(read(peer, got, sizeof got), 3);
    stream_append(&s, "two", 3);
    flow_turn(f);
    ck_assert_ptr_eq(f->w->patient, &s);
    stream_close(&s); /* nothing is left of it */
    ck_assert_ptr_null(f->w->patient);
    ck_assert_ptr_null(f->w->patient_tail);
}
END_TEST

START_TEST(a_retaining_stream_keeps_what_is_not_acknowledged)
{
    open_pair(true);
    stream_append(&s, "onetwo", 6);
    expect("onetwo");
    ck_assert_uint_eq(s.out.len, 6);
    stream_ack(&s, 3);
    stream_append(&s, "three", 5);
    expect("three");
    ck_assert_uint_eq(s.out.len, 8);
    ck_assert_int_eq(memcmp(s.out.head->data, "twothree", 8), 0);
    stream_ack(&s, 8);
    ck_assert_uint_eq(s.out.len, 0);
    stream_append(&s, "four", 4);
    expect("four");
    stream_ack(&s, 4);
}
END_TEST

/* Copies and spans in any mix, acknowledged in any steps while more is appended. */
START_TEST(retained_bytes_leave_once_and_in_order)
{
    char *value = flow_pattern(300000), *got = memory_alloc(300000);
    size_t appended = 0, acked = 0, received = 0, round = 0;
    open_pair(true);
    while (acked < 300000) {
        static const size_t sizes[] = {1, 17, 4000, 16384, 40000, 3, 15999};
        size_t n = sizes[round++ % 7];
        if (n > 300000 - appended)
            n = 300000 - appended;
        if (n >= CHUNK_SPAN_MIN) {
            struct chunk *chunk = chunk_alloc_size(&f->w->chunks, n);
            memcpy(chunk->data, value + appended, n);
            stream_append_from(&s, chunk, chunk->data, n);
            chunk_unref(&f->w->chunks, chunk);
        } else if (n) {
            stream_append(&s, value + appended, n);
        }
        appended += n;
        flow_turn(f);
        ssize_t more = read(peer, got + received, round % 3 ? 9000 : 100000);
        received += more > 0 ? (size_t)more : 0;
        ck_assert_int_eq(memcmp(got, value, received), 0);
        size_t sent = appended - s.unsent;
        size_t ack = (sent - acked) * (round % 4) / 3;
        if (appended == 300000)
            ack = sent - acked;
        if (ack)
            stream_ack(&s, ack);
        acked += ack;
        ck_assert_uint_eq(s.out.len, appended - acked);
    }
    free(value);
    free(got);
}
END_TEST

START_TEST(a_socket_that_refuses_bytes_is_waited_for)
{
    char *value = flow_pattern(2000000);
    open_pair(false);
    stream_append(&s, value, 2000000);
    flow_turn(f);
    ck_assert(s.blocked);
    ck_assert_uint_gt(s.unsent, 0);
    uint64_t before = flow_count(f, COUNTER_writes);
    for (int i = 0; i < 5; i++)
        flow_turn(f);
    ck_assert_uint_eq(flow_count(f, COUNTER_writes), before);
    char *got = memory_alloc(2000000);
    for (size_t at = 0; at < 2000000;) {
        ssize_t n = read(peer, got + at, 2000000 - at);
        at += n > 0 ? (size_t)n : 0;
        flow_turn(f);
    }
    ck_assert_int_eq(memcmp(got, value, 2000000), 0);
    flow_turn(f);
    ck_assert(!s.blocked);
    ck_assert_uint_eq(s.unsent, 0);
    free(value);
    free(got);
}
END_TEST

START_TEST(a_peer_that_has_gone_fails_the_stream)
{
    open_pair(false);
    stream_set_reading(&s, false);
    close(peer);
    peer = -1;
    stream_append(&s, "x", 1);
    flow_turn(f);
    ck_assert_uint_eq(failed, 1);
    flow_turn(f);
    ck_assert_uint_eq(failed, 1);
}
END_TEST

START_TEST(reading_can_be_switched_off_and_on)
{
    open_pair(false);
    ck_assert_int_eq(write(peer, "abc", 3), 3);
    stream_set_reading(&s, false);
    flow_turn(f);
    ck_assert_uint_eq(readable, 0);
    stream_set_reading(&s, true);
    flow_turn(f);
    ck_assert_uint_ge(readable, 1);
    char got[8];
    ck_assert_int_eq(stream_read(&s, got, sizeof got), 3);
    ck_assert_int_eq(stream_read(&s, got, sizeof got), STREAM_AGAIN);
    shutdown(peer, SHUT_WR);
    ck_assert_int_eq(stream_read(&s, got, sizeof got), STREAM_EOF);
    stream_set_reading(&s, false);
}
END_TEST

UNIT_SUITE_WITH("stream", begin, end, {what_is_appended_in_a_turn_leaves_in_one_write},
                {nodes_are_written_to_before_clients_and_the_last_one_first},
                {what_expects_more_waits_for_it}, {what_expects_more_in_vain_waits_for_a_moment},
                {a_retaining_stream_keeps_what_is_not_acknowledged},
                {retained_bytes_leave_once_and_in_order},
                {a_socket_that_refuses_bytes_is_waited_for},
                {a_peer_that_has_gone_fails_the_stream}, {reading_can_be_switched_off_and_on})
