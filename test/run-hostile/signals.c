// SPDX-License-Identifier: MIT
// 4 threads, 2000 calls each, under a rain of signals whose handler makes a call too.
#include "../run/iommufd.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#define THREADS 4
#define CALLS 2000

static int fd;
static volatile int handled;
static unsigned char seen[1 << 16];
static long failed, twice;

static void handler(int signal)
{
	(void)signal;
	struct destroy c = { sizeof c, 0x7fffffff };
	int was = errno;
	ioctl(fd, IOMMU_DESTROY, &c);
	errno = was;
	handled++;
}

static void *calls(void *unused)
{
	for (int i = 0; i < CALLS; i++) {
		uint32_t id = alloc_ioas(fd);
		if (id == 0 || id >= sizeof seen)
			__atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED), perror("alloc");
		else if (__atomic_exchange_n(&seen[id], 1, __ATOMIC_RELAXED))
			__atomic_add_fetch(&twice, 1, __ATOMIC_RELAXED);
	}
	return unused;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct itimerval rain = { { 0, 300 }, { 0, 300 } };
	fd = open_iommu();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &rain, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, calls, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	printf("%ld failed, %ld ids twice, signals %s\n", failed, twice, handled > 100 ? "many" : "few");
	printf("next %u\n", alloc_ioas(fd));
	return 0;
}
