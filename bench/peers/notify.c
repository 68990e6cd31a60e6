// SPDX-License-Identifier: MIT
// notify PAIRS: a supervisor of seccomp user notifications in C answers IOMMU_IOAS_ALLOC and IOMMU_DESTROY of a child.
// notify PAIRS client: the child's part alone, for another supervisor. Time on one CPU that both share, an operation an ioctl.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define SET_FLAGS _IOW('!', 4, uint64_t)
#define IOAS_ALLOC 0x3b81
#define DESTROY 0x3b80

struct ioas_alloc {
  uint32_t size, flags, id;
};

struct destroy {
  uint32_t size, id;
};

// Every thread of a process, and this one, on one CPU: who waits for whom then costs no wake-up of another CPU.
static void pin_together(pid_t supervisor) {
  char path[64];
  cpu_set_t allowed, one;
  sched_getaffinity(0, sizeof(allowed), &allowed);
  CPU_ZERO(&one);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  sched_setaffinity(0, sizeof(one), &one);
  snprintf(path, sizeof(path), "/proc/%d/task", supervisor);
  DIR *tasks = opendir(path);
  if (tasks == NULL) return;
  for (struct dirent *task; (task = readdir(tasks)) != NULL;)
    if (atoi(task->d_name) > 0) sched_setaffinity(atoi(task->d_name), sizeof(one), &one);
  closedir(tasks);
}

static int64_t wall_nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void exchange(int fd, int64_t pairs) {
  for (int64_t i = 0; i < pairs; i++) {
    struct ioas_alloc alloc = {sizeof(alloc), 0, 0};
    if (ioctl(fd, IOAS_ALLOC, &alloc) != 0) abort();
    struct destroy destroy = {sizeof(destroy), alloc.id};
    if (ioctl(fd, DESTROY, &destroy) != 0) abort();
  }
}

static void client(int fd, pid_t supervisor, int64_t pairs) {
  pin_together(supervisor);
  exchange(fd, 10000);
  int64_t start = wall_nanos();
  exchange(fd, pairs);
  report(wall_nanos() - start, 2 * pairs);
}

static int install(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x3b00, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
  };
  struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

// What an emulator has to do for one ioctl: whose file, the struct in, the object, the answer out.
static int serve_ioctl(struct seccomp_notif *call, ino_t inode, uint32_t *taken) {
  static int folder = -1, pid;
  char path[64];
  struct stat file;
  uint32_t words[3];
  struct iovec own = {words, sizeof(words)}, remote = {(void *)(uintptr_t)call->data.args[2], sizeof(words)};
  if (folder < 0 || pid != (int)call->pid) {
    snprintf(path, sizeof(path), "/proc/%d", pid = (int)call->pid);
    folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  snprintf(path, sizeof(path), "fd/%d", (int)call->data.args[0]);
  if (fstatat(folder, path, &file, 0) != 0 || file.st_ino != inode) return -EBADF;
  if (call->data.args[1] == DESTROY) own.iov_len = remote.iov_len = 8;
  if (process_vm_readv(call->pid, &own, 1, &remote, 1, 0) != (ssize_t)own.iov_len) return -EFAULT;
  if (call->data.args[1] == DESTROY) {
    if (words[1] != *taken) return -ENOENT;
    *taken = 0;
    return 0;
  }
  words[2] = *taken = 1;
  return process_vm_writev(call->pid, &own, 1, &remote, 1, 0) == (ssize_t)own.iov_len ? 0 : -EFAULT;
}

static void supervise(int listener, ino_t inode) {
  struct pollfd entries[2] = {{listener, POLLIN, 0}, {inotify_init1(IN_NONBLOCK), POLLIN, 0}};
  uint32_t taken = 0;
  ioctl(listener, SET_FLAGS, 1UL);
  for (;;) {
    struct seccomp_notif call = {0};
    if (poll(entries, 2, -1) < 0) continue;
    if ((entries[0].revents & POLLIN) == 0) return;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    struct seccomp_notif_resp answer = {call.id, 0, serve_ioctl(&call, inode, &taken), 0};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

int main(int argc, char **argv) {
  int64_t pairs = argument(argc, argv, 1, 20000);
  if (argc > 2) {
    int fd = open("/dev/iommu", O_RDWR);
    if (fd < 0) unavailable("/dev/iommu");
    client(fd, getppid(), pairs);
    return 0;
  }
  int fd = memfd_create("peer", 0), number[2];
  struct stat file;
  if (fd < 0 || fstat(fd, &file) != 0 || pipe(number) != 0) unavailable("memfd_create");
  pid_t supervisor = getpid(), child = fork();
  if (child == 0) {
    int listener = install();
    if (write(number[1], &listener, sizeof(listener)) != sizeof(listener) || listener < 0) _exit(PEER_UNAVAILABLE);
    client(fd, supervisor, pairs);
    fflush(stdout);
    _exit(0);
  }
  int remote = -1;
  if (read(number[0], &remote, sizeof(remote)) != sizeof(remote) || remote < 0) unavailable("seccomp");
  int process = syscall(SYS_pidfd_open, child, 0);
  int listener = syscall(SYS_pidfd_getfd, process, remote, 0);
  if (listener < 0) unavailable("pidfd_getfd");
  supervise(listener, file.st_ino);
  waitpid(child, NULL, 0);
  return 0;
}
