// SPDX-License-Identifier: MIT
/* First process of the guest: mounts what the replayer needs, runs it on the virtio port, says how it ended, powers off. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return; /* a kernel without this option */
  if (write(fd, text, strlen(text)) < 0) fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
  close(fd);
}

/* Where iommufd is a module. */
static void loadModule(void) {
  int fd = open("/iommufd.ko", O_RDONLY);
  if (fd < 0) return;
  if (syscall(SYS_finit_module, fd, "", 0)) fprintf(stderr, "init: iommufd.ko: %s\n", strerror(errno));
  close(fd);
}

static void mountAll(void) {
  mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755), mkdir("/tmp", 01777);
  mount("proc", "/proc", "proc", 0, "");
  mount("sysfs", "/sys", "sysfs", 0, "");
  mount("devtmpfs", "/dev", "devtmpfs", 0, "");
  mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "");
}

static void openConsole(void) {
  int fd = open("/dev/console", O_RDWR);
  for (int i = 0; i < 3 && fd >= 0; i++) dup2(fd, i);
  if (fd > 2) close(fd);
}

/* Only processes that ask for it by their fail-nth get failures: all slab allocations, every time. */
static void prepareFailures(void) {
#define SLAB "/sys/kernel/debug/failslab/"
  put(SLAB "task-filter", "Y");
  put(SLAB "ignore-gfp-wait", "N");
  put(SLAB "cache-filter", "N");
  put(SLAB "probability", "100");
  put(SLAB "times", "-1");
  put(SLAB "verbose", "0");
#define PAGES "/sys/kernel/debug/fail_page_alloc/"
  put(PAGES "task-filter", "Y");
  put(PAGES "ignore-gfp-wait", "N");
  put(PAGES "min-order", "0");
  put(PAGES "probability", "0");
  put(PAGES "verbose", "0");
  put("/sys/kernel/debug/iommufd/fail_iommufd/verbose", "0");
  put("/sys/kernel/debug/fail_iommufd/verbose", "0");
}

static int openPort(void) {
  for (int i = 0; i < 400; i++) {
    int fd = open("/dev/vport0p1", O_RDWR);
    if (fd >= 0) return fd;
    usleep(5000);
  }
  fprintf(stderr, "init: no virtio port\n");
  return -1;
}

int main(void) {
  int status = 0, port;
  mountAll();
  openConsole();
  loadModule();
  prepareFailures();
  port = openPort();
  if (port >= 0) {
    pid_t pid = fork();
    if (!pid) {
      dup2(port, 0), dup2(port, 1);
      if (port > 2) close(port);
      setsid();
      execl("/replay", "replay", (char *)0);
      fprintf(stderr, "init: replay: %s\n", strerror(errno));
      _exit(127);
    }
    close(port);
    for (pid_t p; (p = wait(&status)) != pid && p > 0;) {}
    fprintf(stderr, "\nREPLAY: status=%d\n", status);
  }
  usleep(20000);
  reboot(RB_POWER_OFF);
  for (;;) pause();
}
