// SPDX-License-Identifier: MIT
// Every way to say /dev/iommu, and to look at it.
#include "iommufd.h"
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

struct how { uint64_t flags, mode, resolve; };

static void opened(const char *name, int fd)
{
	printf("%s %s\n", name, fd < 0 ? strerrorname_np(errno) : alloc_ioas(fd) == 1 ? "a context of its own" : "not ours");
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	char folder[] = "/tmp/iopf-open-XXXXXX", text[64], path[64];
	struct how how = { O_RDWR };
	struct stat stat_buffer;
	struct statx statx_buffer;
	int dev = open("/dev", O_PATH | O_DIRECTORY), fd;

	opened("absolute", open("/dev/iommu", O_RDWR));
	opened("dots", open("/dev/../dev/./iommu", O_RDWR));
	opened("slashes", open("//dev///iommu", O_RDWR));
	opened("folder", openat(dev, "iommu", O_RDWR));
	opened("openat2", syscall(SYS_openat2, dev, "iommu", &how, sizeof(how)));
	opened("open(2)", syscall(SYS_open, "/dev/iommu", O_RDWR));
	opened("creat", creat("/dev/iommu", 0600));
	opened("vfio", open("/dev/vfio/vfio", O_RDWR));
	if (chdir("/dev") == 0)
		opened("relative", open("iommu", O_RDWR));
	if (mkdtemp(folder) == NULL || chdir(folder) < 0)
		return 1;
	if (symlink("/dev/iommu", "link") < 0 || symlink("link", "link2") < 0 || symlink("/dev", "folder") < 0)
		return 1;
	opened("link to a link", open("link2", O_RDWR));
	opened("linked folder", open("folder/iommu", O_RDWR));
	opened("link not followed", open("link", O_RDWR | O_NOFOLLOW));
	unlink("link"), unlink("link2"), unlink("folder"), rmdir(folder);

	fd = open_iommu();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened("through /proc", open(path, O_RDWR));
	printf("text of the descriptor %.*s\n", (int)readlink(path, text, sizeof(text)), text);
	opened("exclusive", open("/dev/iommu", O_RDWR | O_CREAT | O_EXCL));
	opened("as a folder", open("/dev/iommu", O_RDWR | O_DIRECTORY));
	opened("something else", open("/dev/iommuu", O_RDWR));
	opened("a folder that is not there", open("/dev/nothing/../iommu", O_RDWR));
	SHOW("close-on-exec", fcntl(open("/dev/iommu", O_RDWR | O_CLOEXEC), F_GETFD));
	SHOW("close-on-exec without", fcntl(fd, F_GETFD));
	SHOW("bad path", open((char *)8, O_RDWR));
	SHOW("stat", stat("/dev/iommu", &stat_buffer));
	printf("character device %d, number %u\n", S_ISCHR(stat_buffer.st_mode), major(stat_buffer.st_rdev));
	SHOW("lstat", lstat("/dev/iommu", &stat_buffer));
	SHOW("fstatat", fstatat(dev, "iommu", &stat_buffer, 0));
	SHOW("statx", statx(dev, "iommu", 0, STATX_ALL, &statx_buffer));
	printf("character device %d, number %u\n", S_ISCHR(statx_buffer.stx_mode), statx_buffer.stx_rdev_major);
	SHOW("access", access("/dev/iommu", R_OK | W_OK));
	SHOW("access to execute", access("/dev/iommu", X_OK));
	SHOW("readlink", readlink("/dev/iommu", text, sizeof(text)));
	SHOW("stat into nothing", syscall(SYS_stat, "/dev/iommu", (void *)8));
	return 0;
}
