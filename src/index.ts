// SPDX-License-Identifier: MIT
/** The library's public names, nothing else. */
export { type Errno, type ErrnoCode, isErrno } from './base/errno.ts'
export {
  createTransfer,
  type Transfer,
  type TransferOp,
  type TransferOptions,
  type TransferStatus,
} from './hardware/endpoints/dma-engine/transfer.ts'
export { NO_PASID } from './hardware/pci/messages.ts'
export { IommufdError } from './iommufd/error.ts'
export {
  type AttachOptions,
  type AttachTarget,
  BoundDevice,
  type DirtyRequest,
  type DriverData,
  EventQueue,
  type CopyRequest,
  type EventQueueRequest,
  FaultGroupView,
  FaultQueue,
  FaultRecord,
  type GroupAnswer,
  type GuestEvent,
  type HardwareInfo,
  Hwpt,
  type HwptRequest,
  type HwQueueRequest,
  type Invalidation,
  Ioas,
  Iommufd,
  type MapFileRequest,
  type MapOptions,
  type MapRequest,
  NestedHwpt,
  type NestedHwptRequest,
  type RlimitMode,
  type UnmapRequest,
  type UnrecoverableRecord,
  type VdeviceRequest,
  Viommu,
  ViommuPart,
  type ViommuRequest,
} from './iommufd/iommufd.ts'
export { PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from './kernel/mm/prot.ts'
export {
  createMachine,
  Machine,
  type MachineDevice,
  type MachineIommu,
  MachineProcess,
} from './machine/machine.ts'
export type { DeviceConfig, IommuConfig, MachineConfig, MachineLatencies } from './machine/config.ts'
export { scenarioOf } from './scenario/defaults.ts'
export type { Scenario } from './scenario/document.ts'
export type { RunResult, ScenarioIo } from './scenario/result.ts'
export { type RunOptions, runScenario } from './scenario/run.ts'
