/* wire: a connection of which tests see every type of RESP2 and RESP3, as hiredis 0.14 knows RESP3
 * not at all.
 *
 * Elements are rendered with the type they have on the wire: +OK -ERR… :5 $"text" $nil *nil _ #t
 * ,1.5 ="txt:…" *[a, b] ~[a, b] %{a: b} >[a, b] |{a: b} before what it belongs to. */
#ifndef SLOTWAY_TESTS_WIRE_H
#define SLOTWAY_TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

struct wire; /* one connection */

enum wire_view {
    WIRE_EXACT,  /* all there is */
    WIRE_SORTED, /* the elements of the outermost aggregate sorted: their order is not defined */
    WIRE_SHAPE   /* types only, and equal neighbours once: values differ between servers */
};

/* Connect to 127.0.0.1:port; fails the test if that is impossible. */
struct wire *wire_open(int port);
void wire_close(struct wire *w);

void wire_send_argv(struct wire *w, int argc, const char *const *argv, const size_t *lens);
/* Words separated by blanks. */
void wire_send(struct wire *w, const char *command);
/* The next element, rendered; "closed" if the connection ends. Fails the test after 30 s. The
 * caller frees. */
char *wire_read(struct wire *w, enum wire_view view);
/* wire_send and wire_read; lives until 16 further calls. */
const char *wire_ask(struct wire *w, const char *command);
const char *wire_next(struct wire *w);
/* Is there anything to be read within ms? */
bool wire_is_silent(struct wire *w, int ms);

/* Send a command (or NULL: nothing) and check the next element; * stands for any text. */
#define wire_expect(w, command, want)                                                              \
    do {                                                                                           \
        const char *command_ = (command), *want_ = (want);                                         \
        const char *got_ = command_ ? wire_ask((w), command_) : wire_next(w);                      \
        ck_assert_msg(text_matches(got_, want_), "%s\n  replied  %.600s\n  expected %.600s",       \
                      command_ ? command_ : "next", got_, want_);                                  \
    } while (0)

#endif
