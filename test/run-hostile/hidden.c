// SPDX-License-Identifier: MIT
// A process that may not be looked into. It gets errors, or is served as before: never anything else.
#include "../run/iommufd.h"
#include <sys/prctl.h>

int main(void)
{
	int fd = open_iommu();
	prctl(PR_SET_DUMPABLE, 0);
	long id = alloc_ioas(fd), other = open("/dev/iommu", O_RDWR);
	printf("%s\n", (id == 0) == (other < 0) ? "all or nothing" : "some");
	int self = open("/proc/self/exe", O_RDONLY), child = fork();
	printf("%s", child == 0 ? "" : self >= 0 ? "the rest works\n" : "the rest fails\n");
	if (child == 0)
		_exit(0);
	wait(NULL);
	prctl(PR_SET_DUMPABLE, 1);
	printf("looked into again: %d\n", alloc_ioas(fd) > 0);
	return 0;
}
