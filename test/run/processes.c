// SPDX-License-Identifier: MIT
// One context in several processes: fork, exec, passing on, last close.
#include "iommufd.h"
#include <sys/socket.h>

static void send_fd(int socket, int fd)
{
	union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control = { { 0 } };
	struct iovec byte = { "x", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	control.header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmsg(socket, &message, 0);
}

static int receive_fd(int socket)
{
	union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	char byte[1];
	struct iovec vector = { byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd = -1;

	recvmsg(socket, &message, 0);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	int fd, sockets[2], status;
	char number[16];

	if (argc == 3) {
		printf("%s allocates %u\n", argv[1], alloc_ioas(atoi(argv[2])));
		return 5;
	}
	fd = open_iommu();
	printf("parent allocates %u\n", alloc_ioas(fd)), fflush(stdout);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
	if (fork() == 0) {
		printf("child allocates %u\n", alloc_ioas(fd));
		int own = open_iommu();
		printf("child's own context allocates %u\n", alloc_ioas(own)), fflush(stdout);
		send_fd(sockets[1], own);
		snprintf(number, sizeof(number), "%d", fd);
		execl(argv[0], argv[0], "after exec, the child", number, NULL);
		_exit(1);
	}
	int sent = receive_fd(sockets[0]);
	wait(&status);
	printf("child ended with %d\n", WEXITSTATUS(status));
	printf("what was sent allocates %u\n", alloc_ioas(sent));
	printf("parent allocates %u\n", alloc_ioas(fd));
	int copy = dup(fd);
	close(fd);
	printf("the copy allocates %u\n", alloc_ioas(copy));
	close(copy);
	SHOW("closed", ioctl(copy, IOMMU_IOAS_ALLOC, number));
	fflush(stdout);
	if (vfork() == 0) {
		alloc_ioas(sent);
		_exit(0);
	}
	wait(NULL);
	printf("after vfork %u\n", alloc_ioas(sent)), fflush(stdout);
	raise(strcmp(argv[1] ? argv[1] : "", "abort") == 0 ? 6 : 0);
	return 0;
}
