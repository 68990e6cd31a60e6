// SPDX-License-Identifier: MIT
// 10 000 objects, each with a mapping, and every descriptor a context. Destroyed one by one, or left to the end.
#include "../run/iommufd.h"
#include <sys/resource.h>

#define OBJECTS 10000

int main(int count, char **words)
{
	static uint32_t ids[OBJECTS];
	struct rlimit files = { 900, 900 };
	int fd = open_iommu(), contexts = 0, failed = 0;
	static char page[4096] __attribute__((aligned(4096)));
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < OBJECTS; i++) {
		ids[i] = alloc_ioas(fd);
		failed += ids[i] == 0 || map(fd, ids[i], page, 4096, 0x1000000) < 0;
	}
	printf("%d objects, %d failed\n", OBJECTS, failed);
	for (int other; (other = open("/dev/iommu", O_RDWR)) >= 0; contexts++)
		alloc_ioas(other);
	printf("contexts %s, then %s\n", contexts > 800 ? "enough" : "too few", strerrorname_np(errno));
	for (int i = 0; count == 1 && i < OBJECTS; i++) {
		struct ioas_unmap all = { sizeof all, ids[i], 0, 0xffffffffffffffff };
		ioctl(fd, IOMMU_IOAS_UNMAP, &all);
		failed += destroy(fd, ids[i]) < 0;
	}
	printf("%d failed\n", failed);
	return 0;
}
