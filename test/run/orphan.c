// SPDX-License-Identifier: MIT
// Kills whoever serves it, with a thread in the middle of calls.
#include "iommufd.h"
#include <pthread.h>
#include <signal.h>

static int fd;

static void *work(void *unused)
{
	for (;;)
		destroy(fd, alloc_ioas(fd));
}

int main(void)
{
	pthread_t thread;

	fd = open_iommu();
	pthread_create(&thread, NULL, work, NULL);
	usleep(20000);
	kill(getppid(), SIGKILL);
	usleep(100000);
	SHOW("afterwards", ioctl(fd, IOMMU_IOAS_ALLOC, &fd));
	_exit(0);
}
