// SPDX-License-Identifier: MIT
// Everything is opened, mapped and closed again many times, by many processes: whoever serves has as many descriptors as before.
#include "../run/iommufd.h"
#include <dirent.h>
#include <pthread.h>

static int descriptors(pid_t pid)
{
	char path[64];
	int count = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	DIR *folder = opendir(path);
	if (folder == NULL)
		return -1;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static long resident(pid_t pid)
{
	char path[64];
	long pages = 0;
	snprintf(path, sizeof path, "/proc/%d/statm", pid);
	FILE *file = fopen(path, "r");
	if (file != NULL && fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return pages / 256;
}

static void once(void)
{
	int fd = open_iommu();
	uint32_t ioas = alloc_ioas(fd);
	struct test_cmd mock = { sizeof mock, 2, ioas };
	ioctl(fd, IOMMU_TEST_CMD, &mock);
	struct fault_alloc queue = alloc_queue(fd);
	struct hwpt_alloc hwpt = { .size = sizeof hwpt, .flags = 4, .device = mock.words[2], .pt = ioas, .fault = queue.id };
	ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt);
	void *memory = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *shared = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	map(fd, ioas, memory, 16 * 4096, 0x1000000);
	map(fd, ioas, shared, 16 * 4096, 0x2000000);
	int copy = dup(queue.fd);
	close(fd), close(queue.fd), close(copy);
	munmap(memory, 16 * 4096), munmap(shared, 16 * 4096);
}

static void *thread(void *unused)
{
	once();
	return unused;
}

static void processes(int count)
{
	for (int i = 0; i < count; i += 4) {
		for (int k = 0; k < 4; k++)
			if (fork() == 0)
				once(), _exit(0);
		while (wait(NULL) > 0) {}
	}
}

static void threads(int count)
{
	pthread_t one;
	for (int i = 0; i < count; i++)
		pthread_create(&one, NULL, thread, NULL), pthread_join(one, NULL);
}

static void all(int times)
{
	for (int i = 0; i < times; i++)
		once();
	processes(times / 4);
	threads(times / 4);
}

int main(void)
{
	pid_t server = getppid();
	all(300); // what is remembered of processes and threads is
	processes(1000);
	once();
	int before = descriptors(server);
	long pages = resident(server);
	all(400);
	once();
	int more = descriptors(server) - before;
	printf("descriptors %s\n", before > 0 && more < 10 ? "as before" : "are more");
	if (more >= 10)
		printf("%d, then %d\n", before, before + more);
	long grown = resident(server) - pages;
	printf("memory %s\n", grown < 60 ? "as before" : "grows");
	if (grown >= 60)
		printf("%ld MiB more than %ld\n", grown, pages);
	return 0;
}
