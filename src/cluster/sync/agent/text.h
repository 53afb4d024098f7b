/** Lines for people. printf would make the program a third larger. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/** Puts the texts after one another, the last one followed by NULL, and cuts what does not fit. The length. */
__attribute__((sentinel)) size_t join(char *into, size_t size, ...);

/** A line on stderr, behind the name of the program. */
__attribute__((sentinel)) void say(const char *text, ...);

/** Says why, and ends the program. */
_Noreturn void die(int code, const char *why);

/** Enough for any 64-bit number. */
typedef char digits[21];
const char *decimal(digits into, unsigned long long value);

/** A number of decimal digits, at most `most`; -1 for anything else. */
long number_of(const char *text, long most);

#endif
