//! A descriptor's stages, each a type: the bytes as the other side wrote them
//! ([`Descriptor`]), copied once; and the request they turned out to be
//! ([`Request`]), which only the check makes.

pub use crate::abi::Descriptor;
use crate::abi::{blk_status, descriptor_flag, limits, operation};
use crate::dma::Window;
use crate::memory::Memory;
use crate::records::RequestRecord;

#[cfg(target_endian = "big")]
compile_error!("the protocol is little-endian, and the core reads its words as they are");

const SECTOR_BYTES: u32 = limits::SECTOR_BYTES as u32;
const STATUS_OFFSET: usize = core::mem::offset_of!(Descriptor, status);

impl Descriptor {
    /// Copies the descriptor at `offset`: three loads, and shared memory is not
    /// looked at again (protocol, section 4, fault 4).
    #[inline(always)]
    pub fn read(memory: &Memory, offset: usize) -> Self {
        let rest = memory.read_u64(offset + 16);
        Self {
            s_sector: memory.read_u64(offset),
            addr: memory.read_u64(offset + 8),
            len: rest as u32,
            opf: (rest >> 32) as u8,
            status: (rest >> 40) as u8,
            flags: (rest >> 48) as u8,
            reserved: (rest >> 56) as u8,
        }
    }

    /// Writes the descriptor at `offset`: three stores.
    #[inline(always)]
    pub fn write(&self, memory: &Memory, offset: usize) {
        memory.write_u64(offset, self.s_sector);
        memory.write_u64(offset + 8, self.addr);
        let rest = u64::from(self.len)
            | u64::from(self.opf) << 32
            | u64::from(self.status) << 40
            | u64::from(self.flags) << 48
            | u64::from(self.reserved) << 56;
        memory.write_u64(offset + 16, rest);
    }

    /// The descriptor of a record.
    #[inline(always)]
    pub fn of(record: &RequestRecord) -> Self {
        Self {
            s_sector: u64::from(record.start_sector_high) << 32
                | u64::from(record.start_sector_low),
            addr: u64::from(record.address),
            len: record.len_bytes,
            opf: record.opf as u8,
            status: record.status as u8,
            flags: record.flags as u8,
            reserved: 0,
        }
    }

    /// The record of a descriptor, marked with `tag`. An address beyond 32 bits
    /// is beyond every bus, and is cut: only a checked address may be used.
    #[inline(always)]
    pub fn record(&self, tag: u32) -> RequestRecord {
        RequestRecord {
            start_sector_low: self.s_sector as u32,
            start_sector_high: (self.s_sector >> 32) as u32,
            address: self.addr as u32,
            len_bytes: self.len,
            opf: u32::from(self.opf),
            tag,
            flags: u32::from(self.flags),
            status: u32::from(self.status),
        }
    }

    /// Reads the result of the descriptor at `offset`, which is in use; `None` if it is not.
    #[inline(always)]
    pub fn read_result(memory: &Memory, offset: usize) -> Option<u8> {
        let rest = memory.read_u64(offset + 16);
        let flags = (rest >> 48) as u8;
        if flags & descriptor_flag::IN_USE == 0 { None } else { Some((rest >> 40) as u8) }
    }

    /// Writes the result of the descriptor at `offset`.
    #[inline(always)]
    pub fn write_status(memory: &Memory, offset: usize, status: u8) {
        memory.write_u8(offset + STATUS_OFFSET, status);
    }

    /// Clears the descriptor at `offset`.
    #[inline(always)]
    pub fn clear(memory: &Memory, offset: usize) {
        for word in 0..3 {
            memory.write_u64(offset + word * 8, 0);
        }
    }
}

/// What a device queue takes a descriptor for: the disc behind it, and the
/// memory that it may reach.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sectors of the disc.
    pub num_sectors: u64,
    /// Most bytes of one transfer.
    pub max_len: u32,
    /// Whether writes are refused.
    pub read_only: bool,
    /// The host memory that may be reached.
    pub window: Window,
}

/// A request that passed every check. All its fields are in range; only
/// [`Limits::check`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    start_sector: u64,
    address: usize,
    len_bytes: u32,
    write: bool,
}

impl Limits {
    /// Makes a request of a descriptor, or gives the status that answers it
    /// (protocol, section 4, faults 2, 3 and 5).
    #[inline(always)]
    pub fn check(&self, memory: &Memory, descriptor: &Descriptor) -> Result<Request, u8> {
        let len = descriptor.len;
        if descriptor.flags & descriptor_flag::IN_USE == 0
            || len == 0
            || !len.is_multiple_of(SECTOR_BYTES)
            || len > self.max_len
        {
            return Err(blk_status::INVAL);
        }
        let write = match descriptor.opf {
            operation::READ => false,
            operation::WRITE => true,
            _ => return Err(blk_status::NOTSUPP),
        };
        // Written as differences: s_sector + sectors could overflow.
        let sectors = u64::from(len / SECTOR_BYTES);
        if sectors > self.num_sectors || descriptor.s_sector > self.num_sectors - sectors {
            return Err(blk_status::INVAL);
        }
        if write && self.read_only {
            return Err(blk_status::PROTECTION);
        }
        match self.window.translate(memory, descriptor.addr, len) {
            Some(address) => {
                Ok(Request { start_sector: descriptor.s_sector, address, len_bytes: len, write })
            }
            None => Err(blk_status::INVAL),
        }
    }
}

impl Request {
    /// First sector.
    #[inline(always)]
    pub const fn start_sector(&self) -> u64 {
        self.start_sector
    }

    /// Offset of the data in the memory.
    #[inline(always)]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// Bytes.
    #[inline(always)]
    pub const fn len_bytes(&self) -> u32 {
        self.len_bytes
    }

    /// The record of the request, marked with `tag`.
    #[inline(always)]
    pub fn record(&self, tag: u32) -> RequestRecord {
        RequestRecord {
            start_sector_low: self.start_sector as u32,
            start_sector_high: (self.start_sector >> 32) as u32,
            // Inside the memory, and a memory on which records are used has 32-bit offsets.
            address: self.address as u32,
            len_bytes: self.len_bytes,
            opf: u32::from(if self.write { operation::WRITE } else { operation::READ }),
            tag,
            flags: 0,
            status: 0,
        }
    }

    /// Whether data goes to the disc.
    #[inline(always)]
    pub const fn is_write(&self) -> bool {
        self.write
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Range;
    use crate::test_memory::TestMemory;

    const READ_4K: Descriptor = Descriptor {
        s_sector: 8,
        addr: 4096,
        len: 4096,
        opf: operation::READ,
        status: 0,
        flags: descriptor_flag::IN_USE,
        reserved: 0,
    };

    fn limits() -> Limits {
        Limits {
            num_sectors: 1024,
            max_len: 65536,
            read_only: false,
            window: Window::new(Range { offset: 4096, len: 65536 }, None),
        }
    }

    fn check(descriptor: Descriptor) -> Result<Request, u8> {
        limits().check(&TestMemory::new(128 * 1024).memory(), &descriptor)
    }

    #[test]
    fn the_bytes_of_a_descriptor_are_those_of_the_protocol() {
        let bytes = TestMemory::new(64);
        let memory = bytes.memory();
        let descriptor = Descriptor {
            s_sector: 0x0807_0605_0403_0201,
            addr: 0x100f_0e0d_0c0b_0a09,
            len: 0x1413_1211,
            opf: 0x15,
            status: 0x16,
            flags: 0x17,
            reserved: 0x18,
        };
        descriptor.write(&memory, 8);
        for index in 0..24 {
            assert_eq!(memory.read_u8(8 + index), index as u8 + 1);
        }
        assert_eq!(Descriptor::read(&memory, 8), descriptor);
        Descriptor::write_status(&memory, 8, 0xee);
        assert_eq!(Descriptor::read(&memory, 8).status, 0xee);
        assert_eq!(Descriptor::read_result(&memory, 8), Some(0xee));
        Descriptor::clear(&memory, 8);
        assert_eq!(Descriptor::read_result(&memory, 8), None);
        for index in 0..64 {
            assert_eq!(memory.read_u8(index), 0);
        }
    }

    #[test]
    fn a_good_descriptor_becomes_a_request() {
        let request = check(READ_4K).expect("a request");
        assert_eq!(
            (request.start_sector(), request.address(), request.len_bytes()),
            (8, 4096, 4096)
        );
        assert!(!request.is_write());
        let last = Descriptor { s_sector: 1016, opf: operation::WRITE, ..READ_4K };
        assert!(check(last).expect("a request").is_write());
        assert!(check(Descriptor { len: 65536, ..READ_4K }).is_ok(), "the whole window");
    }

    #[test]
    fn every_field_out_of_range_has_its_status() {
        let bad = [
            (Descriptor { flags: 0, ..READ_4K }, blk_status::INVAL),
            (Descriptor { flags: 0xfd, ..READ_4K }, blk_status::INVAL),
            (Descriptor { len: 0, ..READ_4K }, blk_status::INVAL),
            (Descriptor { len: 511, ..READ_4K }, blk_status::INVAL),
            (Descriptor { len: 65536 + 512, ..READ_4K }, blk_status::INVAL),
            (Descriptor { len: u32::MAX, ..READ_4K }, blk_status::INVAL),
            (Descriptor { len: u32::MAX - 511, ..READ_4K }, blk_status::INVAL),
            (Descriptor { opf: 2, ..READ_4K }, blk_status::NOTSUPP),
            (Descriptor { opf: 255, ..READ_4K }, blk_status::NOTSUPP),
            (Descriptor { s_sector: 1017, ..READ_4K }, blk_status::INVAL),
            (Descriptor { s_sector: 1024, ..READ_4K }, blk_status::INVAL),
            (Descriptor { s_sector: u64::MAX, ..READ_4K }, blk_status::INVAL),
            (Descriptor { s_sector: u64::MAX - 7, ..READ_4K }, blk_status::INVAL),
            (Descriptor { addr: 4095, ..READ_4K }, blk_status::INVAL),
            (Descriptor { addr: 65537, ..READ_4K }, blk_status::INVAL),
            (Descriptor { addr: 4096 + 65536, ..READ_4K }, blk_status::INVAL),
            (Descriptor { addr: u64::MAX, ..READ_4K }, blk_status::INVAL),
            (Descriptor { addr: u64::MAX - 4095, ..READ_4K }, blk_status::INVAL),
            (Descriptor { addr: (1 << 32) + 4096, ..READ_4K }, blk_status::INVAL),
        ];
        for (descriptor, status) in bad {
            assert_eq!(check(descriptor), Err(status), "{descriptor:?}");
        }
    }

    #[test]
    fn a_write_to_a_read_only_disc_is_refused() {
        let limits = Limits { read_only: true, ..limits() };
        let bytes = TestMemory::new(128 * 1024);
        let write = Descriptor { opf: operation::WRITE, ..READ_4K };
        assert_eq!(limits.check(&bytes.memory(), &write), Err(blk_status::PROTECTION));
        assert!(limits.check(&bytes.memory(), &READ_4K).is_ok());
    }

    #[test]
    fn a_disc_smaller_than_the_request_is_no_underflow() {
        let limits = Limits { num_sectors: 4, ..limits() };
        let bytes = TestMemory::new(128 * 1024);
        for s_sector in [0, 1, u64::MAX] {
            let descriptor = Descriptor { s_sector, ..READ_4K };
            assert_eq!(limits.check(&bytes.memory(), &descriptor), Err(blk_status::INVAL));
        }
    }
}
