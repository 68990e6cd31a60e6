# SPDX-License-Identifier: MIT
"""A pager with the standard library only: what edu-pager.c does.

    iopf run -- python3 edu-pager.py
"""
import ctypes
import fcntl
import mmap
import os
import select
import struct

IOVA = 0x100000
BUFFER = 0x40000


def call(fd, number, layout, *values):
    """An ioctl whose struct begins with its size; gives the struct back."""
    data = bytearray(struct.pack("=" + layout, struct.calcsize("=" + layout), *values))
    fcntl.ioctl(fd, number, data)
    return struct.unpack("=" + layout, data)


iommufd = os.open("/dev/iommu", os.O_RDWR)
device = os.open("/dev/vfio/devices/vfio0", os.O_RDWR)
memory = mmap.mmap(-1, 8192)
memory[4090:4114] = b"over the edge of a page\0"
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))

done = os.eventfd(0)
ioas = call(iommufd, 0x3B81, "III", 0, 0)[2]
faults, queue = call(iommufd, 0x3B8E, "IIII", 0, 0, 0)[2:]
device_id = call(device, 0x3B76, "IIiI", 0, iommufd, 0)[3]
table = call(iommufd, 0x3B89, "8IQII", 4, device_id, ioas, 0, 0, 0, 0, 0, faults, 0)[4]
call(device, 0x3B77, "III", 0, table)
bar = call(device, 0x3B6C, "IIIIQQ", 0, 0, 0, 0, 0)[5]
call(device, 0x3B6E, "IIIIIi", 0x24, 1, 0, 1, done)

for register, value in ((0x80, IOVA + 4090), (0x88, BUFFER), (0x90, 24), (0x98, 1 | 4)):
    os.pwrite(device, struct.pack("=Q", value), bar + register)

poll = select.poll()
poll.register(queue, select.POLLIN)
poll.register(done, select.POLLIN)
while done not in dict(poll.poll()):
    *_, fault, _length, cookie = struct.unpack("=6IQII", os.read(queue, 40))
    page = fault & ~4095
    print(f"page {page:#x} is missing: mapped")
    call(iommufd, 0x3B85, "IIIIQQQ", 7, ioas, 0, address + page - IOVA, 4096, page)
    os.write(queue, struct.pack("=II", cookie, 0))

copied = os.pread(device, 24, bar + BUFFER).rstrip(b"\0").decode()
print(f'the device has read "{copied}"')
