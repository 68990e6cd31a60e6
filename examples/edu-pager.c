// SPDX-License-Identifier: MIT
/*
 * A pager: a device reads memory that is not mapped for it, and this program maps each page when the device asks for it.
 *   cc -o edu-pager edu-pager.c && iopf run -- ./edu-pager
 * The structures are those of linux/iommufd.h and linux/vfio.h, the registers those of QEMU's edu device.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IOAS_ALLOC = 0x3b81, IOAS_MAP = 0x3b85, HWPT_ALLOC = 0x3b89, FAULT_QUEUE_ALLOC = 0x3b8e };
enum { GET_REGION_INFO = 0x3b6c, SET_IRQS = 0x3b6e, BIND_IOMMUFD = 0x3b76, ATTACH_IOMMUFD_PT = 0x3b77 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98, BUFFER = 0x40000 };

static void call(int fd, unsigned long number, void *argument, const char *name) {
  if (ioctl(fd, number, argument) < 0) perror(name), exit(1);
}

int main(void) {
  struct { uint32_t size, flags, id; } ioas = {sizeof(ioas)};
  struct { uint32_t size, flags, id, fd; } faults = {sizeof(faults)};
  struct { uint32_t argsz, flags; int32_t iommufd; uint32_t device; } bind = {sizeof(bind)};
  struct { uint32_t size, flags, device, pt, id, reserved, type, length; uint64_t data; uint32_t fault, reserved2; } table = {sizeof(table), 4};
  struct { uint32_t argsz, flags, pt; } attach = {sizeof(attach)};
  struct { uint32_t argsz, flags, index, cap; uint64_t size, offset; } bar = {sizeof(bar)};
  struct { uint32_t argsz, flags, index, start, count; int32_t fd; } irq = {sizeof(irq), 0x24, 1, 0, 1};
  struct { uint32_t flags, device, pasid, group, perm, reserved; uint64_t address; uint32_t length, cookie; } fault;
  struct { uint32_t cookie, code; } answer = {0};
  const uint64_t iova = 0x100000;

  int iommufd = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  if (iommufd < 0 || device < 0) perror("open"), exit(1);
  char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(memory + 4090, "over the edge of a page");

  bind.iommufd = iommufd, irq.fd = eventfd(0, 0);
  call(iommufd, IOAS_ALLOC, &ioas, "IOAS_ALLOC");
  call(iommufd, FAULT_QUEUE_ALLOC, &faults, "FAULT_QUEUE_ALLOC");
  call(device, BIND_IOMMUFD, &bind, "BIND_IOMMUFD");
  table.device = bind.device, table.pt = ioas.id, table.fault = faults.id;
  call(iommufd, HWPT_ALLOC, &table, "HWPT_ALLOC");
  attach.pt = table.id;
  call(device, ATTACH_IOMMUFD_PT, &attach, "ATTACH_IOMMUFD_PT");
  call(device, GET_REGION_INFO, &bar, "GET_REGION_INFO");
  call(device, SET_IRQS, &irq, "SET_IRQS");

  uint64_t source = iova + 4090, destination = BUFFER, count = 24, start = 1 | 4;
  pwrite(device, &source, 8, bar.offset + DMA_SOURCE);
  pwrite(device, &destination, 8, bar.offset + DMA_DESTINATION);
  pwrite(device, &count, 8, bar.offset + DMA_COUNT);
  pwrite(device, &start, 8, bar.offset + DMA_COMMAND);

  for (;;) {
    struct pollfd entries[2] = {{faults.fd, POLLIN}, {irq.fd, POLLIN}};
    poll(entries, 2, -1);
    if (entries[1].revents) break;
    read(faults.fd, &fault, sizeof(fault));
    uint64_t page = fault.address & ~4095ull;
    printf("page %#llx is missing: mapped\n", (unsigned long long)page);
    struct { uint32_t size, flags, ioas, reserved; uint64_t address, length, iova; } map = {40, 7, ioas.id, 0, (uintptr_t)memory + (page - iova), 4096, page};
    call(iommufd, IOAS_MAP, &map, "IOAS_MAP");
    answer.cookie = fault.cookie;
    write(faults.fd, &answer, sizeof(answer));
  }
  char copied[24];
  pread(device, copied, sizeof(copied), bar.offset + BUFFER);
  printf("the device has read \"%s\"\n", copied);
  return 0;
}
