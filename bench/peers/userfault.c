// SPDX-License-Identifier: MIT
// userfault OPERATIONS [GROUP]: a thread touches pages, a handler thread polls, reads the message and answers with
// UFFDIO_COPY of GROUP pages. Both run on one CPU. An operation is one touched page; taking the pages away again between
// passes is not measured.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define PAGE 4096L
#define PAGES 128L

static int uffd;
static char *area, *source;
static int64_t group;
static volatile int64_t messages;

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

static int open_userfaultfd(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  if (fd < 0) fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  return fd;
}

static void *handle_faults(void *unused) {
  (void)unused;
  for (;;) {
    struct pollfd ready = {.fd = uffd, .events = POLLIN};
    struct uffd_msg message;
    if (poll(&ready, 1, -1) < 0) continue;
    if (read(uffd, &message, sizeof(message)) != (ssize_t)sizeof(message)) continue;
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    messages++;
    uint64_t address = message.arg.pagefault.address & ~(uint64_t)(PAGE * group - 1);
    struct uffdio_copy copy = {
        .dst = address, .src = (uint64_t)(source + (address - (uint64_t)area)), .len = (uint64_t)(PAGE * group)};
    if (ioctl(uffd, UFFDIO_COPY, &copy) < 0 && errno != EEXIST) abort();
  }
  return NULL;
}

static int64_t touch_all(void) {
  volatile char *page = area;
  int64_t sum = 0;
  int64_t start = cpu_nanos();
  for (long i = 0; i < PAGES; i++) sum += page[i * PAGE];
  int64_t spent = cpu_nanos() - start;
  if (sum != PAGES * 7) abort();
  if (madvise(area, PAGE * PAGES, MADV_DONTNEED) < 0) abort();
  return spent;
}

// An area aligned to a whole group, so that one answer never leaves it.
static char *map_pages(long align) {
  char *start = mmap(NULL, PAGE * PAGES + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) unavailable("mmap");
  return (char *)(((uintptr_t)start + (uintptr_t)align - 1) & ~((uintptr_t)align - 1));
}

int main(int argc, char **argv) {
  int64_t operations = argument(argc, argv, 1, 65536);
  group = argument(argc, argv, 2, 1);
  pin_to_one_cpu();
  uffd = open_userfaultfd();
  if (uffd < 0) unavailable("userfaultfd");
  struct uffdio_api api = {.api = UFFD_API};
  if (ioctl(uffd, UFFDIO_API, &api) < 0) unavailable("UFFDIO_API");
  source = map_pages(PAGE);
  memset(source, 7, PAGE * PAGES);
  area = map_pages(PAGE * group);
  madvise(area, PAGE * PAGES, MADV_NOHUGEPAGE);
  struct uffdio_register range = {.range = {.start = (uint64_t)area, .len = PAGE * PAGES},
                                  .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (ioctl(uffd, UFFDIO_REGISTER, &range) < 0) unavailable("UFFDIO_REGISTER");
  pthread_t handler;
  if (pthread_create(&handler, NULL, handle_faults, NULL) != 0) unavailable("pthread_create");
  touch_all();
  messages = 0;
  int64_t nanos = 0, done = 0;
  for (; done < operations; done += PAGES) nanos += touch_all();
  if (messages != done / group) abort();
  report(nanos, done);
  return 0;
}
