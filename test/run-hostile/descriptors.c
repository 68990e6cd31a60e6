// SPDX-License-Identifier: MIT
// Other files under the numbers of ours, and ours under others.
#include "../run/iommufd.h"
#include <pthread.h>
#include <sys/socket.h>

static int fd;
static volatile int over;

static void *swaps(void *unused)
{
	int null = open("/dev/null", O_RDWR), other = open_iommu();
	while (!over) {
		dup2(null, 700);
		dup2(other, 700);
		close(700);
	}
	close(null), close(other);
	return unused;
}

static void race(void)
{
	pthread_t thread;
	long odd = 0;
	pthread_create(&thread, NULL, swaps, NULL);
	for (int round = 0; round < 3000; round++) {
		struct ioas_alloc c = { sizeof c };
		if (ioctl(700, IOMMU_IOAS_ALLOC, &c) < 0 && errno != EBADF && errno != ENOTTY)
			odd++, perror("swapped");
	}
	over = 1;
	pthread_join(thread, NULL);
	printf("swapped under a call: %ld odd\n", odd);
}

static void fillQueues(void)
{
	int count = 0, again = 0;
	struct fault_alloc all[80];
	for (; count < 80; count++) {
		all[count] = (struct fault_alloc){ sizeof all[count] };
		if (ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &all[count]) < 0)
			break;
	}
	printf("queues %s, then %s\n", count >= 60 ? "enough" : "too few", count == 80 || errno == EMFILE ? "enough" : strerrorname_np(errno));
	for (int i = 0; i < count; i++)
		close(all[i].fd), destroy(fd, all[i].id);
	for (; again < count; again++) {
		struct fault_alloc c = { sizeof c };
		if (ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &c) < 0)
			break;
		close(c.fd), destroy(fd, c.id);
	}
	printf("and again %s\n", again == count ? "as many" : "fewer");
}

// Files of others in the range of numbers that iopf keeps for itself.
static void strangers(void)
{
	char text[400] = { 0 };
	int pipes[2];
	FILE *file = tmpfile();
	fwrite(text, 1, 400, file), fflush(file);
	pipe(pipes);
	for (int number = 960; number < 1024; number++) {
		if (fcntl(number, F_GETFD) >= 0)
			continue;
		dup2(number % 2 ? fileno(file) : pipes[1], number);
	}
	lseek(1001, 0, SEEK_SET);
	printf("read of a file %zd\n", read(1001, text, 400));
	printf("write to a pipe %zd\n", write(1000, text, 8));
	printf("duplicate %d\n", fcntl(1001, F_DUPFD, 30) >= 30);
	struct fault_alloc c = { sizeof c };
	int made = ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &c) == 0;
	printf("a queue elsewhere or none: %d\n", made ? c.fd < 960 && read(c.fd, text, 40) == 0 : errno == EMFILE);
	if (made)
		close(c.fd), destroy(fd, c.id);
	for (int number = 960; number < 1024; number++)
		close(number);
	SHOW("room", ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &c));
	SHOW("the context over a queue", dup2(fd, c.fd) - c.fd);
	struct ioas_alloc ioas = { sizeof ioas };
	SHOW("works there", ioctl(c.fd, IOMMU_IOAS_ALLOC, &ioas));
	SHOW("destroy the queue", destroy(c.fd, c.id));
	close(c.fd);
}

static void passing(void)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	int ends[2], got;
	char byte = 1;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	int own = open_iommu();
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	control.align = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.align), &own, sizeof own);
	sendmsg(ends[0], &message, 0);
	close(own); // it lives on in the socket only
	recvmsg(ends[1], &message, 0);
	memcpy(&got, CMSG_DATA(&control.align), sizeof got);
	printf("out of a socket %u\n", alloc_ioas(got));
	// A descriptor that is never received goes with its socket.
	memcpy(CMSG_DATA(&control.align), &got, sizeof got);
	sendmsg(ends[0], &message, 0);
	close(got), close(ends[0]), close(ends[1]);
}

int main(void)
{
	fd = open_iommu();
	race();
	fillQueues();
	strangers();
	passing();
	SHOW("on a number that never was", ioctl(-1, IOMMU_IOAS_ALLOC, NULL));
	SHOW("on a large one", ioctl(0x7fffffff, IOMMU_IOAS_ALLOC, NULL));
	printf("still there %u\n", alloc_ioas(fd) > 0);
	return 0;
}
