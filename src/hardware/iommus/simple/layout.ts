// SPDX-License-Identifier: MIT
/**
 * What the `simple` unit and its driver share: registers, tables, records and commands. Our own design, shaped after
 * the real units of `spec/04`. All registers are 32 bits; every pointer in a register or table is the number of a 4 KiB
 * physical frame; table entries, records and commands are 32 bytes (8 words) and a frame holds 128 of them. A ring or
 * directory that is larger than a frame lies in consecutive frames. Frame 0 means "no table" in a directory.
 */

/** Bytes of a table entry, record or command; their number in one frame. */
export const RECORD_BYTES = 32
export const RECORDS_PER_FRAME = 128
export const RECORD_SHIFT = 5

// ---------------------------------------------------------------------------------------------- registers (offsets)
/** RO: CAP_ bits. */
export const REG_CAPABILITY = 0x00
/** RO: largest number of entries of a ring (all three). */
export const REG_RING_ENTRIES_MAX = 0x04
/**
 * RW: CONTROL_ bits. Clearing a queue's bit resets its head and tail to 0. A queue's bit stays clear when its entries are
 * fewer than 2 or more than REG_RING_ENTRIES_MAX, or its frames are not RAM.
 */
export const REG_CONTROL = 0x08
/** RW1C: STATUS_ bits. */
export const REG_STATUS = 0x0c
/** RW: INTERRUPT_ bits, 1 = may raise. Enabling a line whose status is already set raises it. */
export const REG_INTERRUPT_ENABLE = 0x10
/** RW: frame of the device directory (one frame, DIRECTORY_ shape, index = requester id). */
export const REG_DEVICE_DIRECTORY = 0x14
/** Command ring. Base and entries may change while its CONTROL bit is clear only. */
export const REG_COMMAND_BASE = 0x20
export const REG_COMMAND_ENTRIES = 0x24
/** RO: index of the next command that the unit will execute. */
export const REG_COMMAND_HEAD = 0x28
/** RW by software: index behind the newest command; writing it starts execution. */
export const REG_COMMAND_TAIL = 0x2c
/** Page-request ring: tail is the unit's (RO), head is the software's. Empty: head = tail. Full: tail + 1 = head. */
export const REG_PAGE_REQUEST_BASE = 0x30
export const REG_PAGE_REQUEST_ENTRIES = 0x34
export const REG_PAGE_REQUEST_HEAD = 0x38
export const REG_PAGE_REQUEST_TAIL = 0x3c
/** Fault ring: as the page-request ring. */
export const REG_FAULT_BASE = 0x40
export const REG_FAULT_ENTRIES = 0x44
export const REG_FAULT_HEAD = 0x48
export const REG_FAULT_TAIL = 0x4c

// REG_CAPABILITY
/** Bits 4:0: PASID width, 0 = no PASIDs. */
export const CAP_PASID_BITS_MASK = 0x1f
export const CAP_ATS: number = 1 << 8
export const CAP_PRI: number = 1 << 9
export const CAP_NESTED: number = 1 << 10
/** Private data of page requests is recorded and returned with responses. */
export const CAP_PRIVATE_DATA: number = 1 << 11
/** Bit 16 + n: page-table format n (FORMAT_) is supported. */
export const CAP_FORMATS_SHIFT = 16

// REG_CONTROL
/** Clear: untranslated requests pass unchanged, translation requests are refused. */
export const CONTROL_TRANSLATE: number = 1 << 0
export const CONTROL_COMMANDS: number = 1 << 1
/** Clear: every last page request is answered Response Failure. */
export const CONTROL_PAGE_REQUESTS: number = 1 << 2
/** Clear: unrecoverable faults are not recorded. */
export const CONTROL_FAULTS: number = 1 << 3

// REG_STATUS, all RW1C
/** A page request was recorded. Clear it before sampling REG_PAGE_REQUEST_TAIL: only its 0 → 1 edge interrupts. */
export const STATUS_PAGE_REQUEST_PENDING: number = 1 << 0
/** The page-request ring was full. While set, last requests are answered Success and the others vanish. */
export const STATUS_PAGE_REQUEST_OVERFLOW: number = 1 << 1
/** A fault was recorded; clear it before sampling REG_FAULT_TAIL. */
export const STATUS_FAULT_PENDING: number = 1 << 2
/** The fault ring was full; while set, faults are not recorded. */
export const STATUS_FAULT_OVERFLOW: number = 1 << 3
/** The command at the head is malformed: nothing is executed until software has replaced it and cleared this bit. */
export const STATUS_COMMAND_ERROR: number = 1 << 4
/** A WAIT with WAIT_INTERRUPT has completed. */
export const STATUS_WAIT_COMPLETE: number = 1 << 5
/** A device did not complete an invalidation in time; the invalidations outstanding were given up. */
export const STATUS_INVALIDATION_TIMEOUT: number = 1 << 6

// REG_INTERRUPT_ENABLE: one bit a line
/** PAGE_REQUEST_PENDING, PAGE_REQUEST_OVERFLOW. */
export const INTERRUPT_PAGE_REQUEST: number = 1 << 0
/** FAULT_PENDING, FAULT_OVERFLOW. */
export const INTERRUPT_FAULT: number = 1 << 1
/** COMMAND_ERROR, WAIT_COMPLETE, INVALIDATION_TIMEOUT. */
export const INTERRUPT_COMMAND: number = 1 << 2

// ------------------------------------------------------------------------------- device and PASID tables (in memory)
/**
 * Directory: words, each the frame of a leaf of 128 entries or 0. Word index = id >> 7, entry = id & 127.
 * A device directory has 512 words; a PASID directory 2^(bits - 7), at least 1, in consecutive frames.
 */
export const DIRECTORY_SHIFT = 7
export const DIRECTORY_LEAF_MASK = 127

// Device entry: word 0 flags, word 1 PASID directory, words 2–7 the address space of requests without PASID.
export const DEVICE_FLAGS = 0
export const DEVICE_PASID_DIRECTORY = 4
export const DEVICE_SPACE = 8

export const DEVICE_VALID: number = 1 << 0
/** Unrecoverable faults of this device are not recorded. */
export const DEVICE_FAULT_DISABLE: number = 1 << 1
export const DEVICE_ATS: number = 1 << 2
export const DEVICE_PRI: number = 1 << 3
export const DEVICE_PASID: number = 1 << 4
/** The function wants the PASID in PRG Responses; without it the unit sends none, whatever the command says. */
export const DEVICE_RESPONSE_PASID: number = 1 << 5
/** Bits 12:8: PASIDs below 2^n are in the directory. */
export const DEVICE_PASID_BITS_SHIFT = 8
export const DEVICE_PASID_BITS_MASK: number = 0x1f << 8
export const DEVICE_RESERVED_MASK: number = ~0x1f3f

// Address space: 6 words, at DEVICE_SPACE of a device entry and at 0 of a PASID entry (whose last 2 words are zero).
export const SPACE_FLAGS = 0
/** Tag of IOTLB entries: software gives each page table (or pair of them) its own number, 0 … 0xffff. */
export const SPACE_DOMAIN = 4
/** Stage-1 root: a physical frame; for nested the low 32 bits of a guest frame number, high bits in the next word. */
export const SPACE_ROOT = 8
export const SPACE_ROOT_HIGH = 12
/** Nested: physical frame of the stage-2 root. */
export const SPACE_STAGE2_ROOT = 16

export const SPACE_VALID: number = 1 << 0
export const SPACE_FAULT_DISABLE: number = 1 << 1
export const SPACE_TYPE_SHIFT = 4
export const SPACE_TYPE_MASK: number = 7 << 4
/** Bits 11:8: format of the (stage-1) table. */
export const SPACE_FORMAT_SHIFT = 8
export const SPACE_FORMAT_MASK: number = 15 << 8
/** Bits 15:12: format of the stage-2 table. */
export const SPACE_STAGE2_FORMAT_SHIFT = 12
export const SPACE_STAGE2_FORMAT_MASK: number = 15 << 12
export const SPACE_RESERVED_MASK: number = ~0xff73

/** Every access is refused (unrecoverable). */
export const SPACE_BLOCKED = 0
/** Addresses are physical. */
export const SPACE_IDENTITY = 1
/** One page table. */
export const SPACE_STAGE1 = 2
/** One page table, shared with a CPU: translated as SPACE_STAGE1. */
export const SPACE_SVA = 3
/** Stage-1 in guest-physical memory on a stage-2 table. */
export const SPACE_NESTED = 4

export const FORMAT_MOCK = 0
export const FORMAT_X86_64_4_LEVEL = 1
export const FORMAT_X86_64_5_LEVEL = 2

// ---------------------------------------------------------------------------------------------- page-request record
/** Word 0: type 7:0, PASID present 8, private data present 9, requester id 31:16. */
export const REQUEST_WORD0 = 0
export const REQUEST_TYPE_MASK = 0xff
export const REQUEST_TYPE_PAGE = 0x01
export const REQUEST_PASID_PRESENT: number = 1 << 8
export const REQUEST_PRIVATE_PRESENT: number = 1 << 9
export const REQUEST_RID_SHIFT = 16
/** Word 1: PASID 19:0, execute 20, privileged 21. */
export const REQUEST_WORD1 = 4
export const REQUEST_PASID_MASK = 0xfffff
export const REQUEST_EXEC: number = 1 << 20
export const REQUEST_PRIV: number = 1 << 21
/** Word 2: read 0, write 1, last 2, PRG index 11:3, address 31:12. Word 3: address 63:32. */
export const REQUEST_WORD2 = 8
export const REQUEST_READ: number = 1 << 0
export const REQUEST_WRITE: number = 1 << 1
export const REQUEST_LAST: number = 1 << 2
export const REQUEST_PRGI_SHIFT = 3
export const REQUEST_PRGI_MASK = 0x1ff
export const REQUEST_ADDRESS_MASK: number = ~0xfff
export const REQUEST_ADDRESS_HIGH = 12
/** Words 4 and 5: private data. Words 6 and 7 are zero. */
export const REQUEST_PRIVATE0 = 16
export const REQUEST_PRIVATE1 = 20

// ----------------------------------------------------------------------------------------------------- fault record
/** Word 0: reason 7:0, PASID present 8, translation request 9, page request 10, requester id 31:16. */
export const FAULT_WORD0 = 0
export const FAULT_REASON_MASK = 0xff
export const FAULT_PASID_PRESENT: number = 1 << 8
export const FAULT_TRANSLATION_REQUEST: number = 1 << 9
export const FAULT_PAGE_REQUEST: number = 1 << 10
export const FAULT_RID_SHIFT = 16
/** Word 1: PASID 19:0, ACCESS_ bits 27:24. */
export const FAULT_WORD1 = 4
export const FAULT_PASID_MASK = 0xfffff
export const FAULT_ACCESS_SHIFT = 24
export const FAULT_ACCESS_MASK = 15
/** Word 2: address 31:12 (bits 11:0 zero). Word 3: address 63:32. Words 4–7 are zero. */
export const FAULT_ADDRESS_LOW = 8
export const FAULT_ADDRESS_HIGH = 12

/** No device directory, no leaf, or the entry is not VALID. */
export const REASON_DEVICE_NOT_PRESENT = 0x01
/** Reserved bits set in the device entry. */
export const REASON_DEVICE_RESERVED = 0x02
/** Translation request while DEVICE_ATS (or CONTROL_TRANSLATE) is clear. */
export const REASON_ATS_DISABLED = 0x03
/** Page request while DEVICE_PRI is clear. */
export const REASON_PRI_DISABLED = 0x04
/** Request with PASID while DEVICE_PASID is clear. */
export const REASON_PASID_DISABLED = 0x05
/** PASID ≥ 2^bits of the device entry. */
export const REASON_PASID_TOO_LARGE = 0x06
/** No leaf in the PASID directory, or the entry is not VALID. */
export const REASON_PASID_NOT_PRESENT = 0x07
/** Reserved bits, unknown type, or a format or nesting that the unit does not support. */
export const REASON_SPACE_INVALID = 0x08
/** SPACE_BLOCKED, or the address space of requests without PASID is not VALID. */
export const REASON_BLOCKED = 0x09
/** A table or directory lies outside physical memory. */
export const REASON_TABLE_ACCESS = 0x0a
/** Stage 1 (or the only stage): no translation. */
export const REASON_NOT_PRESENT = 0x10
export const REASON_NO_READ = 0x11
export const REASON_NO_WRITE = 0x12
export const REASON_NO_EXECUTE = 0x13
/** User access to a supervisor page, or the reverse where the format forbids it. */
export const REASON_PRIVILEGE = 0x14
export const REASON_RESERVED_BITS = 0x15
export const REASON_NOT_CANONICAL = 0x16
/** SPACE_IDENTITY: the address lies outside physical memory. */
export const REASON_ADDRESS_SIZE = 0x17
/** Added to the REASON_ of the walk when the stage-2 table of a nested space refused. */
export const REASON_STAGE2 = 0x20

// --------------------------------------------------------------------------------------------------------- commands
/** Word 0: opcode 7:0, flags 15:8, requester id 31:16. */
export const COMMAND_WORD0 = 0
export const COMMAND_OPCODE_MASK = 0xff
export const COMMAND_PASID_PRESENT: number = 1 << 8
/** PAGE_RESPONSE: words 4 and 5 hold the private data of the request. */
export const COMMAND_PRIVATE_PRESENT: number = 1 << 9
/** INVALIDATE_CONTEXT: all devices. INVALIDATE_PASID: all PASIDs of the device. INVALIDATE_IOTLB: all domains. */
export const COMMAND_ALL: number = 1 << 10
/** WAIT: write word 1 at byte word 3 of frame word 2. */
export const WAIT_STORE: number = 1 << 11
/** WAIT: set STATUS_WAIT_COMPLETE (and interrupt). */
export const WAIT_INTERRUPT: number = 1 << 12
/**
 * WAIT: PRG Responses on their way are delivered before it completes. Page requests on their way are pushed ahead by the
 * completion of an INVALIDATE_ATC of their function, so a drain puts one before the WAIT.
 */
export const WAIT_PAGE_REQUEST_DRAIN: number = 1 << 13
export const COMMAND_RID_SHIFT = 16
/** Word 1: PASID 19:0, response code 27:24 (PAGE_RESPONSE); domain (INVALIDATE_IOTLB); value (WAIT). */
export const COMMAND_WORD1 = 4
export const COMMAND_PASID_MASK = 0xfffff
export const COMMAND_CODE_SHIFT = 24
export const COMMAND_CODE_MASK = 15
/** Word 2: address 31:12; PRG index 11:3 (PAGE_RESPONSE); frame (WAIT). Word 3: address 63:32; byte offset (WAIT). */
export const COMMAND_WORD2 = 8
export const COMMAND_PRGI_SHIFT = 3
export const COMMAND_PRGI_MASK = 0x1ff
export const COMMAND_WORD3 = 12
/** Word 4: size of an invalidated range, 2^n bytes naturally aligned, n = 12 … 63; 64 = everything. Or private 0. */
export const COMMAND_WORD4 = 16
export const COMMAND_RANGE_ALL = 64
/** Word 5: private 1. */
export const COMMAND_WORD5 = 20

/** Forget the device entry of the requester id, and its PASID entries. */
export const COMMAND_INVALIDATE_CONTEXT = 1
/** Forget the entry of (requester id, PASID). */
export const COMMAND_INVALIDATE_PASID = 2
/** Forget translations of a domain in a range. */
export const COMMAND_INVALIDATE_IOTLB = 3
/** Invalidate Request to the function's own cache; complete when the function has answered. */
export const COMMAND_INVALIDATE_ATC = 4
/** PRG Response to the function. */
export const COMMAND_PAGE_RESPONSE = 5
/** Fence: completes after all earlier commands, ATC invalidations answered; later commands wait for it. */
export const COMMAND_WAIT = 6
