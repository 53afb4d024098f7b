#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "text.h"

/** A thousand of the longest paths are half of it. */
enum { LONGEST_FRAME = 8 << 20, READ_AT_ONCE = 256 << 10, FLUSH_ABOVE = 128 << 10 };
/** How long somebody who has closed our stdin may take none of our output. */
enum { PATIENCE_MS = 10000 };

static struct {
  uint8_t *bytes;
  size_t size, from, to;
} in;
static struct {
  uint8_t *bytes;
  size_t size, used, frame;
} out;

static void *grown(void *bytes, size_t size) {
  void *larger = realloc(bytes, size);
  if (larger == NULL) die(1, "out of memory");
  return larger;
}

/** How long the frame at the front is, without its length; 0 while that is not known. */
static size_t front_length(void) {
  if (in.to - in.from < 4) return 0;
  size_t length = get32(in.bytes + in.from);
  if (length == 0 || length > LONGEST_FRAME) die(2, "a frame of an impossible length came in");
  return length;
}

bool read_input(void) {
  size_t wanted = 4 + front_length();
  if (wanted < READ_AT_ONCE) wanted = READ_AT_ONCE;
  if (in.from > 0) {
    memmove(in.bytes, in.bytes + in.from, in.to - in.from);
    in.to -= in.from;
    in.from = 0;
  }
  if (in.size < wanted) {
    in.bytes = grown(in.bytes, wanted);
    in.size = wanted;
  }
  ssize_t count = read(0, in.bytes + in.to, in.size - in.to);
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  in.to += (size_t)count;
  return count > 0;
}

bool next_frame(struct frame *frame) {
  size_t length = front_length();
  if (length == 0 || in.to - in.from < 4 + length) return false;
  uint8_t *start = in.bytes + in.from + 4;
  *frame = (struct frame){.type = start[0], .at = start + 1, .end = start + length};
  in.from += 4 + length;
  return true;
}

void bad_frame(void) { die(2, "a frame came in that is not as its type has it"); }

uint8_t *take_bytes(struct frame *frame, size_t count) {
  if ((size_t)(frame->end - frame->at) < count) bad_frame();
  uint8_t *bytes = frame->at;
  frame->at += count;
  return bytes;
}

uint8_t take8(struct frame *frame) { return *take_bytes(frame, 1); }

uint16_t take16(struct frame *frame) {
  const uint8_t *at = take_bytes(frame, 2);
  return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t take32(struct frame *frame) { return get32(take_bytes(frame, 4)); }

uint64_t take64(struct frame *frame) {
  uint64_t high = take32(frame);
  return high << 32 | take32(frame);
}

char *take_string(struct frame *frame) {
  size_t length = take32(frame);
  uint8_t *bytes = take_bytes(frame, length);
  // Moved over its own length, which makes room for the NUL behind it.
  char *text = (char *)bytes - 4;
  memmove(text, bytes, length);
  text[length] = '\0';
  return memchr(text, '\0', length) == NULL ? text : NULL;
}

void take_end(const struct frame *frame) {
  if (frame->at != frame->end) bad_frame();
}

void put_bytes(const void *bytes, size_t count) {
  if (out.size - out.used < count) {
    out.size = 2 * out.size + count;
    out.bytes = grown(out.bytes, out.size);
  }
  if (count > 0) memcpy(out.bytes + out.used, bytes, count);
  out.used += count;
}

void begin_frame(uint8_t type) {
  out.frame = out.used;
  put32(0);
  put8(type);
}

void put8(uint8_t value) { put_bytes(&value, 1); }

void put16(uint16_t value) { put_bytes((uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2); }

void put32(uint32_t value) {
  uint8_t bytes[4];
  set32(bytes, value);
  put_bytes(bytes, sizeof bytes);
}

void put64(uint64_t value) {
  uint8_t bytes[8];
  set64(bytes, value);
  put_bytes(bytes, sizeof bytes);
}

void put_string(const char *text) {
  size_t length = strlen(text);
  put32((uint32_t)length);
  put_bytes(text, length);
}

size_t frame_used(void) { return out.used - out.frame; }

void put32_at(size_t place, uint32_t value) { set32(out.bytes + out.frame + place, value); }

void end_frame(void) {
  put32_at(0, (uint32_t)(out.used - out.frame - 4));
  if (out.used > FLUSH_ABOVE) flush_output();
}

/** Who waits for input until the output is taken must end with those who hold the other side of it. */
static void await_reader(void) {
  struct pollfd ends[] = {{.fd = 1, .events = POLLOUT}, {.fd = 0, .events = 0}};
  if (poll(ends, 2, -1) < 0 && errno != EINTR) die(1, "poll failed");
  if (ends[0].revents != 0 || ends[1].revents == 0) return;
  if (poll(ends, 1, PATIENCE_MS) == 0) exit(0);
}

void flush_output(void) {
  // Only this program holds the other side's pipe at this end.
  static bool prepared = false;
  if (!prepared) fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
  prepared = true;
  for (size_t sent = 0; sent < out.used;) {
    ssize_t count = write(1, out.bytes + sent, out.used - sent);
    if (count >= 0) sent += (size_t)count;
    else if (errno == EAGAIN) await_reader();
    else if (errno != EINTR) exit(0);
  }
  out.used = 0;
}
