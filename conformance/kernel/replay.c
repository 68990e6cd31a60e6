// SPDX-License-Identifier: MIT
/*
 * Executes conformance programs on the kernel it runs on. Knows system calls, buffers and patches, and no ioctl.
 *
 * Both ways: messages of { u32 type, u32 length, payload }. To us: 'P' program, 'G' coverage data, 'U' kernel name,
 * 'Q' end. From us: 'R' result of a program, 'F' file, 'U', 'E' end of a list.
 *
 * A program runs in a fresh process (role 0); its forks take the other roles. Operations run in their order, whatever
 * the role: the role that has the turn runs its operations until one of another role comes, and passes the turn on
 * through a pipe. Program, results and turn are in shared memory. Descriptors 0, 1 and 2 are /dev/null, all of ours
 * are moved up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

enum { ROLES = 8, OPERATIONS_MAX = 1 << 20, ARGUMENTS = 6 };
enum { FAIL_ALL = 0xffff, PAGE = 4096, SECONDS_MAX = 20, HIGH_FD = 1000 };
#define PROGRAM_BYTES (64ul << 20)
#define ARENA_BYTES (256ul << 20)
#define USER_ARENA ((char *)0x10000000)
#define USER_ARENA_BYTES 0x100000
#define USER_SCRATCH ((char *)0x20000000)
#define USER_SCRATCH_BYTES 0x40000

enum {
  OPEN = 1, IOCTL, READ, WRITE, PREAD, PWRITE, LSEEK, POLL, CLOSE, DUP, DUP3, FCNTL, FORK, EXIT,
  MMAP, MUNMAP, MPROTECT, MADVISE, MEMFD, FTRUNCATE, POKE, PEEK, SETRLIMIT, DROPCAP, SENDFD, RECVFD, COUNTER
};

/* An operation: header, buffers (each padded to 8 bytes), patches. */
struct operation { u32 bytes; u8 code, role; u16 buffers, patches, failNth; u32 pad; u64 args[ARGUMENTS]; };
struct buffer { u64 address; u32 length, isScratch; };
/* from: 0xffff the returned value, else a buffer. into: 0xffff an argument (its index in offset), else a buffer. */
struct patch { u32 operation, fromOffset, intoOffset; u16 from, into; u8 fromWidth, intoWidth, pad[6]; s64 plus; };

struct result { s64 returned; u64 after; }; /* after: offset in the arena of the buffers' bytes */

static struct control {
  u32 operations, next;
  pid_t pids[ROLES];
  u8 exits[ROLES]; /* its exit is an operation */
  u64 arenaUsed;
} *ctl;
static char *program;
static struct operation **ops; /* where each operation is in the program */
static struct result *results;
static char *arena;
static int turn[ROLES][2], toCoordinator[2], passing[2], failNthFd = -1, failAllFd = -1, in, out;
static int role;

static void die(const char *what) { fprintf(stderr, "replay: %s: %s\n", what, strerror(errno)); _exit(2); }

static void readAll(int fd, void *to, size_t n) {
  for (char *p = to; n;) {
    ssize_t r = read(fd, p, n);
    if (r < 0 && errno == EINTR) continue;
    if (r <= 0) die("input ended");
    p += r, n -= r;
  }
}
static void writeAll(int fd, const void *from, size_t n) {
  for (const char *p = from; n;) {
    ssize_t r = write(fd, p, n);
    if (r < 0 && errno == EINTR) continue;
    if (r <= 0) die("output closed");
    p += r, n -= r;
  }
}
static int high(int fd) {
  int up = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
  if (up < 0) die("descriptor");
  close(fd);
  return up;
}

/* Output is collected: one write a batch. */
static char outBuffer[1 << 18];
static size_t outUsed;
static void flushOut(void) { writeAll(out, outBuffer, outUsed); outUsed = 0; }
static void put(const void *from, size_t n) {
  if (outUsed + n > sizeof outBuffer) flushOut();
  if (n > sizeof outBuffer) { writeAll(out, from, n); return; }
  memcpy(outBuffer + outUsed, from, n);
  outUsed += n;
}
static void put32(u32 v) { put(&v, 4); }
static void put64(u64 v) { put(&v, 8); }

#include "calls.h"

/* Buffers go in before the call; the first byte that cannot be written ends a buffer. */
static int load(struct operation *o) {
  int whole = 1;
  struct buffer *b = firstBuffer(o);
  for (int i = 0; i < o->buffers; i++, b = nextBuffer(b))
    if (o->code != PEEK && toUser(b->address, bytesOf(b), b->length) < b->length) whole = 0;
  return whole;
}
/* What is there afterwards, kept for patches and for the comparison; what cannot be read counts as unchanged. */
static int store(struct operation *o, struct result *r) {
  int whole = 1;
  u64 at = r->after = ctl->arenaUsed;
  struct buffer *b = firstBuffer(o);
  for (int i = 0; i < o->buffers; i++, b = nextBuffer(b)) {
    if (at + b->length > ARENA_BYTES) { errno = ENOMEM; die("results"); }
    size_t n = fromUser(arena + at, b->address, b->length);
    if (n < b->length) { whole = 0; memcpy(arena + at + n, bytesOf(b) + n, b->length - n); }
    if (b->isScratch) memset((char *)b->address, 0, b->length);
    at += b->length;
  }
  ctl->arenaUsed = at;
  return whole;
}

static void execute(u32 index) {
  struct operation *o = ops[index];
  struct result *r = &results[index];
  struct patch *p = (struct patch *)bufferAt(o, o->buffers);
  for (int i = 0; i < o->patches; i++) apply(o, p + i);
  if (o->code == FORK) {
    s64 got = forkRole(o->args[0]);
    if (got != -2) r->returned = got < 0 ? -errno : 0, r->after = ctl->arenaUsed;
    return;
  }
  int whole = load(o);
  if (o->code == POKE) { r->returned = whole ? 0 : -EFAULT; r->after = ctl->arenaUsed; return; }
  if (o->code == PEEK) { r->returned = store(o, r) ? 0 : -EFAULT; return; }
  if (o->failNth) failNth(o->failNth);
  s64 got = call(o);
  r->returned = got == -1 ? -errno : got;
  if (o->failNth) failNth(0);
  store(o, r);
}

/* Runs this role's operations and passes the turn on, until told to end. */
static void runRole(void) {
  for (;;) {
    while (ctl->next < ctl->operations && ops[ctl->next]->role == role) {
      struct operation *o = ops[ctl->next];
      int was = role;
      if (o->code == EXIT) {
        ctl->exits[role] = 1;
        writeAll(toCoordinator[1], "E", 1);
        _exit(o->args[0]);
      }
      execute(ctl->next);
      if (was == role) ctl->next++; /* a new child comes back here when its turn has come */
    }
    char byte;
    if (ctl->next >= ctl->operations) writeAll(toCoordinator[1], "D", 1);
    else writeAll(turn[ops[ctl->next]->role][1], "T", 1);
    readAll(turn[role][0], &byte, 1);
    if (byte == 'X') _exit(0);
  }
}

/* ---- the coordinator ---- */
static void onChild(int sig) { int e = errno; (void)sig; if (write(toCoordinator[1], "C", 1) < 0) errno = e; errno = e; }
static void onAlarm(int sig) { int e = errno; (void)sig; if (write(toCoordinator[1], "A", 1) < 0) errno = e; errno = e; }

static void mapUserMemory(void) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (mmap(USER_ARENA, USER_ARENA_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0) != USER_ARENA) die("arena");
  if (mmap(USER_SCRATCH, USER_SCRATCH_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0) != USER_SCRATCH) die("scratch");
}

static void startFirstRole(void) {
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid) { ctl->pids[0] = pid; return; }
  signal(SIGCHLD, SIG_DFL), signal(SIGALRM, SIG_DFL);
  signal(SIGSEGV, onFault), signal(SIGBUS, onFault);
  struct sigaction s = { .sa_handler = onFault, .sa_flags = SA_NODEFER };
  sigaction(SIGSEGV, &s, 0), sigaction(SIGBUS, &s, 0);
  role = 0;
  dup2(0, 2);
  mapUserMemory();
  runRole();
}

static void drain(int fd) {
  char byte;
  struct pollfd p = { .fd = fd, .events = POLLIN };
  while (poll(&p, 1, 0) > 0 && (p.revents & POLLIN)) if (read(fd, &byte, 1) < 1) return;
}

static int waitFor(int r) {
  int status = 0;
  while (waitpid(ctl->pids[r], &status, 0) < 0 && errno == EINTR) {}
  ctl->pids[r] = 0;
  return status;
}

static void killAll(void) {
  for (int r = 0; r < ROLES; r++) if (ctl->pids[r]) kill(ctl->pids[r], SIGKILL), waitFor(r);
}

/* A role that died by itself: its signal, or 0 when all live. */
static int deadRole(void) {
  for (int r = 0; r < ROLES; r++) {
    int status;
    if (ctl->pids[r] && !ctl->exits[r] && waitpid(ctl->pids[r], &status, WNOHANG) == ctl->pids[r]) {
      ctl->pids[r] = 0;
      return WIFSIGNALED(status) ? WTERMSIG(status) : 255;
    }
  }
  return 0;
}

/* Returns 0, or why the program ended early: a signal, 255 exit, 254 time. */
static u32 coordinate(void) {
  for (;;) {
    char byte;
    readAll(toCoordinator[0], &byte, 1);
    if (byte == 'A') return 254;
    if (byte == 'D') return 0;
    if (byte == 'C') { int dead = deadRole(); if (dead) return dead; continue; }
    struct operation *o = ops[ctl->next]; /* 'E': the role's exit is its operation */
    waitFor(o->role);
    results[ctl->next].returned = 0, results[ctl->next].after = ctl->arenaUsed;
    ctl->next++;
    if (ctl->next >= ctl->operations) return 0;
    if (!ctl->pids[ops[ctl->next]->role]) return 253;
    writeAll(turn[ops[ctl->next]->role][1], "T", 1);
  }
}

static void endRoles(void) {
  for (int r = 0; r < ROLES; r++) {
    if (!ctl->pids[r]) continue;
    writeAll(turn[r][1], "X", 1);
    waitFor(r);
  }
}

static size_t resultBytes;
static void putRuns(const char *before, const char *after, u32 length, int measure) {
  u32 runs = 0;
  size_t bytes = 4;
  for (int pass = 0; pass < 2; pass++) {
    if (pass == 1) { if (measure) { resultBytes += bytes; return; } put32(runs); }
    for (u32 at = 0; at < length; at++) {
      if (before[at] == after[at]) continue;
      u32 start = at;
      while (at < length && before[at] != after[at]) at++;
      if (pass == 0) runs++, bytes += 8 + at - start;
      else put32(start), put32(at - start), put(after + start, at - start);
    }
  }
}

static void putAnswers(u32 count, int measure) {
  for (u32 i = 0; i < count; i++) {
    struct operation *o = ops[i];
    struct buffer *b = firstBuffer(o);
    u64 at = results[i].after;
    int keeps = o->code != POKE;
    if (measure) resultBytes += 12;
    else put64(results[i].returned), put32(keeps ? o->buffers : 0);
    for (int k = 0; keeps && k < o->buffers; at += b->length, b = nextBuffer(b), k++)
      putRuns(bytesOf(b), arena + at, b->length, measure);
  }
}

static void reply(u32 ended) {
  u32 done = ctl->next;
  resultBytes = 12;
  putAnswers(done, 1);
  put32('R'), put32(resultBytes), put32(ended), put32(done), put32(ctl->operations);
  putAnswers(done, 0);
}

static void parse(u32 length) {
  u32 n = 0;
  for (char *p = program; p < program + length; p += ((struct operation *)p)->bytes) {
    if (n == OPERATIONS_MAX) { errno = E2BIG; die("operations"); }
    ops[n++] = (struct operation *)p;
  }
  ctl->operations = n;
  ctl->next = 0;
  memset(ctl->exits, 0, sizeof ctl->exits);
  ctl->arenaUsed = 0;
}

static void runProgram(u32 length) {
  if (length > PROGRAM_BYTES) { errno = E2BIG; die("program"); }
  readAll(in, program, length);
  parse(length);
  for (int r = 0; r < ROLES; r++) drain(turn[r][0]);
  drain(toCoordinator[0]);
  alarm(SECONDS_MAX);
  startFirstRole();
  u32 ended = coordinate();
  if (ended) killAll(); else endRoles();
  alarm(0);
  drain(passing[1]);
  reply(ended);
}

/* ---- coverage data ---- */
static int sendFile(const char *path, const struct stat *s, int type, struct FTW *w) {
  (void)s, (void)w;
  size_t n = strlen(path), used = 0, room = 1 << 16;
  if (type != FTW_F || n < 5 || strcmp(path + n - 5, ".gcda")) return 0;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  char *data = malloc(room);
  for (ssize_t r; data && (r = read(fd, data + used, room - used)) > 0;)
    if ((used += r) == room) data = realloc(data, room *= 2);
  close(fd);
  if (!data) die("memory");
  put32('F'), put32(n + 1 + used), put(path, n + 1), put(data, used);
  free(data);
  return 0;
}

/* Where iommufd is a module, its start and end count too. */
static void runUnload(void) {
  pid_t pid = fork();
  if (!pid) { execl("/unload", "unload", (char *)0); _exit(0); }
  waitpid(pid, 0, 0);
}

static void sendKernelName(void) {
  struct utsname u;
  uname(&u);
  put32('U'), put32(strlen(u.release)), put(u.release, strlen(u.release));
}

static void *shared(size_t n) {
  void *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) die("memory");
  return p;
}

static void setUp(void) {
  int null;
  in = high(dup(0)), out = high(dup(1));
  null = open("/dev/null", O_RDWR);
  dup2(null, 0), dup2(null, 1);
  if (null > 2) close(null);
  for (int i = -2; i < ROLES; i++) {
    int *p = i == -2 ? toCoordinator : i == -1 ? passing : turn[i];
    if (i == -1 ? socketpair(AF_UNIX, SOCK_STREAM, 0, p) : pipe(p)) die("pipe");
    p[0] = high(p[0]), p[1] = high(p[1]);
  }
  ctl = shared(sizeof *ctl);
  program = shared(PROGRAM_BYTES), arena = shared(ARENA_BYTES);
  results = shared(sizeof *results * OPERATIONS_MAX), ops = shared(sizeof *ops * OPERATIONS_MAX);
  signal(SIGCHLD, onChild), signal(SIGALRM, onAlarm);
}

static int inputWaits(void) {
  struct pollfd p = { .fd = in, .events = POLLIN };
  return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

int main(void) {
  setUp();
  for (;;) {
    u32 head[2];
    if (!inputWaits()) flushOut();
    readAll(in, head, sizeof head);
    if (head[0] == 'P') runProgram(head[1]);
    else if (head[0] == 'G') { runUnload(); nftw("/sys/kernel/debug/gcov", sendFile, 32, FTW_PHYS); put32('E'), put32(0); }
    else if (head[0] == 'U') sendKernelName();
    else break;
  }
  flushOut();
  return 0;
}
