// SPDX-License-Identifier: MIT
// Goes on after its parent has ended, in a session of its own, through many execs, with the context it was started with.
#include "../run/iommufd.h"

int main(int count, char **words)
{
	char rest[16], number[16];
	if (count == 1) {
		int fd = open_iommu();
		fcntl(fd, F_SETFD, 0);
		snprintf(number, sizeof number, "%d", fd);
		printf("the parent allocates %u\n", alloc_ioas(fd)), fflush(stdout);
		if (fork() > 0)
			return 3;
		setsid();
		if (fork() > 0)
			return 0;
		usleep(300000);
		execl("/proc/self/exe", "daemon", "50", number, NULL);
	}
	int left = atoi(words[1]), fd = atoi(words[2]);
	uint32_t id = alloc_ioas(fd);
	if (left == 0) {
		printf("after all execs, the daemon allocates %u\n", id);
		return 0;
	}
	snprintf(rest, sizeof rest, "%d", left - 1);
	execl("/proc/self/exe", "daemon", rest, words[2], NULL);
	return 1;
}
