// SPDX-License-Identifier: MIT
// Memory whose faults the program itself has to resolve, and does late, or never.
#include "../run/iommufd.h"
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#define PAGE 4096

static int faults;

static void *resolves(void *unused)
{
	static char content[PAGE] __attribute__((aligned(PAGE)));
	struct uffd_msg message;
	struct ioas_alloc command = { sizeof command };
	memcpy(content, &command, sizeof command);
	while (read(faults, &message, sizeof message) == sizeof message) {
		usleep(20000);
		struct uffdio_copy copy = { message.arg.pagefault.address & ~(PAGE - 1ul), (uintptr_t)content, PAGE };
		ioctl(faults, UFFDIO_COPY, &copy);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;
	char *late = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { UFFD_API };
	struct uffdio_register range = { { (uintptr_t)late, 2 * PAGE }, UFFDIO_REGISTER_MODE_MISSING };
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0 || ioctl(faults, UFFDIO_REGISTER, &range) < 0)
		return printf("no userfaultfd here\n"), 0;
	int fd = open_iommu();
	pthread_create(&thread, NULL, resolves, NULL);
	SHOW("a struct that comes late", ioctl(fd, IOMMU_IOAS_ALLOC, late));
	SHOW("memory that comes late", map(fd, ((struct ioas_alloc *)late)->id, late + PAGE, PAGE, 0x1000000));
	fflush(stdout);
	// Nobody resolves the faults of a child, which is killed while it waits.
	int status, ends[2];
	pipe(ends);
	pid_t child = fork();
	if (child == 0) {
		char *never = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct uffdio_register all = { { (uintptr_t)never, PAGE }, UFFDIO_REGISTER_MODE_MISSING };
		faults = syscall(SYS_userfaultfd, O_CLOEXEC);
		api = (struct uffdio_api){ UFFD_API };
		ioctl(faults, UFFDIO_API, &api), ioctl(faults, UFFDIO_REGISTER, &all);
		fd = open_iommu();
		write(ends[1], "", 1);
		ioctl(fd, IOMMU_IOAS_ALLOC, never);
		_exit(0);
	}
	read(ends[0], &status, 1);
	usleep(100000);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	printf("the child ended by %d\n", WTERMSIG(status));
	printf("others go on %d\n", alloc_ioas(fd) > 0);
	return 0;
}
