/**
 * Both sides, the bus between them, and discs: the public names, a contents page and nothing else.
 *
 * @module blockpt
 */

export { Bio } from "./block/bio.js";
export { BlockIo, type WriteOptions } from "./block/block-io.js";
export {
  type DiskLimits,
  GenDisk,
  type GenDiskOptions,
  type GenDiskState,
} from "./block/gendisk.js";
export type { Operations } from "./block/operations.js";
export { RamDriver } from "./block/ram-driver.js";
export type { Request, Segment } from "./block/request.js";
export { TagSet } from "./block/tag-set.js";
export { Bus, type BusHandle, type BusOptions, createBus, openBus } from "./bus/bus.js";
export type {
  ConfigHeader,
  ConfigSpace,
  FunctionIdentity,
  MsiCapability,
  MsixLocation,
} from "./bus/config-space.js";
export type { Iommu } from "./bus/iommu.js";
export type { Msix, MsixEntry } from "./bus/msix.js";
export { ConfigError } from "./config/config-error.js";
export {
  ConfigTree,
  type ConfigTreeOptions,
  type TextEncoding,
} from "./config/config-tree.js";
export type { BytesRead, BytesWritten, OpenFile } from "./config/disk-handle.js";
export {
  applyDocument,
  type ConfigDocument,
  type ControllerDocument,
  type DiscDocument,
  DocumentError,
  dumpDocument,
  type FunctionDocument,
  type RemoteDiskDocument,
} from "./config/document.js";
export type { LogLine } from "./config/kernel-log.js";
export type { FunctionField, FunctionFields } from "./config/pci-function.js";
export type { TreeEntry, TreeStats, TreeTypes } from "./config/tree-stats.js";
export { BlobDisc } from "./discs/blob-disc.js";
export { CrashDisc, type CrashDiscOptions } from "./discs/crash-disc.js";
export type { CrashOperation, CrashOptions } from "./discs/crash-image.js";
export type {
  BlobBytes,
  BlobDiscHandle,
  CrashDiscHandle,
  Disc,
  DiscAnswer,
  DiscHandle,
  FaultyDiscHandle,
  FileDiscHandle,
  HttpDiscHandle,
  MemoryDiscHandle,
  ModuleDiscHandle,
  NbdDiscHandle,
  NullDiscHandle,
  OpfsDiscHandle,
  OpfsFileHandle,
  PartitionDiscHandle,
  ReplayDiscHandle,
} from "./discs/disc.js";
export {
  discKindOf,
  exportedName,
  type NamedDiscKind,
  type NamedDiscOptions,
  openDiscNamed,
} from "./discs/disc-name.js";
export type { DiscSource, DiscSourceAmount } from "./discs/disc-source.js";
export type { FaultKind, FaultOperation, FaultReport, FaultRule } from "./discs/faults/fault.js";
export { parseFault, printFault } from "./discs/faults/text.js";
export { FaultyDisc } from "./discs/faulty-disc.js";
export { FileDisc } from "./discs/file-disc.js";
export { HttpDisc, type HttpDiscOptions } from "./discs/http-disc.js";
export { MemoryDisc } from "./discs/memory-disc.js";
export { ModuleDisc, type ModuleDiscOptions } from "./discs/module-disc.js";
export { NbdDisc, type NbdDiscOptions } from "./discs/nbd-disc.js";
export { NullDisc } from "./discs/null-disc.js";
export { OpfsDisc, type OpfsDiscOptions } from "./discs/opfs-disc.js";
export { PartitionDisc } from "./discs/partition-disc.js";
export { type ReplayAnswer, ReplayDisc, type ReplayDiscOptions } from "./discs/replay-disc.js";
export type { SourceDisc } from "./discs/source-disc.js";
export type { WrappedDisc } from "./discs/wrapped-disc.js";
export { Endpoint } from "./endpoint/endpoint.js";
export type {
  BoundController,
  Controller,
  EndpointOptions,
  ExportChanges,
  ExportOptions,
} from "./endpoint/endpoint-options.js";
export type { QueueStopped, ReportQueueStopped } from "./endpoint/exported-disc.js";
export type {
  DiscFacts,
  DiscReport,
  EndpointReport,
  MsixVectorReport,
  QueueFacts,
  QueuePlaceReport,
  QueueReport,
  RegistersReport,
} from "./endpoint/inspection.js";
export type { LinkFaults, LinkFaultsReport, LostInterrupts } from "./endpoint/link-faults.js";
export type { QueueWorkerSource } from "./endpoint/queue-thread.js";
export type { QueueStatistics } from "./endpoint/queue-totals.js";
export type { DescriptorReport, RingsReport } from "./endpoint/rings-report.js";
export type {
  BusRange,
  DeviceLimits,
  DeviceQueue,
  DriverQueue,
  Engine,
  EngineKind,
  QueueGeometry,
} from "./engine/engine.js";
export {
  COMPLETION_WORDS,
  COUNTERS,
  CompletionWord,
  Counter,
  LIST_CAPACITY,
  QueueFault,
  REQUEST_WORDS,
  RequestWord,
} from "./engine/records.js";
export type { EngineChoice } from "./engine/select.js";
export type { WasmSource } from "./engine/wasm/module.js";
export { BlockptError, type BlockptErrorCode } from "./errors.js";
export type { NbdExportFacts } from "./nbd/client/export-facts.js";
export { type BatchQueue, openBatchQueue } from "./root-complex/batch-queue.js";
export { type DiskQueue, openQueue } from "./root-complex/disk-queue.js";
export type { QueueHandle } from "./root-complex/queue-handle.js";
export type { RemoteDisk } from "./root-complex/remote-disk.js";
export { type AttachOptions, type ProbeOptions, RootComplex } from "./root-complex/root-complex.js";
export { type TraceAnswered, TraceRequests } from "./trace/requests.js";
export {
  type TraceScript,
  type TraceScriptDisc,
  type TraceStep,
  traceScript,
} from "./trace/script.js";
export {
  openTrace,
  Trace,
  type TraceHandle,
  type TraceOptions,
} from "./trace/trace.js";
export {
  readTraceFile,
  type TraceContents,
  TraceFile,
  type TraceHeader,
} from "./trace/trace-file.js";
export type {
  TraceAnswer,
  TraceAnswerValues,
  TraceArguments,
  TraceClose,
  TraceCommand,
  TraceCompletion,
  TraceDescriptor,
  TraceDevice,
  TraceFault,
  TraceLong,
  TraceLost,
  TraceOpen,
  TraceQueueRecord,
  TraceRecord,
  TraceRecordBase,
  TraceResize,
  TraceStopped,
} from "./trace/trace-record.js";
