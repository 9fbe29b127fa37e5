//! Bounded access to a memory that others write at the same time. All of the
//! core's `unsafe` is in this file.
//!
//! Words are read and written once each, by accesses the compiler may neither
//! repeat nor merge, so that a value which was checked is the value that is
//! used. Publication goes by `load_idx` and `publish_idx`; everything else is
//! ordered by them.

use crate::ordering;
use core::sync::atomic::AtomicU16;
#[cfg(not(target_family = "wasm"))]
use core::sync::atomic::Ordering;

/// A memory shared by threads, and all that is known of it: where and how long.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    base: *mut u8,
    len: usize,
}

/// A range of a [`Memory`] in bytes, known to be inside it only by who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
}

impl Memory {
    /// The memory of `len` bytes from `base` on.
    ///
    /// # Safety
    ///
    /// `base` is a multiple of 8, and `base..base + len` stays mapped, readable
    /// and writable for as long as the value or a copy of it is used.
    pub const unsafe fn new(base: *mut u8, len: usize) -> Self {
        Self { base, len }
    }

    /// Whether the range lies inside. No input overflows.
    #[inline(always)]
    pub const fn contains(&self, offset: usize, len: usize) -> bool {
        offset <= self.len && len <= self.len - offset
    }

    /// The address of an aligned item, or a panic: every offset that arrives here was
    /// checked where it came in, so a bad one is our own bug.
    #[inline(always)]
    fn at<T>(&self, offset: usize) -> *mut T {
        assert!(offset.is_multiple_of(align_of::<T>()) && self.contains(offset, size_of::<T>()));
        // SAFETY: the assertion puts the whole item inside `base..base + len`,
        // which `new`'s caller promised to be mapped.
        unsafe { self.base.add(offset).cast() }
    }

    #[inline(always)]
    fn bytes_at(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(self.contains(offset, len));
        // SAFETY: as in `at`.
        unsafe { self.base.add(offset) }
    }

    /// Reads a ring's `idx`: what was written before the store that it reads from
    /// is visible after it. Sequentially consistent, as the store is: `ordering` says why.
    #[inline(always)]
    pub fn load_idx(&self, offset: usize) -> u16 {
        // SAFETY: `at` gives an aligned address inside the memory; atomics may be
        // shared by threads.
        unsafe { AtomicU16::from_ptr(self.at(offset)) }.load(ordering::LOOK)
    }

    /// Publishes a ring's `idx`: what was written before is visible to whoever
    /// loads this value.
    #[inline(always)]
    pub fn publish_idx(&self, offset: usize, value: u16) {
        // SAFETY: as in `load_idx`.
        unsafe { AtomicU16::from_ptr(self.at(offset)) }.store(value, ordering::PUBLISH);
    }

    /// Copies between two ranges, which may overlap: bulk-copy DMA.
    #[inline(always)]
    pub fn copy(&self, target: usize, source: usize, len: usize) {
        let (to, from) = (self.bytes_at(target, len), self.bytes_at(source, len));
        // SAFETY: both ranges are inside the memory. Others may write them
        // meanwhile: the bytes are then a mixture, as with any DMA, and nothing
        // here looks at them.
        unsafe { core::ptr::copy(from, to, len) }
    }

    /// Copies 32-bit word by word, as a processor without a DMA engine does over
    /// a PCI window; the ranges may overlap only if the target comes first.
    #[inline(always)]
    pub fn copy_words(&self, target: usize, source: usize, len: usize) {
        let (to, from) = (self.bytes_at(target, len), self.bytes_at(source, len));
        let words = len / 4;
        for word in 0..words {
            // SAFETY: `word * 4 + 4 <= len`, and both ranges are inside the
            // memory. Volatile: the words must not be merged into a bulk copy,
            // and `packed` because DMA addresses need no alignment.
            unsafe {
                let value = from.add(word * 4).cast::<Packed>().read_volatile();
                to.add(word * 4).cast::<Packed>().write_volatile(value);
            }
        }
        for byte in words * 4..len {
            // SAFETY: `byte < len`, as above.
            unsafe { to.add(byte).write_volatile(from.add(byte).read_volatile()) };
        }
    }

    /// Sets every byte of a range.
    #[inline(always)]
    pub fn fill(&self, offset: usize, value: u8, len: usize) {
        let target = self.bytes_at(offset, len);
        // SAFETY: the range is inside the memory.
        unsafe { core::ptr::write_bytes(target, value, len) }
    }
}

#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Packed(#[allow(dead_code)] u32);

/// Plain accesses: one load or store each, unordered.
///
/// WebAssembly has no relaxed atomics, every atomic store there is a full
/// barrier; its plain accesses may race without undefined behaviour, and
/// volatile keeps them single. Native code takes relaxed atomics, which cost
/// nothing and which race detectors understand.
macro_rules! plain_access {
    ($read:ident, $write:ident, $type:ty, $atomic:ty) => {
        impl Memory {
            #[doc = concat!("Reads one aligned `", stringify!($type), "`, once.")]
            #[inline(always)]
            pub fn $read(&self, offset: usize) -> $type {
                let item = self.at::<$type>(offset);
                #[cfg(target_family = "wasm")]
                // SAFETY: `at` gives an aligned address inside the memory.
                return unsafe { item.read_volatile() };
                #[cfg(not(target_family = "wasm"))]
                // SAFETY: as above; atomics may be shared by threads.
                return unsafe { <$atomic>::from_ptr(item) }.load(Ordering::Relaxed);
            }

            #[doc = concat!("Writes one aligned `", stringify!($type), "`, once.")]
            #[inline(always)]
            pub fn $write(&self, offset: usize, value: $type) {
                let item = self.at::<$type>(offset);
                #[cfg(target_family = "wasm")]
                // SAFETY: `at` gives an aligned address inside the memory.
                unsafe {
                    item.write_volatile(value)
                };
                #[cfg(not(target_family = "wasm"))]
                // SAFETY: as above; atomics may be shared by threads.
                unsafe { <$atomic>::from_ptr(item) }.store(value, Ordering::Relaxed);
            }
        }
    };
}

plain_access!(read_u8, write_u8, u8, core::sync::atomic::AtomicU8);
plain_access!(read_u16, write_u16, u16, AtomicU16);
plain_access!(read_u32, write_u32, u32, core::sync::atomic::AtomicU32);
plain_access!(read_u64, write_u64, u64, core::sync::atomic::AtomicU64);
