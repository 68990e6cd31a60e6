// SPDX-License-Identifier: MIT
// iotlb OPERATIONS PAGES: hits of an IOTLB kept in a GHashTable whose key is a structure of page, source id, PASID and level.
#include <glib.h>

#include "measure.h"

struct key {
  uint64_t page;
  uint32_t pasid;
  uint16_t source_id;
  uint8_t level;
};

struct entry {
  struct key key;
  uint64_t frame;
  uint64_t mask;
  uint8_t access;
};

static guint hash_key(gconstpointer at) {
  const struct key *key = at;
  uint64_t value = key->page ^ ((uint64_t)key->pasid << 30) ^ ((uint64_t)key->source_id << 44) ^ ((uint64_t)key->level << 60);
  return (guint)(value ^ (value >> 32));
}

static gboolean same_key(gconstpointer left, gconstpointer right) {
  const struct key *a = left, *b = right;
  return a->page == b->page && a->source_id == b->source_id && a->pasid == b->pasid && a->level == b->level;
}

static uint64_t look_up(GHashTable *table, uint64_t page) {
  struct key key = {.page = page, .pasid = 7, .source_id = 0x100, .level = 1};
  struct entry *found = g_hash_table_lookup(table, &key);
  return found == NULL ? 0 : found->frame;
}

int main(int argc, char **argv) {
  int64_t operations = argument(argc, argv, 1, 1 << 22);
  int64_t pages = argument(argc, argv, 2, 4096);
  GHashTable *table = g_hash_table_new_full(hash_key, same_key, NULL, g_free);
  for (int64_t i = 0; i < pages; i++) {
    struct entry *entry = g_new0(struct entry, 1);
    entry->key = (struct key){.page = 0x100000 + (uint64_t)i, .pasid = 7, .source_id = 0x100, .level = 1};
    entry->frame = 1 + (uint64_t)i;
    entry->access = 3;
    g_hash_table_insert(table, &entry->key, entry);
  }
  uint32_t *order = shuffled((uint32_t)pages, 12345);
  uint64_t sum = 0, expected = (uint64_t)pages * (uint64_t)(pages + 1) / 2;
  int64_t start = 0, done = -pages;
  for (; done < operations; done += pages) {
    if (done == 0) start = cpu_nanos();
    sum = 0;
    for (int64_t i = 0; i < pages; i++) sum += look_up(table, 0x100000 + order[i]);
    if (sum != expected) abort();
  }
  report(cpu_nanos() - start, done);
  return 0;
}
