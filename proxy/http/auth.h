/* auth: name and password of the statistics page, and how often an address may guess.
 * One thread's; time comes from the caller. */
#ifndef SLOTWAY_HTTP_AUTH_H
#define SLOTWAY_HTTP_AUTH_H

#include "config.h"
#include <stdbool.h>
#include <sys/socket.h>

#define AUTH_GUESSES 10   /* wrong passwords that an address may send … */
#define AUTH_WINDOW  60.0 /* … within so many seconds */

enum auth_result {
    AUTH_OK,
    AUTH_MISSING, /* no name and password */
    AUTH_WRONG,
    AUTH_LIMITED, /* too many wrong ones from this address: not even looked at */
    AUTH_DEFAULT  /* the password is the default one and the peer is another host */
};

struct auth;

struct auth *auth_new(void);
void auth_free(struct auth *a); /* NULL is fine */

/* user and password as the request gives them, NULL: none. now: seconds, any monotonic clock. */
enum auth_result auth_check(struct auth *a, const struct config *config,
                            const struct sockaddr *peer, const char *user, const char *password,
                            double now);

/* Requests with a wrong password, or kept back because of earlier ones, so far. */
uint64_t auth_refused(const struct auth *a);

/* Is the password still the one that everybody knows? */
bool auth_is_default(const struct config *config);

/* Does a request with this Host header name this host, or an address: not a name of somebody else's
 * whose DNS says that it is us ("DNS rebinding": a page of theirs could read ours in the browser of
 * whoever sits at this host, as the default password is known)? NULL and "": there is none. */
bool auth_is_own_name(const char *host);

/* Are the two texts the same? Takes the same time wherever they differ. */
bool auth_same(const char *a, const char *b);

#endif
