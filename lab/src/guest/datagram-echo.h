/* Echo of UDP port 7 in the guest's network driver: an XDP program, for as long as this process lives. */
#include <stdbool.h>

/*
 * Attaches the program to the interface, or replaces it, so that it answers for the interface's present addresses.
 * False, with errno set, where the kernel or the driver cannot: datagrams then go on to the socket, which also answers.
 */
bool echo_in_driver(const char *interface);

/* How many datagrams the program has answered. */
unsigned long echoed_in_driver(void);
