// SPDX-License-Identifier: MIT
import { EOPNOTSUPP } from '../../base/errno.ts'
import * as abi from '../abi/index.ts'
import type { Caller } from '../files.ts'
import type { Command, CommandType, IoctlFunction } from '../ioctl-entry.ts'
import type { Context } from '../objects/context.ts'
import * as access from './access.ts'
import { addReserved } from './add-reserved.ts'
import { checkDeviceCache, checkIotlb } from './check-cache.ts'
import { checkMap, checkRefs, setMemoryLimit } from './check-pages.ts'
import { setDirty } from './dirty.ts'
import { dmaBufGet, dmaBufRevoke } from './dma-buf.ts'
import { extendedFault, extendedLog, extendedQueue } from './extended.ts'
import { ExtendedFault, ExtendedLog, ExtendedQueue } from './extended-structs.ts'
import { mockDomain, mockDomainFlags, mockDomainReplace } from './mock-domain.ts'
import { pasidAttach, pasidCheck, pasidDetach, pasidReplace } from './pasid.ts'
import { portOf } from './port.ts'
import { triggerIopf, triggerVevent } from './trigger.ts'

/** Operations from here on are there only when the machine has the extended test ABI. */
const EXTENDED_FIRST = 0x1000

/** struct iommu_test_cmd before its operation is known: the bytes stay where they are. */
export class TestCommand implements Command {
  static readonly SIZE: number = abi.TestCmd.SIZE
  view: DataView = new DataView(new ArrayBuffer(0))
  op = 0
  /** The operation has changed the bytes for the caller. */
  answered = false

  static decode(view: DataView, offset: number, into: TestCommand): TestCommand {
    into.view = view
    into.op = view.getInt32(offset + 4, true)
    into.answered = false
    return into
  }

  encode(): void {}
}

type Operation = (context: Context, view: DataView, caller: Caller) => number

/** An operation, and whether its struct goes back to the caller. */
type Row = readonly [operation: Operation, answers: boolean]

/** An operation whose struct goes back to the caller. */
function answers<C extends Command>(struct: CommandType<C>, body: IoctlFunction<C>): Row {
  return [operation(struct, body, true), true]
}

/** An operation after which the caller's struct is as it was. */
function silent<C extends Command>(struct: CommandType<C>, body: IoctlFunction<C>): Row {
  return [operation(struct, body, false), false]
}

/** One command serves all calls: none runs within another. */
function operation<C extends Command>(
  struct: CommandType<C>,
  body: IoctlFunction<C>,
  encodes: boolean,
): Operation {
  const command = new struct()
  return (context, view, caller): number => {
    const result = body(context, struct.decode(view, 0, command), caller) ?? 0
    if (encodes) command.encode(view, 0)
    return result
  }
}

const OPERATIONS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [1, silent(abi.TestCmdAddReserved, addReserved)],
  [2, answers(abi.TestCmdMockDomain, mockDomain)],
  [3, silent(abi.TestCmdCheckMap, checkMap)],
  [4, silent(abi.TestCmdCheckRefs, checkRefs)],
  [5, answers(abi.TestCmdCreateAccess, access.createTestAccess)],
  [6, silent(abi.TestCmdDestroyAccessPages, access.destroyAccessPages)],
  [7, answers(abi.TestCmdAccessPages, access.accessPages)],
  [8, silent(abi.TestCmdAccessRw, access.accessRw)],
  [9, silent(abi.TestCmdMemoryLimit, setMemoryLimit)],
  [10, answers(abi.TestCmdMockDomainReplace, mockDomainReplace)],
  [11, silent(abi.TestCmdAccessReplaceIoas, access.accessReplaceIoas)],
  [12, answers(abi.TestCmdMockDomainFlags, mockDomainFlags)],
  [13, answers(abi.TestCmdDirty, setDirty)],
  [14, silent(abi.TestCmdCheckIotlb, checkIotlb)],
  [15, silent(abi.TestCmdTriggerIopf, triggerIopf)],
  [16, silent(abi.TestCmdCheckDevCache, checkDeviceCache)],
  [17, silent(abi.TestCmdTriggerVevent, triggerVevent)],
  [18, answers(abi.TestCmdPasidAttach, pasidAttach)],
  [19, answers(abi.TestCmdPasidReplace, pasidReplace)],
  [20, silent(abi.TestCmdPasidDetach, pasidDetach)],
  [21, silent(abi.TestCmdPasidCheck, pasidCheck)],
  [22, silent(abi.TestCmdDmabufGet, dmaBufGet)],
  [23, silent(abi.TestCmdDmabufRevoke, dmaBufRevoke)],
  [0x1000, answers(ExtendedFault, extendedFault)],
  [0x1001, answers(ExtendedLog, extendedLog)],
  [0x1002, answers(ExtendedQueue, extendedQueue)],
])

/** IOMMU_TEST_CMD (`spec/03` §5.3). EOPNOTSUPP: no such operation. */
export function testCommand(context: Context, command: TestCommand, caller: Caller): number {
  const found = OPERATIONS.get(command.op)
  if (found === undefined) throw EOPNOTSUPP
  if (command.op >= EXTENDED_FIRST && !portOf(context).extended) throw EOPNOTSUPP
  const [perform, answered] = found
  const result = perform(context, command.view, caller)
  command.answered = answered
  return result
}
