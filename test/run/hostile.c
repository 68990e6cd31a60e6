// SPDX-License-Identifier: MIT
// Does to whoever serves it what a program should not: racing mappings, structures that change, descriptors that move.
#include "iommufd.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/uio.h>

static int fd;
static volatile int stop;
static char *page;
static uint32_t state = 4711;

static uint32_t any(void)
{
	state ^= state << 13, state ^= state >> 17, state ^= state << 5;
	return state;
}

static void *remap(void *unused)
{
	while (!stop) {
		munmap(page, 4096);
		mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		((volatile uint32_t *)page)[0] = 12 + any() % 40;
		((volatile uint32_t *)page)[3] = any();
	}
	return NULL;
}

static void *shuffle(void *unused)
{
	while (!stop) {
		dup2(fd, 30), dup2(0, 30), dup2(fd, 31), close(31);
		close(open("/dev/iommu", O_RDWR));
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[2];
	struct rlimit limit = { 4096, 4096 };
	char random[4096];
	struct fault_alloc queue;
	int opened = 0;

	fd = open_iommu();
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	queue = alloc_queue(fd);
	pthread_create(&threads[0], NULL, remap, NULL);
	pthread_create(&threads[1], NULL, shuffle, NULL);
	for (int i = 0; i < 4000; i++) {
		for (int j = 0; j < 64; j += 4)
			*(uint32_t *)(random + j) = any() % 3 ? any() % 64 : any();
		*(uint32_t *)random = any() % 80;
		ioctl(i % 3 ? fd : 30, 0x3b00 + (any() % 5 ? 0x80 + any() % 0x30 : any() % 256), i % 2 ? random : page);
		if (i % 16 == 0) {
			struct iovec vector[3] = { { page, any() % 200 }, { (void *)(uintptr_t)any(), any() }, { random, 40 } };
			readv(queue.fd, vector, any() % 4), writev(queue.fd, vector, any() % 4);
			read(queue.fd, page, 40 * (any() % 40)), write(queue.fd, page, 8 * (any() % 70));
			read(960 + any() % 64, random, 40), pread(fd, random, 8, 1ull << 40);
		}
	}
	stop = 1;
	pthread_join(threads[0], NULL), pthread_join(threads[1], NULL);
	setrlimit(RLIMIT_NOFILE, &limit);
	while (opened < 3000 && open("/dev/iommu", O_RDWR) >= 0)
		opened++;
	printf("%d contexts more\n", opened);
	for (int i = 3; i < 4096; i++)
		close(i);
	fd = open_iommu();
	for (int i = 1; i <= 10000; i++)
		if (alloc_ioas(fd) != i)
			printf("object %d failed\n", i);
	printf("still served\n");
	return 0;
}
