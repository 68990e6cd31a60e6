// SPDX-License-Identifier: MIT
// What every peer shares: CPU time of all threads of this process, the line that reports it, and the way to be unavailable.
#ifndef IOPF_BENCH_MEASURE_H
#define IOPF_BENCH_MEASURE_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// Exit status of a peer that this machine cannot run; stderr says why.
#define PEER_UNAVAILABLE 77

static inline int64_t cpu_nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void report(int64_t nanos, int64_t operations) {
  printf("{\"nanos\":%lld,\"operations\":%lld}\n", (long long)nanos, (long long)operations);
}

static inline void unavailable(const char *what) {
  perror(what);
  exit(PEER_UNAVAILABLE);
}

static inline int64_t argument(int argc, char **argv, int index, int64_t fallback) {
  return argc > index ? atoll(argv[index]) : fallback;
}

// xorshift32: the same visiting order on both sides of a comparison needs no library.
static inline uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

// A shuffled 0..count-1.
static inline uint32_t *shuffled(uint32_t count, uint32_t seed) {
  uint32_t *order = malloc(count * sizeof(*order));
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  for (uint32_t i = count - 1; i > 0; i--) {
    uint32_t j = next_random(&seed) % (i + 1);
    uint32_t kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  return order;
}
#endif
