// SPDX-License-Identifier: MIT
// The few structures of linux/iommufd.h that the test programs need, and how they print.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define IOMMU_DESTROY 0x3b80
#define IOMMU_IOAS_ALLOC 0x3b81
#define IOMMU_IOAS_MAP 0x3b85
#define IOMMU_IOAS_UNMAP 0x3b86
#define IOMMU_HWPT_ALLOC 0x3b89
#define IOMMU_FAULT_QUEUE_ALLOC 0x3b8e
#define IOMMU_TEST_CMD 0x3ba0

struct destroy { uint32_t size, id; };
struct ioas_alloc { uint32_t size, flags, id; };
struct ioas_map { uint32_t size, flags, ioas, reserved; uint64_t address, length, iova; };
struct ioas_unmap { uint32_t size, ioas; uint64_t iova, length; };
struct hwpt_alloc { uint32_t size, flags, device, pt, id, reserved, type, length; uint64_t data; uint32_t fault, reserved2; };
struct fault_alloc { uint32_t size, flags, id, fd; };
struct test_cmd { uint32_t size, op, id, reserved; union { uint32_t words[12]; uint64_t longs[6]; }; uint64_t last; };
struct record { uint32_t flags, device, pasid, group, perm, reserved; uint64_t address; uint32_t length, cookie; };
struct response { uint32_t cookie, code; };

// The result of a call, or the name of its error.
static const char *result(long value)
{
	static char texts[8][32];
	static int next;
	char *text = texts[next++ % 8];
	if (value < 0)
		return strerrorname_np(errno);
	snprintf(text, 32, "%ld", value);
	return text;
}

#define SHOW(name, value) (printf("%s %s\n", name, result(value)), fflush(stdout))

static int open_iommu(void)
{
	int fd = open("/dev/iommu", O_RDWR);
	if (fd < 0)
		perror("/dev/iommu"), exit(99);
	return fd;
}

static uint32_t alloc_ioas(int fd)
{
	struct ioas_alloc c = { sizeof(c) };
	return ioctl(fd, IOMMU_IOAS_ALLOC, &c) < 0 ? 0 : c.id;
}

static int destroy(int fd, uint32_t id)
{
	struct destroy c = { sizeof(c), id };
	return ioctl(fd, IOMMU_DESTROY, &c);
}

static struct fault_alloc alloc_queue(int fd)
{
	struct fault_alloc c = { sizeof(c) };
	if (ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &c) < 0)
		perror("IOMMU_FAULT_QUEUE_ALLOC"), exit(98);
	return c;
}

// Maps at a fixed IOVA, to be read and written.
static int map(int fd, uint32_t ioas, void *address, uint64_t length, uint64_t iova)
{
	struct ioas_map c = { sizeof(c), 7, ioas, 0, (uintptr_t)address, length, iova };
	return ioctl(fd, IOMMU_IOAS_MAP, &c);
}
