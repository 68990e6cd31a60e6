// SPDX-License-Identifier: MIT
// Several threads, each with objects of its own in one context.
#include "iommufd.h"
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 500 };
static int fd;

static void *work(void *failed)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t ioas = alloc_ioas(fd);
		struct ioas_unmap whole = { sizeof(whole), ioas, 0, UINT64_MAX };
		if (ioas == 0 || map(fd, ioas, pages, 8192, 0x10000) < 0 || ioctl(fd, IOMMU_IOAS_UNMAP, &whole) < 0 || whole.length != 8192 || destroy(fd, ioas) < 0)
			(*(int *)failed)++;
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	int failed[THREADS] = { 0 }, sum = 0;

	fd = open_iommu();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, &failed[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL), sum += failed[i];
	printf("%d calls, %d failed, next id %u\n", THREADS * ROUNDS * 4, sum, alloc_ioas(fd));
	return 0;
}
