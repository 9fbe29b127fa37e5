//! DMA: which host memory an endpoint reaches, and the two ways to move bytes.

use crate::memory::{Memory, Range};

/// Bytes of a page of host memory, the grain of the IOMMU.
const PAGE_BYTES: usize = crate::records::memory::HOST_PAGE_BYTES as usize;

/// The host memory that an endpoint reaches: all of it, or with an IOMMU the
/// pages that the RC has mapped.
///
/// The IOMMU's table has one `u32` for each page of host memory, which counts
/// the mappings of that page. The RC counts up before it publishes a descriptor,
/// and down after it took the completion; the ring's ordering covers both.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    host: Range,
    iommu_table: Option<usize>,
}

impl Window {
    /// The window over `host`, with the IOMMU's table at an offset, if there is one.
    pub const fn new(host: Range, iommu_table: Option<usize>) -> Self {
        Self { host, iommu_table }
    }

    /// The offset in the memory of `len` bytes from a bus address on, if all of
    /// them may be reached.
    #[inline(always)]
    pub fn translate(&self, memory: &Memory, address: u64, len: u32) -> Option<usize> {
        // Written as differences: address + len could overflow.
        let offset = address.checked_sub(self.host.offset as u64)?;
        let host_len = self.host.len as u64;
        if u64::from(len) > host_len || offset > host_len - u64::from(len) {
            return None;
        }
        if let Some(table) = self.iommu_table {
            // offset + len <= host.len, so the pages are pages of host memory.
            let first = offset as usize / PAGE_BYTES;
            let end = (offset as usize + len as usize).div_ceil(PAGE_BYTES);
            for page in first..end {
                if memory.read_u32(table + page * 4) == 0 {
                    return None;
                }
            }
        }
        Some(address as usize)
    }
}

/// How an endpoint moves data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// By a DMA engine: one bulk copy.
    Dma,
    /// By the processor, word by word.
    Pio,
}

impl Transfer {
    /// Moves bytes between two ranges, which the caller checked.
    #[inline(always)]
    pub fn copy(self, memory: &Memory, target: usize, source: usize, len: usize) {
        match self {
            Self::Dma => memory.copy(target, source, len),
            Self::Pio => memory.copy_words(target, source, len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_memory::TestMemory;

    const HOST: Range = Range { offset: 8192, len: 4 * PAGE_BYTES };
    const TABLE: usize = 1024;

    #[test]
    fn without_an_iommu_all_of_host_memory_and_nothing_else_is_reached() {
        let bytes = TestMemory::new(32768);
        let memory = bytes.memory();
        let window = Window::new(HOST, None);
        assert_eq!(window.translate(&memory, 8192, 4 * 4096), Some(8192));
        assert_eq!(window.translate(&memory, 8192 + 4 * 4096 - 512, 512), Some(24064));
        for (address, len) in [
            (8191, 512),
            (0, 512),
            (8192, 4 * 4096 + 1),
            (8192 + 4 * 4096 - 511, 512),
            (u64::MAX, 1),
            (u64::MAX - 510, 512),
            (1 << 32 | 8192, 512),
            (8192, u32::MAX),
        ] {
            assert_eq!(window.translate(&memory, address, len), None, "{address:#x} {len}");
        }
    }

    #[test]
    fn with_an_iommu_only_mapped_pages_are_reached() {
        let bytes = TestMemory::new(32768);
        let memory = bytes.memory();
        let window = Window::new(HOST, Some(TABLE));
        assert_eq!(window.translate(&memory, 8192, 512), None);
        memory.write_u32(TABLE + 4, 1);
        memory.write_u32(TABLE + 8, 2);
        assert_eq!(window.translate(&memory, 8192 + 4096, 8192), Some(12288));
        assert_eq!(window.translate(&memory, 8192 + 4095, 512), None, "straddles the first page");
        assert_eq!(window.translate(&memory, 8192 + 3 * 4096 - 1, 2), None, "straddles the last");
        assert_eq!(window.translate(&memory, 8192 + 3 * 4096 - 1, 1), Some(20479));
    }

    #[test]
    fn both_transfers_copy_the_same_bytes_and_no_other() {
        for transfer in [Transfer::Dma, Transfer::Pio] {
            for len in [0, 1, 3, 4, 5, 511, 512, 1024] {
                let bytes = TestMemory::new(4096);
                let memory = bytes.memory();
                for index in 0..len {
                    memory.write_u8(index, index as u8 | 1);
                }
                transfer.copy(&memory, 2049, 0, len);
                for index in 0..2047 {
                    let expected = if index < len { index as u8 | 1 } else { 0 };
                    assert_eq!(
                        memory.read_u8(2049 + index),
                        expected,
                        "{transfer:?} {len} {index}"
                    );
                }
                assert_eq!(memory.read_u8(2048), 0);
            }
        }
    }
}
