/* control_test: a connection to a node that is played by this test, byte by byte. */
#include "cluster/control.h"

#include "support/unit.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ev_loop *loop;
static int listener, peer;
static struct control *control;
static struct control_target target;
static bool up, close_in_callback;
static char reason[256], replies[256], raw_reply[64];

static void on_up(void *owner)
{
    (void)owner;
    up = true;
}

static void on_down(void *owner, const char *why)
{
    (void)owner;
    snprintf(reason, sizeof(reason), "%s", why);
}

static const struct control_events events = {on_up, on_down};

static void set_up(void)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&target.address.addr;
    socklen_t len = sizeof(*in);

    loop = ev_loop_new(0);
    memset(&target, 0, sizeof(target));
    ck_assert(resolver_numeric("127.0.0.1", 0, &target.address));
    target.user = target.password = "";
    target.timeout = 10;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)in, len), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)in, &len), 0);
    peer = -1;
    up = close_in_callback = false;
    reason[0] = replies[0] = raw_reply[0] = '\0';
}

static void tear_down(void)
{
    control_close(control);
    if (peer >= 0)
        close(peer);
    close(listener);
    ev_loop_destroy(loop);
}

static void connect_to_peer(void)
{
    control = control_open(loop, &target, &events, NULL);
    ck_assert_ptr_nonnull(control);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    while (!up && !*reason)
        ev_run(loop, EVRUN_ONCE);
}

static void on_reply(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    char text[64];

    snprintf(text, sizeof(text), "%s:%d ", (const char *)arg, reply->type);
    strcat(replies, text);
    snprintf(raw_reply, sizeof(raw_reply), "%.*s", (int)len, raw);
    if (close_in_callback) {
        control_close(control);
        control = NULL;
    }
}

static void ask(const char *name)
{
    const char *argv[] = {name};

    ck_assert(control_send(control, on_reply, (void *)name, 1, argv));
}

static void answer(const char *bytes)
{
    ck_assert_int_eq(write(peer, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

static void expect_sent(const char *bytes)
{
    char got[256] = "";
    size_t len = 0;

    while (len < strlen(bytes)) {
        ssize_t n = read(peer, got + len, strlen(bytes) - len);

        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_str_eq(got, bytes);
}

START_TEST(replies_are_paired_in_order_however_they_are_cut)
{
    const char *bytes = "+OK\r\n*2\r\n:1\r\n$3\r\nabc\r\n-ERR no\r\n";

    connect_to_peer();
    ck_assert_double_eq(control_waiting_since(control), 0);
    ask("A");
    ask("B");
    ask("C");
    expect_sent("*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n");
    ck_assert_uint_eq(control_unanswered(control), 3);
    ck_assert_double_gt(control_waiting_since(control), 0);
    for (const char *s = bytes; *s; s++) {
        char one[2] = {*s, '\0'};

        answer(one);
        ev_run(loop, EVRUN_ONCE);
        if (strcmp(replies, "A:5 B:2 ") == 0)
            ck_assert_str_eq(raw_reply, "*2\r\n:1\r\n$3\r\nabc\r\n");
    }
    ck_assert_str_eq(replies, "A:5 B:2 C:6 ");
    ck_assert_uint_eq(control_unanswered(control), 0);
    ck_assert_str_eq(reason, "");
}
END_TEST

START_TEST(auth_goes_ahead_of_everything)
{
    target.user = "me";
    target.password = "secret";
    connect_to_peer();
    ask("A");
    expect_sent("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*1\r\n$1\r\nA\r\n");
    answer("+OK\r\n:7\r\n");
    while (!*replies)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(replies, "A:3 ");
}
END_TEST

START_TEST(a_refused_password_takes_the_connection_down)
{
    target.password = "secret";
    connect_to_peer();
    expect_sent("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    answer("-WRONGPASS no\r\n");
    while (!*reason)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(reason, "AUTH refused: WRONGPASS no");
    ck_assert(!control_is_up(control));
}
END_TEST

START_TEST(a_node_without_a_password_is_served_all_the_same)
{
    target.password = "secret";
    connect_to_peer();
    ask("A");
    answer("-ERR AUTH <password> called without any password configured for the default user. Are "
           "you sure your configuration is correct?\r\n+OK\r\n");
    while (!*replies)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(reason, "");
}
END_TEST

START_TEST(garbage_and_unasked_replies_take_the_connection_down)
{
    static const char *const bad[] = {"hello\r\n", "$-77\r\n", "*2\r\nx", "+OK\r\n+OK\r\n",
                                      "*99999999999\r\n"};

    connect_to_peer();
    ask("A");
    answer(bad[_i]);
    while (!*reason)
        ev_run(loop, EVRUN_ONCE);
    ck_assert(!control_is_up(control));
    ck_assert(!control_send(control, on_reply, "B", 1, (const char *[]){"B"}));
}
END_TEST

START_TEST(a_node_that_closes_is_noticed)
{
    connect_to_peer();
    close(peer);
    peer = -1;
    while (!*reason)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(reason, "closed by the node");
}
END_TEST

START_TEST(nobody_listens)
{
    close(listener);
    control = control_open(loop, &target, &events, NULL);
    while (control && !*reason)
        ev_run(loop, EVRUN_ONCE);
    ck_assert(!up);
    listener = socket(AF_INET, SOCK_STREAM, 0);
}
END_TEST

START_TEST(it_can_be_closed_from_within_a_callback)
{
    connect_to_peer();
    ask("A");
    ask("B");
    close_in_callback = true;
    answer("+OK\r\n+OK\r\n");
    while (!*replies)
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(replies, "A:5 ");
    ck_assert_ptr_null(control);
}
END_TEST

UNIT_SUITE_WITH("control", set_up, tear_down, {replies_are_paired_in_order_however_they_are_cut},
                {auth_goes_ahead_of_everything}, {a_refused_password_takes_the_connection_down},
                {a_node_without_a_password_is_served_all_the_same},
                {garbage_and_unasked_replies_take_the_connection_down, 5},
                {a_node_that_closes_is_noticed}, {nobody_listens},
                {it_can_be_closed_from_within_a_callback})
