// SPDX-License-Identifier: MIT
// Breaks the rules of fault handling one after the other.
#include "iommufd.h"

static int fd;
static struct test_cmd mock = { sizeof(mock), 2 };

static void trigger(uint32_t group)
{
	struct test_cmd c = { sizeof(c), 15 };
	c.words[0] = mock.words[2], c.words[2] = group, c.words[3] = 1;
	if (ioctl(fd, IOMMU_TEST_CMD, &c) < 0)
		perror("trigger");
}

static void attach(uint32_t table)
{
	struct test_cmd c = { sizeof(c), 10, mock.words[0] };
	c.words[0] = table;
	if (ioctl(fd, IOMMU_TEST_CMD, &c) < 0)
		perror("attach");
}

static void answer(int queue, uint32_t cookie, uint32_t code)
{
	struct response response = { cookie, code };
	write(queue, &response, sizeof(response));
}

int main(void)
{
	struct record records[8];

	fd = open_iommu();
	mock.id = alloc_ioas(fd);
	if (ioctl(fd, IOMMU_TEST_CMD, &mock) < 0)
		perror("mock");
	struct fault_alloc queue = alloc_queue(fd);
	struct hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = 4, .device = mock.words[2], .pt = mock.id, .fault = queue.id };
	if (ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt) < 0)
		perror("table");
	attach(hwpt.id);
	for (int group = 2; group < 5; group++)
		trigger(group);
	read(queue.fd, records, 41);
	read(queue.fd, records, 120);
	answer(queue.fd, 1, 2);
	answer(queue.fd, 9, 0);
	answer(queue.fd, 1, 0);
	answer(queue.fd, 1, 0);
	attach(mock.id);
	answer(queue.fd, 2, 0);
	attach(hwpt.id);
	trigger(6);
	read(queue.fd, records, 40);
	read(queue.fd, records, 40);
	trigger(7);
	close(queue.fd);
	return 0;
}
