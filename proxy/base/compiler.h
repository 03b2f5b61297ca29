/* compiler: what the compiler is told about the path that nearly all requests take. */
#ifndef SLOTWAY_BASE_COMPILER_H
#define SLOTWAY_BASE_COMPILER_H

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* What p points to will be needed soon. p may be NULL. */
#define PREFETCH(p) __builtin_prefetch(p)

/* A function that is not to become part of its caller: it needs registers and stack that the usual
 * way through the caller would have to save for it. */
#define OUTLINED __attribute__((noinline))

#endif
