// SPDX-License-Identifier: MIT
/*
 * Where iommufd is a module: ends it, starts it with its n-th allocation failing for each n, lets queues.c ask what no
 * driver asks, and ends it by force while a device reports to a queue. Reaches what no case can, and compares nothing;
 * the kernel warns. Runs last: nothing can use iommufd after.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint32_t u32;

enum { ALLOCATIONS_MAX = 5000 };
enum { IOAS_ALLOC = 0x3b81, HWPT_ALLOC = 0x3b89, FAULT_QUEUE_ALLOC = 0x3b8e, TEST = 0x3ba0 };
enum { MOCK_DOMAIN_REPLACE = 10, MOCK_DOMAIN_FLAGS = 12, PASID = 4, FAULT_ID_VALID = 4 };

static int load(const char *path, const char *parameters) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  int result = syscall(SYS_finit_module, fd, parameters, 0);
  close(fd);
  return result;
}

static int unload(int flags) { return syscall(SYS_delete_module, "iommufd", O_NONBLOCK | flags); }

/* The n-th allocation of this process fails from now on; 0 ends that. Returns whether one was left to fail. */
static int failNth(int n) {
  char text[16] = "";
  int fd = open("/proc/thread-self/fail-nth", O_RDWR), left = 0;
  if (fd < 0) return 1;
  if (n == 0 && read(fd, text, sizeof text - 1) > 0) left = atoi(text) > 0;
  lseek(fd, 0, SEEK_SET);
  dprintf(fd, "%d", n);
  close(fd);
  return left;
}

static void loadWithFailures(void) {
  for (int n = 1, left = 0; !left && n < ALLOCATIONS_MAX; n++) {
    int fd = open("/iommufd.ko", O_RDONLY);
    failNth(n);
    int result = syscall(SYS_finit_module, fd, "", 0);
    left = failNth(0);
    close(fd);
    if (result == 0) unload(0);
  }
}

static void call(int device, int number, u32 *structure) {
  if (ioctl(device, number, structure)) perror("unload");
}

/* A device whose faults go to a queue. */
static void attach(void) {
  u32 ioas[3] = { sizeof ioas }, queue[4] = { sizeof queue };
  int device = open("/dev/iommu", O_RDWR);
  call(device, IOAS_ALLOC, ioas);
  call(device, FAULT_QUEUE_ALLOC, queue);
  u32 mock[18] = { sizeof mock, MOCK_DOMAIN_FLAGS, ioas[2], 0, 0, 0, 0, PASID };
  call(device, TEST, mock);
  u32 hwpt[12] = { sizeof hwpt, FAULT_ID_VALID, mock[6], ioas[2], 0, 0, 0, 0, 0, 0, queue[2] };
  call(device, HWPT_ALLOC, hwpt);
  u32 replace[18] = { sizeof replace, MOCK_DOMAIN_REPLACE, mock[4], 0, hwpt[4] };
  call(device, TEST, replace);
}

/* It never stays: ECANCELED. */
static void loadQueues(void) {
  char folder[32];
  int device = open("/sys/bus/iommufd_mock/devices/iommufd_mock0", O_RDONLY | O_DIRECTORY);
  sprintf(folder, "folder=%d", device);
  if (load("/queues.ko", folder) && errno != ECANCELED) perror("unload: queues");
  close(device);
}

/* Its files stay open: the code that would close them is gone. */
static void unloadByForce(void) {
  int done[2];
  char byte;
  if (pipe(done)) return;
  if (fork() == 0) {
    attach();
    loadQueues();
    unload(O_TRUNC);
    close(done[1]);
    for (;;) pause();
  }
  close(done[1]);
  (void)!read(done[0], &byte, 1);
}

int main(void) {
  if (unload(0)) { perror("unload"); return 1; }
  loadWithFailures();
  if (load("/iommufd.ko", "")) { perror("unload: load"); return 1; }
  unloadByForce();
  return 0;
}
