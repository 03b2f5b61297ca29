/* client: talking to a server in tests: whole commands with readable replies (hiredis), and raw
 * bytes.
 *
 * Replies are rendered as text: +OK -> OK, errors -> -ERR …, integers -> :5, bulks -> "text" (with
 * \r \n \xNN escapes), nil -> nil, arrays -> [a, b]. Expected texts may hold * for any text. */
#ifndef SLOTWAY_TESTS_CLIENT_H
#define SLOTWAY_TESTS_CLIENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

/* Connect to 127.0.0.1:port; fails the test if that is impossible. Replies must come within 30 s.
 */
redisContext *client_open(int port);
/* The same, NULL if it is impossible. */
redisContext *client_try(int port);

/* Send one command (hiredis format: %s %d %b) and render its reply; "closed" when the connection
 * ended. The result lives until 16 further calls. */
const char *ask(redisContext *c, const char *fmt, ...);
const char *ask_argv(redisContext *c, int argc, const char *const *argv, const size_t *lens);
/* One command on a connection of its own; "closed" when nobody answers. */
const char *ask_port(int port, const char *fmt, ...);

/* Does the text match the pattern, in which * stands for any text? */
bool text_matches(const char *text, const char *pattern);

/* Render a reply into a new string; the caller frees it. */
char *render(const redisReply *reply);

/* Send a command and check its reply. The command takes hiredis' format. */
#define expect(c, want, ...)                                                                       \
    do {                                                                                           \
        const char *got_ = ask((c), __VA_ARGS__);                                                  \
        const char *want_ = (want);                                                                \
        ck_assert_msg(text_matches(got_, want_), "%s\n  replied  %.600s\n  expected %.600s",       \
                      #__VA_ARGS__, got_, want_);                                                  \
    } while (0)

/* Send one command again and again until its reply matches; fails the test after some seconds. */
void expect_soon(redisContext *c, const char *want, const char *command);

/* ---- raw bytes ---- */

/* Connected blocking socket (TCP_NODELAY); -1 and errno if impossible. rcvbuf 0: the default. */
int raw_open(int port, int rcvbuf);
/* Send all bytes within timeout_ms. False if the peer closed or it took too long. */
bool raw_send(int fd, const void *data, size_t len, int timeout_ms);
/* Read until len bytes are there, the peer closes, or timeout_ms passed. Bytes read. */
size_t raw_read(int fd, void *buf, size_t len, int timeout_ms);
/* Read (and forget beyond cap - 1) until the peer closes. True if it closed in time; buf is a C
 * string of the beginning. */
bool raw_read_to_end(int fd, char *buf, size_t cap, int timeout_ms);

#endif
