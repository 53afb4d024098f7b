#pragma once

/** Carries standard input and output to a TCP port, until both sides have ended. Returns 1 when it is refused. */
int relay_connect(const char *address, int port);

/** Whether a TCP port takes a connection: 0, or 1 when it is refused. */
int relay_check(const char *address, int port);

/**
 * Listens on the ports that a file names, for as long as each has places to go to, and carries each connection to the next of
 * them in turn. The file is read again when it changes: lines of a port and `address:port` of each place, and at last `end`.
 */
int relay_forward(const char *file);
