// SPDX-License-Identifier: MIT
// Pointers that lead nowhere, in every place that takes one. Nothing may succeed that writes there, and all must return.
#include "../run/iommufd.h"
#include <sys/uio.h>

#define PAGE 4096

static int fd;
static long tried, refused;
static char *edge; // the last bytes before a hole
static char *locked; // may not be read
static char *constant; // may not be written

static uint64_t bad(int n)
{
	uint64_t all[] = { 0, 1, 8, (uintptr_t)edge + PAGE - 4, (uintptr_t)edge + PAGE - 1, (uintptr_t)locked, (uintptr_t)locked + PAGE - 2,
		0x7ffffffff000 - 4, 0x7fffffffe000, 0x7fffffffffff, 0x800000000000, 1ull << 53, (1ull << 53) + 1, 1ull << 62, 0x8000000000000000, 0xffff800000000000,
		0xffffffffff600000, 0xfffffffffffff000, 0xfffffffffffffffc, 0xffffffffffffffff };
	return n < (int)(sizeof all / sizeof *all) ? all[n] : 0xdead;
}
#define BAD 20

static void expect(const char *what, long result)
{
	tried++;
	if (result < 0)
		refused++;
	else
		printf("%s succeeded: %ld\n", what, result);
}

static void commands(uint64_t pointer)
{
	for (int number = 0x3b80; number <= 0x3b94; number++)
		expect("command", ioctl(fd, number, pointer));
	expect("test command", ioctl(fd, IOMMU_TEST_CMD, pointer));
	for (int number = 0x3b64; number <= 0x3b75; number++)
		ioctl(fd, number, pointer);
}

static void files(int queue, uint64_t pointer)
{
	struct iovec vector = { (void *)pointer, 40 };
	expect("read", read(queue, (void *)pointer, 40));
	expect("read much", read(queue, (void *)pointer, 0xffffffffffffffff));
	expect("write", write(queue, (void *)pointer, 8));
	expect("write much", write(queue, (void *)pointer, 0x7fffffffffffffff));
	expect("readv", readv(queue, &vector, 1));
	expect("writev", writev(queue, &vector, 1));
	expect("vector", readv(queue, (void *)pointer, 2));
	expect("path", open((void *)pointer, O_RDWR));
}

int main(void)
{
	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(edge + PAGE, PAGE);
	memset(edge, 12, PAGE);
	locked = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	constant = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = open_iommu();
	uint32_t ioas = alloc_ioas(fd);
	struct test_cmd mock = { sizeof mock, 2, ioas };
	ioctl(fd, IOMMU_TEST_CMD, &mock);
	struct fault_alloc queue = alloc_queue(fd);
	struct hwpt_alloc hwpt = { .size = sizeof hwpt, .flags = 4, .device = mock.words[2], .pt = ioas, .fault = queue.id };
	ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt);
	struct test_cmd replace = { sizeof replace, 10, mock.words[0] };
	replace.words[0] = hwpt.id;
	ioctl(fd, IOMMU_TEST_CMD, &replace);
	struct test_cmd trigger = { sizeof trigger, 15 };
	trigger.words[0] = mock.words[2], trigger.words[3] = 1;
	ioctl(fd, IOMMU_TEST_CMD, &trigger);

	for (int n = 0; n < BAD; n++) {
		uint64_t pointer = bad(n);
		commands(pointer);
		files(queue.fd, pointer);
		expect("map", map(fd, ioas, (void *)pointer, PAGE, 0x1000000));
		expect("map much", map(fd, ioas, (void *)pointer, 1ull << 46, 0x1000000));
		expect("map all", map(fd, ioas, (void *)pointer, 0xffffffffffffffff, 0));
	}
	for (int number = 0x3b80; number <= 0x3b94; number++)
		expect("constant", ioctl(fd, number, constant));
	expect("read to a constant", read(queue.fd, constant, 40));
	expect("map a constant", map(fd, ioas, constant, PAGE, 0x1000000));
	printf("%s\n", refused == tried ? "all refused" : "some succeeded");
	struct record record;
	printf("the fault is still there %zd\n", read(queue.fd, &record, 40));
	printf("a good mapping %d\n", map(fd, ioas, edge, PAGE, 0x1000000));
	return 0;
}
