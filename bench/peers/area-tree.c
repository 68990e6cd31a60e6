// SPDX-License-Identifier: MIT
// area-tree OPERATIONS AREAS [find]: areas of an address space in a GTree. One operation unmaps an area and maps it again, or,
// with `find`, looks up the area of an address.
#include <glib.h>
#include <string.h>

#include "measure.h"

struct area {
  uint64_t start;
  uint64_t last;
  uint64_t target;
};

// Overlapping areas compare equal, so that looking up a one-byte area finds the one that holds it.
static gint compare(gconstpointer left, gconstpointer right, gpointer unused) {
  const struct area *a = left, *b = right;
  (void)unused;
  if (a->last < b->start) return -1;
  return a->start > b->last ? 1 : 0;
}

static void insert(GTree *tree, uint64_t index) {
  struct area *area = g_new(struct area, 1);
  area->start = index << 13;
  area->last = area->start + 4095;
  area->target = index;
  g_tree_insert(tree, area, area);
}

static uint64_t find(GTree *tree, uint64_t index) {
  struct area wanted = {.start = (index << 13) + 100, .last = (index << 13) + 100};
  struct area *found = g_tree_lookup(tree, &wanted);
  return found == NULL ? 0 : found->target;
}

static void unmap_and_map(GTree *tree, uint64_t index) {
  struct area wanted = {.start = index << 13, .last = (index << 13) + 4095};
  if (!g_tree_remove(tree, &wanted)) abort();
  insert(tree, index);
}

int main(int argc, char **argv) {
  int64_t operations = argument(argc, argv, 1, 1 << 20);
  int64_t areas = argument(argc, argv, 2, 100000);
  int finding = argc > 3 && strcmp(argv[3], "find") == 0;
  GTree *tree = g_tree_new_full(compare, NULL, NULL, g_free);
  uint32_t *order = shuffled((uint32_t)areas, 12345);
  for (int64_t i = 0; i < areas; i++) insert(tree, order[i]);
  uint64_t sum = 0;
  int64_t start = 0, done = -areas;
  for (; done < operations; done += areas) {
    if (done == 0) start = cpu_nanos();
    for (int64_t i = 0; i < areas; i++) {
      if (finding) sum += find(tree, order[i]);
      else unmap_and_map(tree, order[i]);
    }
  }
  int64_t nanos = cpu_nanos() - start;
  if (finding && sum == 0) abort();
  report(nanos, done);
  return 0;
}
