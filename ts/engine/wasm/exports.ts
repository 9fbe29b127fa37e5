// The functions of crates/wasm/src/lib.rs, as TypeScript sees them. All numbers
// are offsets in the bus, or counts.

/** What an instance exports. */
export interface WasmExports {
  readonly __stack_pointer: WebAssembly.Global<"i32">;
  driver_queue_bytes(numDescriptors: number): number;
  driver_queue_open(
    context: number,
    busBytes: number,
    descriptors: number,
    driverRing: number,
    deviceRing: number,
    numDescriptors: number,
    position: number,
  ): number;
  driver_queue_submit(context: number, requests: number, count: number): number;
  driver_queue_reap(context: number, completions: number, capacity: number): number;
  device_queue_bytes(numDescriptors: number): number;
  device_queue_open(
    context: number,
    busBytes: number,
    descriptors: number,
    driverRing: number,
    deviceRing: number,
    numDescriptors: number,
    numSectors: number,
    maxLenBytes: number,
    readOnly: number,
    features: number,
    hostOffset: number,
    hostBytes: number,
    iommuTable: number,
  ): number;
  device_queue_resize(context: number, numSectors: number): void;
  device_queue_fetch(context: number, requests: number, capacity: number, polls: number): number;
  device_queue_serve(
    context: number,
    discOffset: number,
    discBytes: number,
    pio: number,
    polls: number,
    most: number,
  ): number;
  device_queue_answer(context: number, polls: number, most: number): number;
  device_queue_complete(context: number, completions: number, count: number): void;
  device_queue_completed(context: number): number;
  device_queue_counters(context: number): number;
  copy(busBytes: number, target: number, source: number, lenBytes: number): void;
  copy_words(busBytes: number, target: number, source: number, lenBytes: number): void;
  fill(busBytes: number, offset: number, value: number, lenBytes: number): void;
  encode_descriptors(busBytes: number, table: number, list: number, count: number): void;
  decode_descriptors(busBytes: number, table: number, list: number, count: number): void;
  push_ring(
    busBytes: number,
    ring: number,
    numDescriptors: number,
    position: number,
    list: number,
    count: number,
  ): number;
  pop_ring(
    busBytes: number,
    ring: number,
    numDescriptors: number,
    position: number,
    list: number,
    capacity: number,
  ): number;
}
