/** Answers the client on stdin and stdout, until stdin ends. */
#ifndef SERVE_H
#define SERVE_H

int serve(void);

#endif
