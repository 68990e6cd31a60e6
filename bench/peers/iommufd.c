// SPDX-License-Identifier: MIT
// iommufd: the loops of ours/byte-door.mjs on the real /dev/iommu of a kernel with the test commands. As the first process of a
// machine it mounts /dev and powers off at the end. One line a loop: its name, wall-clock nanoseconds, operations; of 64 parts
// the quickest, because who emulates may have other things to do.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "measure.h"

#define OPERATIONS 16384
#define PARTS 64
#define BATCH_MAX 64
#define IOVA 0x2000000ull
#define LENGTH 65536ull

struct destroy { uint32_t size, id; };
struct ioas_alloc { uint32_t size, flags, out_ioas_id; };
struct ioas_map { uint32_t size, flags, ioas_id, reserved; uint64_t user_va, length, iova; };
struct ioas_unmap { uint32_t size, ioas_id; uint64_t iova, length; };
struct fault_alloc { uint32_t size, flags, out_fault_id, out_fault_fd; };
struct hwpt_alloc {
  uint32_t size, flags, dev_id, pt_id, out_hwpt_id, reserved, data_type, data_len;
  uint64_t data_uptr;
  uint32_t fault_id, reserved2;
};
struct test_cmd {
  uint32_t size, op, id, reserved;
  union {
    struct { uint32_t out_stdev_id, out_hwpt_id, out_idev_id; } mock_domain;
    struct { uint32_t dev_id, pasid, grpid, perm; uint64_t addr; } trigger_iopf;
    uint64_t room[6];
  };
  uint32_t last, pad;
};
struct response { uint32_t cookie, code; };

static int iommu;

static int64_t wall_nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void command(int number, void *argument) {
  if (ioctl(iommu, 0x3b00 | number, argument) != 0) {
    printf("iommufd: ioctl %#x: %s\n", 0x3b00 | number, strerror(errno));
    exit(1);
  }
}

static uint32_t alloc_ioas(void) {
  struct ioas_alloc alloc = {.size = sizeof(alloc)};
  command(0x81, &alloc);
  return alloc.out_ioas_id;
}

static uint32_t mock_device(uint32_t id) {
  struct test_cmd test = {.size = sizeof(test), .op = 2, .id = id};
  command(0xa0, &test);
  return test.mock_domain.out_idev_id;
}

static void open_iommu(void) {
  iommu = open("/dev/iommu", O_RDWR);
  if (iommu < 0) unavailable("/dev/iommu");
}

typedef void part(void *state, int64_t operations);

// Runs the loop in parts and tells the quickest.
static void measure(const char *name, part *run, void *state, int64_t operations) {
  int64_t best = INT64_MAX, each = operations / PARTS;
  for (int i = 0; i < PARTS; i++) {
    int64_t start = wall_nanos();
    run(state, each);
    int64_t nanos = wall_nanos() - start;
    if (nanos < best) best = nanos;
  }
  printf("iopf-bench %s %lld %lld\n", name, (long long)best, (long long)each);
  close(iommu);
}

struct pair { int first_number, second_number; void *first, *second; };

static void run_pairs(void *state, int64_t operations) {
  struct pair *pair = state;
  for (int64_t i = 0; i < operations; i++) {
    command(pair->first_number, pair->first);
    command(pair->second_number, pair->second);
  }
}

static void alloc_destroy(int64_t operations) {
  open_iommu();
  struct ioas_alloc alloc = {.size = sizeof(alloc)};
  struct destroy destroy = {.size = sizeof(destroy), .id = 1};
  struct pair pair = {0x81, 0x80, &alloc, &destroy};
  measure("alloc-destroy", run_pairs, &pair, operations);
}

static void map_unmap(int64_t operations) {
  open_iommu();
  uint32_t ioas = alloc_ioas();
  mock_device(ioas);
  void *memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  struct ioas_map map = {
      .size = sizeof(map), .flags = 7, .ioas_id = ioas, .user_va = (uint64_t)memory, .length = LENGTH, .iova = IOVA};
  struct ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = ioas, .iova = IOVA, .length = LENGTH};
  struct pair pair = {0x85, 0x86, &map, &unmap};
  measure("map-unmap", run_pairs, &pair, operations);
}

struct faults { struct test_cmd trigger; int queue; uint32_t batch; struct response responses[BATCH_MAX]; };

static void run_faults(void *state, int64_t operations) {
  static char records[BATCH_MAX * 40];
  struct faults *faults = state;
  uint32_t batch = faults->batch;
  for (int64_t i = 0; i < operations; i += batch) {
    for (uint32_t j = 0; j < batch; j++) {
      faults->trigger.trigger_iopf.grpid = j;
      command(0xa0, &faults->trigger);
    }
    if (read(faults->queue, records, batch * 40) != (ssize_t)(batch * 40)) abort();
    if (write(faults->queue, faults->responses, batch * 8) != (ssize_t)(batch * 8)) abort();
  }
}

static void faults(const char *name, int64_t operations, uint32_t batch) {
  open_iommu();
  uint32_t ioas = alloc_ioas();
  struct fault_alloc queue = {.size = sizeof(queue)};
  command(0x8e, &queue);
  struct hwpt_alloc hwpt = {.size = sizeof(hwpt), .flags = 4, .pt_id = ioas, .fault_id = queue.out_fault_id};
  hwpt.dev_id = mock_device(ioas);
  command(0x89, &hwpt);
  struct faults state = {.trigger = {.size = sizeof(state.trigger), .op = 15}, .queue = queue.out_fault_fd, .batch = batch};
  state.trigger.trigger_iopf.dev_id = mock_device(hwpt.out_hwpt_id);
  state.trigger.trigger_iopf.perm = 1;
  state.trigger.trigger_iopf.addr = IOVA;
  for (uint32_t i = 0; i < batch; i++) state.responses[i].cookie = i + 1;
  measure(name, run_faults, &state, operations);
  close(queue.out_fault_fd);
}

int main(int argc, char **argv) {
  int first = getpid() == 1;
  int64_t operations = first ? OPERATIONS : argument(argc, argv, 1, OPERATIONS);
  if (first) mount("devtmpfs", "/dev", "devtmpfs", 0, "");
  if (first) dup2(dup2(open("/dev/console", O_RDWR), 1), 2);
  alloc_destroy(operations);
  map_unmap(operations);
  faults("faults-1", operations, 1);
  faults("faults-64", operations, 64);
  fflush(stdout);
  if (first) {
    sync();
    reboot(RB_POWER_OFF);
  }
  return 0;
}
