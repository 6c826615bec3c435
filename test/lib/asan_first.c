/*
 * asan_first.c
 *		Make AddressSanitizer start before every other library.
 *
 * Preloaded, it starts at the first malloc.  In a Debian server that one comes
 * from the constructor of libgpg-error, inside bindtextdomain, which holds
 * libc's message lock; the start looks up a symbol that is not there, asks for
 * the message, takes the same lock for reading, and the next writer waits for
 * ever.  Linked with -z initfirst, the constructor below runs before all others.
 */
#include <stdlib.h>

static void __attribute__((constructor))
start_asan(void)
{
	char	   *volatile p = malloc(1);

	free(p);
}
