// SPDX-License-Identifier: MIT
// Faults of the mock device through a fault queue: the worked traces of the notes, and the ways to wait.
#include "iommufd.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

static int fd;
static uint32_t device;

static void trigger(uint32_t group)
{
	struct test_cmd c = { sizeof(c), 15 };
	c.words[0] = device, c.words[2] = group, c.words[3] = 1, c.longs[2] = 0x1000 * group;
	if (ioctl(fd, IOMMU_TEST_CMD, &c) < 0)
		perror("trigger");
}

static short events(int queue)
{
	struct pollfd entry = { queue, POLLIN | POLLOUT | POLLRDNORM | POLLPRI };
	poll(&entry, 1, 0);
	return entry.revents;
}

static int edge(int epoll)
{
	struct epoll_event event;
	return epoll_wait(epoll, &event, 1, 0);
}

int main(void)
{
	struct record records[4];
	struct response answers[2] = { { 1, 0 }, { 9, 0 } };
	struct iovec vector[3] = { { &records[0], 40 }, { &records[1], 40 }, { &records[2], 40 } };
	struct epoll_event on = { EPOLLIN | EPOLLET };
	fd_set readable;
	struct timeval none = { 0 };

	fd = open_iommu();
	uint32_t ioas = alloc_ioas(fd);
	struct test_cmd mock = { sizeof(mock), 2, ioas };
	SHOW("mock device", ioctl(fd, IOMMU_TEST_CMD, &mock));
	device = mock.words[2];
	struct fault_alloc queue = alloc_queue(fd);
	struct hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = 4, .device = device, .pt = ioas, .fault = queue.id };
	SHOW("page table", ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt));
	struct test_cmd replace = { sizeof(replace), 10, mock.words[0] };
	replace.words[0] = hwpt.id;
	SHOW("attach", ioctl(fd, IOMMU_TEST_CMD, &replace));

	printf("1 %zd\n", read(queue.fd, records, 40));
	trigger(2);
	printf("2 %#x\n", events(queue.fd));
	SHOW("10 read 0", read(queue.fd, records, 0));
	SHOW("12 read to nowhere", read(queue.fd, (void *)8, 40));
	printf("3 %zd:", read(queue.fd, records, 40));
	printf(" flags %u pasid %u group %u cookie %u address %#lx device %s\n", records[0].flags, records[0].pasid, records[0].group, records[0].cookie, records[0].address, records[0].device == device ? "ours" : "?");
	printf("  %#x\n", events(queue.fd));
	trigger(3), trigger(4);
	printf("4 %zd:", read(queue.fd, records, 120));
	printf(" cookies %u %u\n", records[0].cookie, records[1].cookie);
	printf("5 %zd\n", write(queue.fd, answers, 16));
	SHOW("  again", write(queue.fd, answers + 1, 8));
	trigger(5);
	printf("6 %zd:", read(queue.fd, records, 40));
	printf(" cookie %u\n", records[0].cookie);
	answers[0].cookie = 2, answers[0].code = 2;
	SHOW("7", write(queue.fd, answers, 8));
	answers[0].code = 1;
	SHOW("  code 1", write(queue.fd, answers, 8));

	int epoll = epoll_create1(0);
	epoll_ctl(epoll, EPOLL_CTL_ADD, queue.fd, &on);
	printf("edges: %d", edge(epoll));
	trigger(6);
	printf(" %d", edge(epoll));
	printf(" %d", edge(epoll));
	trigger(7);
	printf(" %d\n", edge(epoll));
	FD_ZERO(&readable);
	FD_SET(queue.fd, &readable);
	printf("select %d\n", select(queue.fd + 1, &readable, NULL, NULL, &none));
	printf("readv %zd:", readv(queue.fd, vector, 3));
	printf(" cookies %u %u\n", records[0].cookie, records[1].cookie);
	printf("select %d\n", select(queue.fd + 1, &readable, NULL, NULL, &none));
	printf("edge %d\n", edge(epoll));

	fflush(stdout);
	if (fork() == 0) {
		trigger(8);
		_exit(0);
	}
	printf("poll wakes %d\n", poll(&(struct pollfd){ queue.fd, POLLIN }, 1, 5000));
	wait(NULL);
	int low = dup2(queue.fd, 20);
	printf("read through a copy elsewhere %zd\n", read(low, records, 40));
	close(queue.fd), close(low);
	SHOW("destroy a queue in use", destroy(fd, queue.id));
	return 0;
}
