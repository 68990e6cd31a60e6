// SPDX-License-Identifier: MIT
// memcpy OPERATIONS PAGES: copies 4 KiB pages, in a shuffled order, from one area of PAGES pages to another.
#include <string.h>
#include <sys/mman.h>

#include "measure.h"

#define PAGE 4096L

// Not inlined and not specialised for the constant length, as a DMA of any length would call it.
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;

static char *map_pages(int64_t pages) {
  char *start = mmap(NULL, PAGE * pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) unavailable("mmap");
  memset(start, 1, PAGE * pages);
  return start;
}

int main(int argc, char **argv) {
  int64_t operations = argument(argc, argv, 1, 1 << 20);
  int64_t pages = argument(argc, argv, 2, 4096);
  char *to = map_pages(pages), *from = map_pages(pages);
  uint32_t *order = shuffled((uint32_t)pages, 12345);
  int64_t start = 0, done = -pages;
  for (; done < operations; done += pages) {
    if (done == 0) start = cpu_nanos();
    for (int64_t i = 0; i < pages; i++) {
      int64_t page = order[i];
      copy(to + page * PAGE, from + page * PAGE, PAGE);
    }
  }
  report(cpu_nanos() - start, done);
  return 0;
}
