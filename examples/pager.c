// SPDX-License-Identifier: MIT
// A pager: the device reads memory that is not mapped, we map it page by page and answer.
//   cc -o pager examples/pager.c && iopf run --mock -- ./pager
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

// Of linux/iommufd.h: system headers before Linux 6.11 know no fault queue.
enum { IOAS_ALLOC = 0x3b81, IOAS_MAP = 0x3b85, HWPT_ALLOC = 0x3b89, FAULT_QUEUE_ALLOC = 0x3b8e };
enum { MAP_FIXED_IOVA = 1, MAP_WRITEABLE = 2, MAP_READABLE = 4, HWPT_FAULT_ID_VALID = 4, SUCCESS = 0, INVALID = 1 };
struct ioas_alloc { uint32_t size, flags, ioas; };
struct ioas_map { uint32_t size, flags, ioas, reserved; uint64_t address, length, iova; };
struct fault_alloc { uint32_t size, flags, id, fd; };
struct hwpt_alloc { uint32_t size, flags, device, pt, hwpt, reserved, type, length; uint64_t data; uint32_t fault, reserved2; };
struct record { uint32_t flags, device, pasid, group, perm, reserved; uint64_t address; uint32_t length, cookie; };
struct answer { uint32_t cookie, code; };

// The mock device of a test kernel: made (2), put on another page table (10), told to fault (15), asked what it sees (3).
enum { TEST_CMD = 0x3ba0, MOCK_DOMAIN = 2, CHECK_MAP = 3, REPLACE = 10, TRIGGER_IOPF = 15 };
struct test_cmd { uint32_t size, op, id, reserved; union { uint32_t words[12]; uint64_t longs[6]; }; uint64_t last; };

enum { PAGE = 4096, PAGES = 4, BASE = 0x1000000 };

static void command(int fd, unsigned long number, void *argument, const char *name)
{
	if (ioctl(fd, number, argument) < 0)
		err(1, "%s", name);
}

int main(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "/dev/iommu");
	struct ioas_alloc ioas = { sizeof ioas };
	command(fd, IOAS_ALLOC, &ioas, "IOMMU_IOAS_ALLOC");
	struct fault_alloc queue = { sizeof queue };
	command(fd, FAULT_QUEUE_ALLOC, &queue, "IOMMU_FAULT_QUEUE_ALLOC");
	struct test_cmd device = { sizeof device, MOCK_DOMAIN, ioas.ioas };
	command(fd, TEST_CMD, &device, "MOCK_DOMAIN");
	struct hwpt_alloc hwpt = { .size = sizeof hwpt, .flags = HWPT_FAULT_ID_VALID, .device = device.words[2], .pt = ioas.ioas, .fault = queue.id };
	command(fd, HWPT_ALLOC, &hwpt, "IOMMU_HWPT_ALLOC");
	struct test_cmd replace = { sizeof replace, REPLACE, device.words[0], .words = { hwpt.hwpt } };
	command(fd, TEST_CMD, &replace, "MOCK_DOMAIN_REPLACE");

	char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint32_t touch = 0; touch < 3; touch++) {
		struct test_cmd fault = { sizeof fault, TRIGGER_IOPF, .words = { device.words[2], 0, touch, 1 } };
		fault.longs[2] = BASE + touch * 2 * PAGE; // the third is behind the end
		command(fd, TEST_CMD, &fault, "TRIGGER_IOPF");

		poll(&(struct pollfd){ queue.fd, POLLIN }, 1, -1);
		struct record record;
		if (read(queue.fd, &record, sizeof record) != sizeof record)
			err(1, "read");
		uint64_t offset = record.address - BASE;
		struct answer answer = { record.cookie, offset < PAGES * PAGE ? SUCCESS : INVALID };
		if (answer.code == SUCCESS) {
			struct ioas_map map = { sizeof map, MAP_FIXED_IOVA | MAP_READABLE | MAP_WRITEABLE, ioas.ioas, 0, (uintptr_t)memory + offset, PAGE, record.address };
			command(fd, IOAS_MAP, &map, "IOMMU_IOAS_MAP");
			struct test_cmd check = { sizeof check, CHECK_MAP, hwpt.hwpt, .longs = { record.address, PAGE, map.address } };
			command(fd, TEST_CMD, &check, "MD_CHECK_MAP");
		}
		if (write(queue.fd, &answer, sizeof answer) != sizeof answer)
			err(1, "write");
		printf("fault at %#lx, group %u, cookie %u: %s\n", (unsigned long)record.address, record.group, record.cookie, answer.code == SUCCESS ? "mapped" : "there is nothing");
	}
	return 0;
}
