# SPDX-License-Identifier: MIT
"""A pager with the standard library only: the device reads memory that is not mapped, we map it and answer.

iopf run --mock -- python3 examples/pager.py
"""
import ctypes
import fcntl
import mmap
import os
import select
import struct

# Of linux/iommufd.h: the number of each command, and its structure.
IOAS_ALLOC = 0x3B81, "=III"  # size, flags, id
IOAS_MAP = 0x3B85, "=IIIIQQQ"  # size, flags, ioas, reserved, address, length, iova
HWPT_ALLOC = 0x3B89, "=IIIIIIIIQII"  # size, flags, device, pt, id, reserved, type, length, data, fault, reserved
FAULT_QUEUE_ALLOC = 0x3B8E, "=IIII"  # size, flags, id, fd
RECORD = "=IIIIIIQII"  # flags, device, pasid, group, perm, reserved, address, length, cookie
ANSWER = "=II"  # cookie, code
FIXED_READ_WRITE, FAULT_ID_VALID, SUCCESS, INVALID = 7, 4, 0, 1

# The mock device of a test kernel.
TEST_CMD = 0x3BA0, "=IIIIIIII40x"  # size, operation, id, reserved, four words
MOCK_DOMAIN, REPLACE, TRIGGER_IOPF = 2, 10, 15

PAGE, PAGES, BASE = 4096, 4, 0x1000000


def command(number_and_form, *fields):
    """Fills in the size; gives the structure as the kernel left it."""
    number, form = number_and_form
    size = struct.calcsize(form)
    fields += (0,) * (len(struct.unpack(form, bytes(size))) - 1 - len(fields))
    data = bytearray(struct.pack(form, size, *fields))
    fcntl.ioctl(iommu, number, data)
    return struct.unpack(form, data)


iommu = os.open("/dev/iommu", os.O_RDWR | os.O_CLOEXEC)
ioas = command(IOAS_ALLOC)[2]
_, _, queue, faults = command(FAULT_QUEUE_ALLOC)
_, _, _, _, mock, _, device, _ = command(TEST_CMD, MOCK_DOMAIN, ioas)
hwpt = command(HWPT_ALLOC, FAULT_ID_VALID, device, ioas, 0, 0, 0, 0, 0, queue)[4]
command(TEST_CMD, REPLACE, mock, 0, hwpt)

memory = mmap.mmap(-1, PAGES * PAGE)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
for touch in range(3):  # the third is behind the end
    command((0x3BA0, "=IIIIIIIIQ32x"), TRIGGER_IOPF, 0, 0, device, 0, touch, 1, BASE + touch * 2 * PAGE)
    select.select([faults], [], [])
    _, _, _, group, _, _, address, _, cookie = struct.unpack(RECORD, os.read(faults, struct.calcsize(RECORD)))
    code = SUCCESS if address - BASE < PAGES * PAGE else INVALID
    if code == SUCCESS:
        command(IOAS_MAP, FIXED_READ_WRITE, ioas, 0, start + address - BASE, PAGE, address)
    os.write(faults, struct.pack(ANSWER, cookie, code))
    print(f"fault at {address:#x}, group {group}, cookie {cookie}: {'there is nothing' if code else 'mapped'}")
