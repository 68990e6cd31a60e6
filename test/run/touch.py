# SPDX-License-Identifier: MIT
"""A context and a mapping with the standard library only."""
import ctypes
import fcntl
import mmap
import os
import struct

fd = os.open("/dev/iommu", os.O_RDWR)
command = bytearray(struct.pack("=III", 12, 0, 0))
fcntl.ioctl(fd, 0x3B81, command)
ioas = struct.unpack("=III", command)[2]
pages = mmap.mmap(-1, 8192)
address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
command = bytearray(struct.pack("=IIIIQQQ", 40, 7, ioas, 0, address, 8192, 0x10000))
fcntl.ioctl(fd, 0x3B85, command)
command = bytearray(struct.pack("=IIQQ", 24, ioas, 0, 2**64 - 1))
fcntl.ioctl(fd, 0x3B86, command)
print("unmapped", struct.unpack("=IIQQ", command)[3])
try:
    fcntl.ioctl(fd, 0x3B80, bytearray(struct.pack("=II", 8, 77)))
except OSError as error:
    print(error.strerror)
