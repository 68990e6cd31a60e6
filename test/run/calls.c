// SPDX-License-Identifier: MIT
// ioctls with good and bad pointers, and an empty fault queue.
#include "iommufd.h"
#include <sys/uio.h>

int main(void)
{
	int fd = open_iommu(), copy;
	uint32_t words[16] = { 12 };
	struct fault_alloc queue = alloc_queue(fd);
	struct pollfd entry = { queue.fd, POLLIN | POLLOUT | POLLRDNORM };
	struct response answer = { 1, 0 };
	struct iovec vector[2] = { { words, 40 }, { (void *)8, 40 } };
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(pages + 4096, 4096, PROT_NONE);
	SHOW("bad pointer", ioctl(fd, IOMMU_IOAS_ALLOC, 8));
	SHOW("pointer of the kernel", ioctl(fd, IOMMU_IOAS_ALLOC, -4096L));
	memcpy(pages + 4096 - 8, words, 8);
	SHOW("struct over the end", ioctl(fd, IOMMU_IOAS_ALLOC, pages + 4096 - 8));
	mprotect(pages, 4096, PROT_READ);
	SHOW("size 0", ioctl(fd, IOMMU_IOAS_ALLOC, pages));
	SHOW("no such number", ioctl(fd, 0x3bff, words));
	SHOW("another type", ioctl(fd, 0x5401, words));
	SHOW("on another file", ioctl(0, IOMMU_IOAS_ALLOC, words));
	SHOW("on no file", ioctl(77, IOMMU_IOAS_ALLOC, words));
	printf("close-on-exec %d\n", fcntl(queue.fd, F_GETFD));

	SHOW("read nothing", read(queue.fd, words, 40));
	SHOW("read 0", read(queue.fd, words, 0));
	SHOW("read 41", read(queue.fd, words, 41));
	SHOW("pread", pread(queue.fd, words, 40, 0));
	SHOW("lseek", lseek(queue.fd, 0, SEEK_CUR));
	SHOW("write 0", write(queue.fd, &answer, 0));
	SHOW("write 9", write(queue.fd, &answer, 9));
	SHOW("write an unknown cookie", write(queue.fd, &answer, 8));
	SHOW("write from nothing", write(queue.fd, (void *)8, 8));
	SHOW("readv nothing", readv(queue.fd, vector, 2));
	SHOW("readv of too many", readv(queue.fd, vector, 1025));
	SHOW("readv from nothing", readv(queue.fd, (void *)8, 1));
	SHOW("ioctl", ioctl(queue.fd, IOMMU_IOAS_ALLOC, words));
	SHOW("FIONREAD", ioctl(queue.fd, 0x541b, words));
	SHOW("mmap", (long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, queue.fd, 0));
	SHOW("poll", poll(&entry, 1, 0));
	printf("events %#x\n", entry.revents);

	copy = fcntl(queue.fd, F_DUPFD, 0);
	SHOW("read 41 of a copy", read(copy, words, 41));
	SHOW("destroy", destroy(fd, queue.id));
	close(queue.fd);
	SHOW("destroy with a copy open", destroy(fd, queue.id));
	close(copy);
	SHOW("destroy with none open", destroy(fd, queue.id));
	return 7;
}
