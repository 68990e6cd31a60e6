// SPDX-License-Identifier: MIT
/* A role's own memory and its system calls; part of replay.c. */

/* ---- the process's own memory, page by page, up to the first fault ---- */
static sigjmp_buf fault;
static volatile sig_atomic_t guarded;
static void onFault(int sig) {
  if (guarded) siglongjmp(fault, 1);
  signal(sig, SIG_DFL);
  raise(sig);
}
static size_t copy(char *to, const char *from, size_t n, const char *user) {
  volatile size_t done = 0;
  guarded = 1;
  if (!sigsetjmp(fault, 0))
    while (done < n) {
      size_t part = PAGE - ((u64)(user + done) & (PAGE - 1));
      if (part > n - done) part = n - done;
      memcpy(to + done, from + done, part);
      done += part;
    }
  guarded = 0;
  return done;
}
static int isUser(u64 address) { return address < 0x7ffffffff000; }
static size_t toUser(u64 address, const char *from, size_t n) {
  return isUser(address) ? copy((char *)address, from, n, (char *)address) : 0;
}
static size_t fromUser(char *to, u64 address, size_t n) {
  return isUser(address) ? copy(to, (const char *)address, n, (const char *)address) : 0;
}

/* ---- operations ---- */
static struct buffer *firstBuffer(struct operation *o) { return (struct buffer *)(o + 1); }
static char *bytesOf(struct buffer *b) { return (char *)(b + 1); }
static struct buffer *nextBuffer(struct buffer *b) {
  return (struct buffer *)(bytesOf(b) + ((b->length + 7) & ~7u));
}
static struct buffer *bufferAt(struct operation *o, int n) {
  struct buffer *b = firstBuffer(o);
  while (n--) b = nextBuffer(b);
  return b;
}

static void apply(struct operation *o, struct patch *p) {
  s64 v = 0;
  if (p->from == 0xffff) v = results[p->operation].returned;
  else {
    struct operation *source = ops[p->operation];
    u64 at = results[p->operation].after;
    for (int i = 0; i < p->from; i++) at += bufferAt(source, i)->length;
    memcpy(&v, arena + at + p->fromOffset, p->fromWidth);
  }
  v += p->plus;
  if (p->into == 0xffff) o->args[p->intoOffset] = v;
  else memcpy(bytesOf(bufferAt(o, p->into)) + p->intoOffset, &v, p->intoWidth);
}

static s64 dropCapability(u64 which) {
  static const int numbers[] = { CAP_IPC_LOCK, CAP_SYS_RESOURCE };
  struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct d[2];
  if (syscall(SYS_capget, &h, d)) return -1;
  d[0].effective &= ~(1u << numbers[which & 1]);
  return syscall(SYS_capset, &h, d);
}

static s64 limit(u64 which, u64 value) {
  struct rlimit l = { value, RLIM_INFINITY };
  int r = which ? RLIMIT_NOFILE : RLIMIT_MEMLOCK;
  struct rlimit now;
  if (!getrlimit(r, &now)) l.rlim_max = now.rlim_max;
  return setrlimit(r, &l);
}

/* A page counter of this process, modulo 2^32: the kernel lets it go below 0. -1 when it cannot be read. */
static s64 counter(u64 which) {
  static char text[8192];
  struct rlimit was, all; /* the case's limit must not count here */
  getrlimit(RLIMIT_NOFILE, &was);
  all = (struct rlimit){ was.rlim_max, was.rlim_max };
  setrlimit(RLIMIT_NOFILE, &all);
  int fd = open("/proc/self/status", O_RDONLY);
  setrlimit(RLIMIT_NOFILE, &was);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n < 0) return -1;
  text[n] = 0;
  char *line = strstr(text, which ? "VmLck:" : "VmPin:");
  return line ? (u32)(strtoull(line + 6, 0, 10) / 4) : 0;
}

union control_fd { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; };
static s64 sendFd(int fd) {
  union control_fd c = { { 0 } };
  char byte = 0;
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c.bytes };
  c.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
  memcpy(CMSG_DATA(&c.align), &fd, sizeof fd);
  return sendmsg(passing[0], &m, MSG_DONTWAIT) < 0 ? -1 : 0;
}
static s64 receiveFd(void) {
  union control_fd c;
  char byte;
  struct iovec v = { &byte, 1 };
  struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c.bytes };
  int fd = -1;
  if (recvmsg(passing[1], &m, MSG_DONTWAIT) < 0) return -1;
  if (m.msg_controllen < CMSG_LEN(sizeof(int))) { errno = EMFILE; return -1; }
  memcpy(&fd, CMSG_DATA(&c.align), sizeof fd);
  return fd;
}

static s64 forkRole(int child) {
  /* The coordinator is the parent of every role: it waits for them. */
  long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
  if (pid < 0) return -1;
  if (pid == 0) {
    char byte;
    role = child;
    if (failNthFd >= 0) close(failNthFd); /* it was the parent's */
    if (failAllFd >= 0) close(failAllFd);
    failNthFd = failAllFd = -1;
    readAll(turn[role][0], &byte, 1);
    if (byte == 'X') _exit(0);
    return -2;
  }
  ctl->pids[child] = pid;
  return 0;
}

static s64 call(struct operation *o) {
  static const char *const paths[] = { "/dev/iommu", "/dev/vfio/vfio", "/dev/null" };
  u64 *a = o->args;
  switch (o->code) {
  case OPEN: return open(paths[a[0] % 3], a[1]);
  case IOCTL: return syscall(SYS_ioctl, a[0], a[1], a[2]);
  case READ: return syscall(SYS_read, a[0], a[1], a[2]);
  case WRITE: return syscall(SYS_write, a[0], a[1], a[2]);
  case PREAD: return syscall(SYS_pread64, a[0], a[1], a[2], a[3]);
  case PWRITE: return syscall(SYS_pwrite64, a[0], a[1], a[2], a[3]);
  case LSEEK: return syscall(SYS_lseek, a[0], a[1], a[2]);
  case POLL: {
    struct pollfd p = { .fd = a[0], .events = a[1] };
    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
  }
  case CLOSE: return syscall(SYS_close, a[0]);
  case DUP: return syscall(SYS_dup, a[0]);
  case DUP3: return a[0] == a[1] && !a[2] ? syscall(SYS_dup2, a[0], a[1]) : syscall(SYS_dup3, a[0], a[1], a[2]);
  case FCNTL: return syscall(SYS_fcntl, a[0], a[1], a[2]);
  case MMAP: {
    void *p = mmap((void *)a[0], a[1], a[2], a[3], a[4], a[5]);
    return p == MAP_FAILED ? -1 : p == (void *)a[0] ? 0 : 1;
  }
  case MUNMAP: return munmap((void *)a[0], a[1]);
  case MPROTECT: return mprotect((void *)a[0], a[1], a[2]);
  case MADVISE: return madvise((void *)a[0], a[1], a[2]);
  case MEMFD: return syscall(SYS_memfd_create, "case", a[0]);
  case FTRUNCATE: return ftruncate(a[0], a[1]);
  case SETRLIMIT: return limit(a[0], a[1]);
  case DROPCAP: return dropCapability(a[0]);
  case SENDFD: return sendFd(a[0]);
  case RECVFD: return receiveFd();
  case COUNTER: return counter(a[0]);
  }
  errno = ENOSYS;
  return -1;
}

/* n: which allocation fails; FAIL_ALL: each; 0: none from now on. */
static void failNth(int n) {
  static int all;
  if (n == FAIL_ALL || all) {
    if (failAllFd < 0) failAllFd = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
    if (failAllFd >= 0 && failAllFd < HIGH_FD) failAllFd = high(failAllFd);
    all = n == FAIL_ALL;
    if (failAllFd < 0 || pwrite(failAllFd, all ? "1" : "0", 1, 0) != 1) die("make-it-fail");
    return;
  }
  char text[16];
  int length = snprintf(text, sizeof text, "%d", n);
  if (failNthFd < 0) failNthFd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
  if (failNthFd >= 0 && failNthFd < HIGH_FD) failNthFd = high(failNthFd);
  if (failNthFd < 0 || pwrite(failNthFd, text, length, 0) < 0) die("fail-nth");
}
