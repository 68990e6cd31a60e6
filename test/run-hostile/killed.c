// SPDX-License-Identifier: MIT
// Children that are killed in every state, with everything open and mapped. What they held goes with them.
#include "../run/iommufd.h"
#include <pthread.h>
#include <signal.h>

#define PAGES 2048

static int fd;
static uint32_t ioas, device;
static struct fault_alloc queue;

static void trigger(uint32_t group)
{
	struct test_cmd c = { sizeof c, 15 };
	c.words[0] = device, c.words[2] = group, c.words[3] = 1;
	ioctl(fd, IOMMU_TEST_CMD, &c);
}

static void set_up(void)
{
	fd = open_iommu();
	ioas = alloc_ioas(fd);
	struct test_cmd mock = { sizeof mock, 2, ioas };
	ioctl(fd, IOMMU_TEST_CMD, &mock);
	device = mock.words[2];
	queue = alloc_queue(fd);
	struct hwpt_alloc hwpt = { .size = sizeof hwpt, .flags = 4, .device = device, .pt = ioas, .fault = queue.id };
	ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt);
	struct test_cmd replace = { sizeof replace, 10, mock.words[0] };
	replace.words[0] = hwpt.id;
	ioctl(fd, IOMMU_TEST_CMD, &replace);
	trigger(1);
}

static void *big(void)
{
	return mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void in_ioctl(void)
{
	void *memory = big();
	for (;;) {
		struct ioas_unmap all = { sizeof all, ioas, 0, 0xffffffffffffffff };
		map(fd, ioas, memory, PAGES * 4096, 0x1000000);
		ioctl(fd, IOMMU_IOAS_UNMAP, &all);
	}
}

static void in_poll(void)
{
	struct record record;
	read(queue.fd, &record, 40);
	poll(&(struct pollfd){ queue.fd, POLLIN }, 1, -1);
}

static void in_read(void)
{
	struct record record;
	for (;;)
		read(queue.fd, &record, 40), trigger(2);
}

static void in_open(void)
{
	for (;;)
		close(open("/dev/iommu", O_RDWR));
}

static void *calls(void *unused)
{
	for (;;)
		destroy(fd, alloc_ioas(fd));
	return unused;
}

static void in_threads(void)
{
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, calls, NULL);
	calls(NULL);
}

static void in_grandchild(void)
{
	if (fork() == 0)
		in_ioctl();
	if (vfork() == 0)
		for (int i = 0;; i++)
			if (i == 200)
				_exit(alloc_ioas(fd) == 0);
			else
				alloc_ioas(fd);
	pause();
}

static void in_exec(void)
{
	fcntl(fd, F_SETFD, 0);
	map(fd, ioas, big(), PAGES * 4096, 0x1000000);
	execlp("sleep", "sleep", "100", NULL);
}

static void mapped(void)
{
	map(fd, ioas, big(), PAGES * 4096, 0x1000000);
	pause();
}

static void while_stopped(void)
{
	map(fd, ioas, big(), PAGES * 4096, 0x1000000);
	raise(SIGSTOP);
}

static const struct { const char *name; void (*state)(void); } states[] = {
	{ "ioctl", in_ioctl }, { "poll", in_poll }, { "read", in_read }, { "open", in_open }, { "threads", in_threads },
	{ "grandchild", in_grandchild }, { "exec", in_exec }, { "mapped", mapped }, { "stopped", while_stopped },
};

int main(void)
{
	for (int i = 0; i < (int)(sizeof states / sizeof *states); i++) {
		for (int delay = 100; delay <= 102400; delay *= 4) {
			pid_t pid = fork();
			if (pid == 0) {
				setpgid(0, 0);
				set_up();
				states[i].state();
				_exit(1);
			}
			setpgid(pid, pid);
			usleep(delay);
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		int other = open_iommu();
		printf("%s: a new context allocates %u\n", states[i].name, alloc_ioas(other));
		close(other);
	}
	return 0;
}
