/**
 * The frames on stdin and stdout: u32 length of what follows, u8 type, payload. Whatever is wrong with one that comes in
 * ends the program with code 2: the two sides have lost each other, and nothing after it can be trusted.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A frame that came in: `at` moves over its fields as they are taken. It lives until the next one is asked for. */
struct frame {
  uint8_t type;
  uint8_t *at;
  uint8_t *end;
};

/** Reads what has come on stdin; false at its end. */
bool read_input(void);
/** The next frame that is there as a whole. */
bool next_frame(struct frame *frame);

uint8_t take8(struct frame *frame);
uint16_t take16(struct frame *frame);
uint32_t take32(struct frame *frame);
uint64_t take64(struct frame *frame);
uint8_t *take_bytes(struct frame *frame, size_t count);
/** NULL for one with a NUL inside, which no call of the system can be given. */
char *take_string(struct frame *frame);
/** Nothing may be left. */
void take_end(const struct frame *frame);
_Noreturn void bad_frame(void);

/** Frames that go out are collected and sent by flush_output, or when they have become many. */
void begin_frame(uint8_t type);
void put8(uint8_t value);
void put16(uint16_t value);
void put32(uint32_t value);
void put64(uint64_t value);
void put_bytes(const void *bytes, size_t count);
void put_string(const char *text);
/** How much the frame holds by now, and a number in it that is known only later. */
size_t frame_used(void);
void put32_at(size_t place, uint32_t value);
void end_frame(void);

/** Waits until all has been taken. Ends the program when nobody is there any more. */
void flush_output(void);

#endif
