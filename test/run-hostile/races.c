// SPDX-License-Identifier: MIT
// Memory that comes, goes and changes while calls that use it are served. Any answer is right that a kernel could give.
#include "../run/iommufd.h"
#include <pthread.h>

#define PAGE 4096
#define ROUNDS 1500

static int fd, queue;
static uint32_t ioas, device;
static char *volatile page;
static volatile int over;
static long good, bad, odd;

static void count(long result)
{
	if (result >= 0)
		good++;
	else if (errno == EFAULT || errno == EINVAL || errno == ENOENT || errno == EEXIST || errno == E2BIG || errno == EOPNOTSUPP || errno == ENOSPC || errno == ENOMEM || errno == EBUSY || errno == EOVERFLOW || errno == EPERM || errno == EMSGSIZE || errno == EADDRINUSE || errno == ENODEV || errno == EMFILE)
		bad++;
	else
		odd++, printf("odd: %s\n", strerrorname_np(errno));
}

static void *unmaps(void *unused)
{
	while (!over) {
		munmap(page, PAGE);
		mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mprotect(page, PAGE, PROT_READ);
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	}
	return unused;
}

// Sizes, flags, ids and pointers of the structures that are being read.
static void *scribbles(void *unused)
{
	uint32_t seed = 1;
	static const uint32_t words[] = { 0, 1, 7, 12, 16, 40, 48, 72, 0x1000, 0xffffffff, 0x80000000 };
	while (!over) {
		seed = seed * 1664525 + 1013904223;
		((volatile uint32_t *)page)[seed >> 16 & 31] = words[(seed >> 8) % 11];
	}
	return unused;
}

static void calls(void)
{
	struct ioas_map *c = (void *)page;
	for (int round = 0; round < ROUNDS; round++) {
		count(ioctl(fd, IOMMU_IOAS_ALLOC + round % 14, page));
		count(ioctl(fd, IOMMU_IOAS_MAP, c));
		count(map(fd, ioas, page, PAGE, 0x1000000 + PAGE * (round % 64)));
		struct test_cmd trigger = { sizeof trigger, 15 };
		trigger.words[0] = device, trigger.words[3] = 1, trigger.words[2] = round;
		ioctl(fd, IOMMU_TEST_CMD, &trigger);
		count(read(queue, page, 40));
		count(write(queue, page + 36, 8));
		int other = open(page, O_RDWR);
		if (other >= 0)
			close(other);
	}
}

static void with(void *(*rival)(void *), const char *name)
{
	pthread_t thread;
	over = 0, good = bad = odd = 0;
	pthread_create(&thread, NULL, rival, NULL);
	calls();
	over = 1;
	pthread_join(thread, NULL);
	printf("%s: %ld odd, %s\n", name, odd, good + bad + odd == 5L * ROUNDS ? "all returned" : "some are missing");
}

int main(void)
{
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = open_iommu();
	ioas = alloc_ioas(fd);
	struct test_cmd mock = { sizeof mock, 2, ioas };
	ioctl(fd, IOMMU_TEST_CMD, &mock);
	device = mock.words[2];
	struct fault_alloc allocated = alloc_queue(fd);
	queue = allocated.fd;
	struct hwpt_alloc hwpt = { .size = sizeof hwpt, .flags = 4, .device = device, .pt = ioas, .fault = allocated.id };
	ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt);
	struct test_cmd replace = { sizeof replace, 10, mock.words[0] };
	replace.words[0] = hwpt.id;
	ioctl(fd, IOMMU_TEST_CMD, &replace);
	with(unmaps, "unmapped");
	with(scribbles, "changed");
	int other = open_iommu();
	printf("a new context allocates %u\n", alloc_ioas(other));
	return 0;
}
