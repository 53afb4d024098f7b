/** Numbers in frames are big-endian. */
#ifndef BYTES_H
#define BYTES_H

#include <stdint.h>

static inline uint32_t get32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void set32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline void set64(uint8_t *at, uint64_t value) {
  set32(at, (uint32_t)(value >> 32));
  set32(at + 4, (uint32_t)value);
}

#endif
