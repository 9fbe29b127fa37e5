//! The core's `Memory`, by its names, on whatever stands behind it here.

use std::fmt;

/// A range of a [`Memory`] in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
}

/// What stands behind a [`Memory`].
pub trait Backing {
    /// Bytes.
    fn len(&self) -> usize;
    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Reads 1, 2, 4 or 8 bytes.
    fn read(&self, offset: usize, width: usize) -> u64;
    /// Writes 1, 2, 4 or 8 bytes.
    fn write(&self, offset: usize, width: usize, value: u64);
    /// Looks at an `idx`.
    fn load_idx(&self, offset: usize) -> u16;
    /// Publishes an `idx`.
    fn publish_idx(&self, offset: usize, value: u16);
    /// Copies.
    fn copy(&self, target: usize, source: usize, len: usize);
    /// Fills.
    fn fill(&self, offset: usize, value: u8, len: usize);
}

/// The memory that the core works on.
#[derive(Clone, Copy)]
pub struct Memory {
    backing: *const dyn Backing,
}

impl fmt::Debug for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Memory")
    }
}

/// The accesses of one width.
macro_rules! plain_access {
    ($read:ident, $write:ident, $type:ty) => {
        #[doc = concat!("Reads one aligned `", stringify!($type), "`.")]
        pub fn $read(&self, offset: usize) -> $type {
            self.backing(offset, size_of::<$type>()).read(offset, size_of::<$type>()) as $type
        }

        #[doc = concat!("Writes one aligned `", stringify!($type), "`.")]
        pub fn $write(&self, offset: usize, value: $type) {
            let width = size_of::<$type>();
            self.backing(offset, width).write(offset, width, u64::from(value));
        }
    };
}

impl Memory {
    /// # Safety
    ///
    /// `backing` lives for as long as the value or a copy of it is used.
    pub const unsafe fn new(backing: *const dyn Backing) -> Self {
        Self { backing }
    }

    /// As the core's.
    pub fn contains(&self, offset: usize, len: usize) -> bool {
        let bytes = self.whole().len();
        offset <= bytes && len <= bytes - offset
    }

    plain_access!(read_u8, write_u8, u8);
    plain_access!(read_u16, write_u16, u16);
    plain_access!(read_u32, write_u32, u32);
    plain_access!(read_u64, write_u64, u64);

    /// Looks at a ring's `idx`.
    pub fn load_idx(&self, offset: usize) -> u16 {
        self.backing(offset, 2).load_idx(offset)
    }

    /// Publishes a ring's `idx`.
    pub fn publish_idx(&self, offset: usize, value: u16) {
        self.backing(offset, 2).publish_idx(offset, value);
    }

    /// Bulk copy.
    pub fn copy(&self, target: usize, source: usize, len: usize) {
        assert!(self.contains(target, len) && self.contains(source, len));
        self.whole().copy(target, source, len);
    }

    /// Copy word by word.
    pub fn copy_words(&self, target: usize, source: usize, len: usize) {
        self.copy(target, source, len);
    }

    /// Sets every byte of a range.
    pub fn fill(&self, offset: usize, value: u8, len: usize) {
        assert!(self.contains(offset, len));
        self.whole().fill(offset, value, len);
    }

    fn backing(&self, offset: usize, width: usize) -> &dyn Backing {
        assert!(offset.is_multiple_of(width) && self.contains(offset, width));
        self.whole()
    }

    fn whole(&self) -> &dyn Backing {
        // SAFETY: `new`'s caller keeps it alive.
        unsafe { &*self.backing }
    }
}
