//! `blockpt-core` for WebAssembly: one instance a thread over one shared memory.
//!
//! The functions take offsets in the bus's memory, which is this module's linear
//! memory, so an offset is a pointer. An instance's stack, its lists and its
//! queues' contexts lie in pages of the bus's workspace that its thread has
//! claimed; the caller (`ts/engine/wasm`) sets `__stack_pointer` to a page of its
//! own before the first call, as instances that share a memory share its stack.
//!
//! No wasm-bindgen, and so no wasm-pack, which is a driver of it. Its glue keeps
//! one instance in a module's variable, while a thread here has an instance for
//! each bus that it opened; and its transformation for threads wants an allocator
//! of the module's own inside the memory, all of which is the bus's. There is
//! nothing for it to marshal either: numbers go in, a number comes out.

// `std` only where this machine's own cargo checks it.
#![cfg_attr(target_family = "wasm", no_std)]
// Each function's section "Safety" would say the same: what `ts/engine/wasm` promises, below.
#![allow(clippy::missing_safety_doc)]

use blockpt_core::descriptor::{Descriptor, Limits};
use blockpt_core::device_queue::DeviceQueue;
use blockpt_core::dma::{Transfer, Window};
use blockpt_core::driver_queue::DriverQueue;
use blockpt_core::memory::{Memory, Range};
use blockpt_core::queue_layout::Geometry;
use blockpt_core::records::{CompletionRecord, RequestRecord};
use blockpt_core::ring::{Consumer, Fault, Producer};
use core::slice::from_raw_parts_mut;

#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

type Driver = DriverQueue<'static>;
type Device = DeviceQueue<'static>;

/// The whole memory, `bus_len` bytes from 0 on.
fn bus(bus_len: usize) -> Memory {
    // SAFETY: linear memory is mapped from 0 on, for good, and never shrinks; the
    // caller gives its length.
    unsafe { Memory::new(core::ptr::null_mut(), bus_len) }
}

/// A list of records that the caller owns, at an offset.
///
/// # Safety
///
/// The caller claimed the bytes for its thread alone, aligned to 8.
unsafe fn list<T>(offset: usize, count: usize) -> &'static mut [T] {
    // SAFETY: passed on to our caller.
    unsafe { from_raw_parts_mut(offset as *mut T, count) }
}

/// A queue's context at an offset.
///
/// # Safety
///
/// One of the `open` functions returned 1 for it, and the caller's thread alone uses it.
unsafe fn context<T>(offset: usize) -> &'static mut T {
    // SAFETY: passed on to our caller.
    unsafe { &mut *(offset as *mut T) }
}

fn counted(result: Result<usize, Fault>) -> i32 {
    match result {
        // A list has at most `list::CAPACITY` records.
        Ok(count) => count as i32,
        Err(fault) => -(fault as i32),
    }
}

/// Bytes of the context of a driver queue.
#[unsafe(no_mangle)]
pub extern "C" fn driver_queue_bytes(num_desc: usize) -> usize {
    size_of::<Driver>() + num_desc * (size_of::<u32>() + size_of::<u16>())
}

/// Opens a driver's end in the context at `at`, its rings at a position; 0 if the geometry cannot be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn driver_queue_open(
    at: usize,
    bus_len: usize,
    descriptors: usize,
    driver_ring: usize,
    device_ring: usize,
    num_desc: u32,
    position: u32,
) -> u32 {
    let memory = bus(bus_len);
    let Some(geometry) = Geometry::new(&memory, descriptors, driver_ring, device_ring, num_desc)
    else {
        return 0;
    };
    let count = num_desc as usize;
    let tags = at + size_of::<Driver>();
    // SAFETY: the caller claimed `driver_queue_bytes(num_desc)` bytes from `at` on
    // for its thread alone, aligned to 8.
    unsafe {
        let free = list(tags + count * size_of::<u32>(), count);
        (at as *mut Driver).write(DriverQueue::new(
            memory,
            geometry,
            position,
            free,
            list(tags, count),
        ));
    }
    1
}

/// Puts the requests of a list on the driver ring and publishes them; says how many fitted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn driver_queue_submit(at: usize, requests: usize, count: usize) -> usize {
    // SAFETY: an open context and a list, both the calling thread's.
    let (queue, requests) =
        unsafe { (context::<Driver>(at), list::<RequestRecord>(requests, count)) };
    let put = queue.put(requests);
    queue.publish();
    put
}

/// Reaps completions into a list; says how many, or the fault as a negative number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn driver_queue_reap(at: usize, completions: usize, capacity: usize) -> i32 {
    // SAFETY: an open context and a list, both the calling thread's.
    let (queue, completions) =
        unsafe { (context::<Driver>(at), list::<CompletionRecord>(completions, capacity)) };
    counted(queue.reap(completions))
}

/// Bytes of the context of a device queue.
#[unsafe(no_mangle)]
pub extern "C" fn device_queue_bytes(num_desc: usize) -> usize {
    size_of::<Device>() + num_desc * size_of::<u32>()
}

/// Opens a device's end in the context at `at`; 0 if the geometry cannot be.
/// `iommu_table` is 0 where there is no IOMMU.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_open(
    at: usize,
    bus_len: usize,
    descriptors: usize,
    driver_ring: usize,
    device_ring: usize,
    num_desc: u32,
    num_sectors: f64,
    max_len: u32,
    read_only: u32,
    features: u32,
    host_offset: usize,
    host_len: usize,
    iommu_table: usize,
) -> u32 {
    let memory = bus(bus_len);
    let Some(geometry) = Geometry::new(&memory, descriptors, driver_ring, device_ring, num_desc)
    else {
        return 0;
    };
    let host = Range { offset: host_offset, len: host_len };
    let iommu_table = if iommu_table == 0 { None } else { Some(iommu_table) };
    let limits = Limits {
        // A JavaScript number: exact, as it is a whole one below 2^53.
        num_sectors: num_sectors as u64,
        max_len,
        read_only: read_only != 0,
        features,
        window: Window::new(host, iommu_table),
    };
    // SAFETY: the caller claimed `device_queue_bytes(num_desc)` bytes from `at` on
    // for its thread alone, aligned to 8.
    unsafe {
        let in_service = list(at + size_of::<Device>(), num_desc as usize);
        (at as *mut Device).write(DeviceQueue::new(memory, geometry, limits, in_service));
    }
    1
}

/// Gives the disc another size, from the next descriptor on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_resize(at: usize, num_sectors: f64) {
    // SAFETY: an open context, the calling thread's.
    let queue = unsafe { context::<Device>(at) };
    queue.resize(num_sectors as u64);
}

/// Fetches requests into a list; says how many, or the fault as a negative number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_fetch(
    at: usize,
    requests: usize,
    capacity: usize,
    polls: u32,
) -> i32 {
    // SAFETY: an open context and a list, both the calling thread's.
    let (queue, requests) =
        unsafe { (context::<Device>(at), list::<RequestRecord>(requests, capacity)) };
    counted(queue.fetch(requests, polls))
}

/// Serves requests from a disc in the memory; says how many, or the fault as a negative number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_serve(
    at: usize,
    disc_offset: usize,
    disc_len: usize,
    pio: u32,
    polls: u32,
    most: u32,
) -> i32 {
    // SAFETY: an open context, the calling thread's.
    let queue = unsafe { context::<Device>(at) };
    let transfer = if pio == 0 { Transfer::Dma } else { Transfer::Pio };
    let disc = Range { offset: disc_offset, len: disc_len };
    counted(queue.serve(disc, transfer, polls, most).map(|count| count as usize))
}

/// Answers requests without moving a byte; says how many, or the fault as a negative number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_answer(at: usize, polls: u32, most: u32) -> i32 {
    // SAFETY: an open context, the calling thread's.
    let queue = unsafe { context::<Device>(at) };
    counted(queue.answer(polls, most).map(|count| count as usize))
}

/// Completes and publishes the descriptors of a list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_complete(at: usize, completions: usize, count: usize) {
    // SAFETY: an open context and a list, both the calling thread's.
    let (queue, completions) =
        unsafe { (context::<Device>(at), list::<CompletionRecord>(completions, count)) };
    queue.complete(completions);
}

/// How many completions were put on the device ring, modulo 2^32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_completed(at: usize) -> u32 {
    // SAFETY: an open context, the calling thread's.
    unsafe { context::<Device>(at) }.completed()
}

/// Where what the queue has done is counted, for as long as it is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_queue_counters(at: usize) -> usize {
    // SAFETY: an open context, the calling thread's.
    let queue = unsafe { context::<Device>(at) };
    core::ptr::from_ref(queue.counters()) as usize
}

/// Copies within the bus: one bulk copy.
#[unsafe(no_mangle)]
pub extern "C" fn copy(bus_len: usize, target: usize, source: usize, len: usize) {
    bus(bus_len).copy(target, source, len);
}

/// Copies within the bus, word by word.
#[unsafe(no_mangle)]
pub extern "C" fn copy_words(bus_len: usize, target: usize, source: usize, len: usize) {
    bus(bus_len).copy_words(target, source, len);
}

/// Sets every byte of a range of the bus.
#[unsafe(no_mangle)]
pub extern "C" fn fill(bus_len: usize, offset: usize, value: u32, len: usize) {
    bus(bus_len).fill(offset, value as u8, len);
}

/// Writes the requests of a list as descriptors, one after the other from `table` on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn encode_descriptors(
    bus_len: usize,
    table: usize,
    requests: usize,
    count: usize,
) {
    let memory = bus(bus_len);
    // SAFETY: a list, the calling thread's.
    let requests = unsafe { list::<RequestRecord>(requests, count) };
    for (index, request) in requests.iter().enumerate() {
        Descriptor::of(request).write(&memory, table + index * size_of::<Descriptor>());
    }
}

/// Reads descriptors, one after the other from `table` on, into a list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn decode_descriptors(
    bus_len: usize,
    table: usize,
    requests: usize,
    count: usize,
) {
    let memory = bus(bus_len);
    // SAFETY: a list, the calling thread's.
    let requests = unsafe { list::<RequestRecord>(requests, count) };
    for (index, request) in requests.iter_mut().enumerate() {
        let descriptor = Descriptor::read(&memory, table + index * size_of::<Descriptor>());
        *request = descriptor.record(index as u32);
    }
}

/// Pushes entries on a ring from a position on, and publishes them; gives the new position.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn push_ring(
    bus_len: usize,
    ring: usize,
    num_desc: u32,
    position: u32,
    entries: usize,
    count: usize,
) -> u32 {
    let memory = bus(bus_len);
    let mut producer = Producer::new(ring, num_desc, position);
    // SAFETY: a list, the calling thread's.
    for entry in unsafe { list::<u32>(entries, count) } {
        producer.push(&memory, *entry as u16);
    }
    producer.publish(&memory);
    producer.position()
}

/// Pops entries of a ring from a position on; says how many, or the fault as a negative number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pop_ring(
    bus_len: usize,
    ring: usize,
    num_desc: u32,
    position: u32,
    entries: usize,
    capacity: usize,
) -> i32 {
    let memory = bus(bus_len);
    let mut consumer = Consumer::new(ring, num_desc, position);
    // SAFETY: a list, the calling thread's.
    let entries = unsafe { list::<u32>(entries, capacity) };
    let mut pop = || {
        let head = consumer.look(&memory, 1)?;
        let mut count = 0;
        while consumer.has_before(head) && count < entries.len() {
            entries[count] = consumer.take(&memory)?;
            count += 1;
        }
        Ok(count)
    };
    counted(pop())
}
