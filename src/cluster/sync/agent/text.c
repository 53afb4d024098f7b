#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t join_all(char *into, size_t size, const char *text, va_list more) {
  size_t length = 0;
  for (; text != NULL; text = va_arg(more, const char *)) {
    size_t wanted = strlen(text);
    if (wanted > size - 1 - length) wanted = size - 1 - length;
    memcpy(into + length, text, wanted);
    length += wanted;
  }
  into[length] = '\0';
  return length;
}

size_t join(char *into, size_t size, ...) {
  va_list texts;
  va_start(texts, size);
  const char *first = va_arg(texts, const char *);
  size_t length = join_all(into, size, first, texts);
  va_end(texts);
  return length;
}

void say(const char *text, ...) {
  char line[1024];
  va_list more;
  size_t length = join(line, sizeof line, "devloop: ", NULL);
  va_start(more, text);
  length += join_all(line + length, sizeof line - length - 1, text, more);
  va_end(more);
  line[length++] = '\n';
  // One write, so that lines of several programs do not mix. Nobody is left to hear of one that fails.
  ssize_t ignored = write(2, line, length);
  (void)ignored;
}

void die(int code, const char *why) {
  say(why, NULL);
  exit(code);
}

const char *decimal(digits into, unsigned long long value) {
  char *at = into + sizeof(digits) - 1;
  *at = '\0';
  do *--at = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  return at;
}

long number_of(const char *text, long most) {
  long value = 0;
  if (*text == '\0') return -1;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return -1;
    value = value * 10 + (*text - '0');
    if (value > most) return -1;
  }
  return value;
}
