// SPDX-License-Identifier: MIT
// Opens, allocates and duplicates while signals rain on every thread of the process that serves it.
#include "../run/iommufd.h"
#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>

#define CALLS 1500

static void rain(pid_t server)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task", server);
	for (DIR *folder; (folder = opendir(path)) != NULL; closedir(folder))
		for (int turn = 0; turn < 20; turn++) {
			for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
				if (atoi(entry->d_name) != 0)
					syscall(SYS_tgkill, server, atoi(entry->d_name), SIGWINCH);
			rewinddir(folder);
		}
}

int main(void)
{
	int wrong = 0;
	pid_t server = getppid(), child = fork();
	if (child == 0)
		rain(server);
	for (int i = 0; i < CALLS && wrong < 5; i++) {
		int fd = open("/dev/iommu", O_RDWR);
		struct fault_alloc queue = { sizeof queue };
		if (fd < 3 || alloc_ioas(fd) != 1)
			wrong++, printf("open %d: %m\n", fd);
		else if (ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &queue) < 0)
			wrong++, perror("queue");
		else {
			int copy = dup(queue.fd);
			if (copy < 3 || write(copy, &queue, 4) != -1)
				wrong++, printf("dup %d: %m\n", copy);
			close(copy), close(queue.fd);
		}
		close(fd);
	}
	kill(child, SIGKILL);
	printf("%d went wrong\n", wrong);
	return 0;
}
