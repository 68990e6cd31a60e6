// SPDX-License-Identifier: MIT
// pipe OPERATIONS: a 40-byte message there and a 16-byte answer back through two pipes, both threads on one CPU.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "measure.h"

static int there[2], back[2];

static void pin_to_one_cpu(void) {
  cpu_set_t allowed, one;
  sched_getaffinity(0, sizeof(allowed), &allowed);
  CPU_ZERO(&one);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  sched_setaffinity(0, sizeof(one), &one);
}

static void *answer_messages(void *unused) {
  char message[40], answer[16] = {0};
  (void)unused;
  while (read(there[0], message, sizeof(message)) == (ssize_t)sizeof(message))
    if (write(back[1], answer, sizeof(answer)) != (ssize_t)sizeof(answer)) abort();
  return NULL;
}

static int64_t exchange(int64_t operations) {
  char message[40] = {0}, answer[16];
  int64_t start = cpu_nanos();
  for (int64_t i = 0; i < operations; i++) {
    if (write(there[1], message, sizeof(message)) != (ssize_t)sizeof(message)) abort();
    if (read(back[0], answer, sizeof(answer)) != (ssize_t)sizeof(answer)) abort();
  }
  return cpu_nanos() - start;
}

int main(int argc, char **argv) {
  int64_t operations = argument(argc, argv, 1, 65536);
  pin_to_one_cpu();
  if (pipe(there) < 0 || pipe(back) < 0) unavailable("pipe");
  pthread_t other;
  if (pthread_create(&other, NULL, answer_messages, NULL) != 0) unavailable("pthread_create");
  exchange(1000);
  report(exchange(operations), operations);
  return 0;
}
