// SPDX-License-Identifier: MIT
// Ends whoever serves it, and says what its calls answer then.
#include "../run/iommufd.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

static int fd;
static volatile int over;

static void *calls(void *unused)
{
	while (!over)
		alloc_ioas(fd);
	return unused;
}

int main(int count, char **words)
{
	pthread_t threads[3];
	pid_t server = getppid();
	struct record record;
	setvbuf(stdout, NULL, _IONBF, 0);
	fd = open_iommu();
	struct fault_alloc queue = alloc_queue(fd);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, calls, NULL);
	usleep(20000);
	kill(server, SIGKILL);
	while (getppid() == server)
		usleep(1000);
	over = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	struct ioas_alloc c = { sizeof c };
	SHOW("ioctl", ioctl(fd, IOMMU_IOAS_ALLOC, &c));
	SHOW("open", open("/etc/passwd", O_RDONLY));
	SHOW("read of a queue", read(queue.fd, &record, 40));
	printf("poll returns %d\n", poll(&(struct pollfd){ queue.fd, POLLIN }, 1, 10) >= 0);
	pid_t child = fork();
	if (child == 0)
		_exit(7);
	int status;
	waitpid(child, &status, 0);
	printf("a child ends with %d\n", WEXITSTATUS(status));
	return 5;
}
