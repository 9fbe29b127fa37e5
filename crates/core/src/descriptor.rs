//! A descriptor's stages, each a type: the bytes as the other side wrote them
//! ([`Descriptor`]), copied once; and the request they turned out to be
//! ([`Request`]), which only the check makes.

pub use crate::abi::Descriptor;
use crate::abi::{blk_status, descriptor_flag, feature, limits, operation};
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
    /// Whether whatever changes the disc is refused.
    pub read_only: bool,
    /// What is enabled on the queue, of `feature`.
    pub features: u32,
    /// The host memory that may be reached.
    pub window: Window,
}

/// What a request asks for. The values are those of `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// From the disc to the RC's memory.
    Read = operation::READ,
    /// From the RC's memory to the disc.
    Write = operation::WRITE,
    /// The data of completed writes is on stable storage.
    Flush = operation::FLUSH,
    /// The sectors' data is not needed any more.
    Discard = operation::DISCARD,
    /// The sectors read as zeros.
    WriteZeroes = operation::WRITE_ZEROES,
}

/// A request that passed every check. All its fields are in range; only
/// [`Limits::check`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    start_sector: u64,
    address: usize,
    len_bytes: u32,
    operation: Operation,
    fua: bool,
}

/// What a device queue remembers of a request until it is answered, in one word that is never 0:
/// the length, a multiple of a sector, and in the bits below it the operation and a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work(u32);

const WORK_MARK: u32 = 1 << 8;
const _: () = assert!(WORK_MARK > u8::MAX as u32 && WORK_MARK < SECTOR_BYTES);

impl Work {
    /// The work of a word that `word` gave; `None` if it is 0.
    #[inline(always)]
    pub const fn of(word: u32) -> Option<Self> {
        if word == 0 { None } else { Some(Self(word)) }
    }

    /// The word.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// One of `operation`.
    #[inline(always)]
    pub const fn opf(self) -> u8 {
        self.0 as u8
    }

    /// Bytes.
    #[inline(always)]
    pub const fn len_bytes(self) -> u32 {
        self.0 & !(SECTOR_BYTES - 1)
    }
}

impl Limits {
    /// Makes a request of a descriptor, or gives the status that answers it
    /// (protocol, section 4, faults 2, 3 and 5). What an operation has no use for is
    /// not looked at, and is 0 in the request.
    #[inline(always)]
    pub fn check(&self, memory: &Memory, descriptor: &Descriptor) -> Result<Request, u8> {
        if descriptor.flags & descriptor_flag::IN_USE == 0 {
            return Err(blk_status::INVAL);
        }
        let fua =
            descriptor.opf == operation::WRITE && descriptor.flags & descriptor_flag::FUA != 0;
        let (operation, needed) = match descriptor.opf {
            operation::READ => (Operation::Read, 0),
            // Refused without the feature: a FUA that nobody heeds loses data silently.
            operation::WRITE => (Operation::Write, if fua { feature::FUA } else { 0 }),
            operation::FLUSH => (Operation::Flush, feature::FLUSH),
            operation::DISCARD => (Operation::Discard, feature::DISCARD),
            operation::WRITE_ZEROES => (Operation::WriteZeroes, feature::WRITE_ZEROES),
            _ => return Err(blk_status::NOTSUPP),
        };
        if self.features & needed != needed {
            return Err(blk_status::NOTSUPP);
        }
        let len = descriptor.len;
        if operation == Operation::Flush {
            let flush = Request { start_sector: 0, address: 0, len_bytes: 0, operation, fua };
            return if len == 0 { Ok(flush) } else { Err(blk_status::INVAL) };
        }
        if len == 0 || !len.is_multiple_of(SECTOR_BYTES) || len > self.max_len {
            return Err(blk_status::INVAL);
        }
        // Written as differences: s_sector + sectors could overflow.
        let sectors = u64::from(len / SECTOR_BYTES);
        if sectors > self.num_sectors || descriptor.s_sector > self.num_sectors - sectors {
            return Err(blk_status::INVAL);
        }
        if operation != Operation::Read && self.read_only {
            return Err(blk_status::PROTECTION);
        }
        let address = match operation {
            Operation::Read | Operation::Write => {
                self.window.translate(memory, descriptor.addr, len).ok_or(blk_status::INVAL)?
            }
            _ => 0,
        };
        Ok(Request { start_sector: descriptor.s_sector, address, len_bytes: len, operation, fua })
    }
}

impl Request {
    /// First sector.
    #[inline(always)]
    pub const fn start_sector(&self) -> u64 {
        self.start_sector
    }

    /// Offset of the data in the memory, 0 where no data moves.
    #[inline(always)]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// Bytes.
    #[inline(always)]
    pub const fn len_bytes(&self) -> u32 {
        self.len_bytes
    }

    /// What is to be remembered of the request until it is answered.
    #[inline(always)]
    pub const fn work(&self) -> Work {
        Work(self.len_bytes | WORK_MARK | self.operation as u32)
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
            opf: self.operation as u32,
            tag,
            flags: if self.fua { u32::from(descriptor_flag::FUA) } else { 0 },
            status: 0,
        }
    }

    /// What is asked for.
    #[inline(always)]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Whether it is a write whose data is on stable storage when it completes.
    #[inline(always)]
    pub const fn fua(&self) -> bool {
        self.fua
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
            features: 0,
            window: Window::new(Range { offset: 4096, len: 65536 }, None),
        }
    }

    const ALL_FEATURES: u32 =
        feature::FLUSH | feature::DISCARD | feature::WRITE_ZEROES | feature::FUA;
    const FUA: u8 = descriptor_flag::IN_USE | descriptor_flag::FUA;
    const FLUSH: Descriptor =
        Descriptor { s_sector: 0, addr: 0, len: 0, opf: operation::FLUSH, ..READ_4K };

    fn check(descriptor: Descriptor) -> Result<Request, u8> {
        check_with(limits(), descriptor)
    }

    fn check_with(limits: Limits, descriptor: Descriptor) -> Result<Request, u8> {
        limits.check(&TestMemory::new(128 * 1024).memory(), &descriptor)
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
        assert_eq!((request.operation(), request.fua()), (Operation::Read, false));
        let last = Descriptor { s_sector: 1016, opf: operation::WRITE, ..READ_4K };
        assert_eq!(check(last).expect("a request").operation(), Operation::Write);
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
    fn an_operation_takes_its_own_feature_and_no_other() {
        let zeroes = Descriptor { addr: u64::MAX, ..READ_4K };
        let taken = [
            (Descriptor { opf: operation::FLUSH, ..FLUSH }, feature::FLUSH, Operation::Flush),
            (
                Descriptor { opf: operation::DISCARD, ..zeroes },
                feature::DISCARD,
                Operation::Discard,
            ),
            (
                Descriptor { opf: operation::WRITE_ZEROES, ..zeroes },
                feature::WRITE_ZEROES,
                Operation::WriteZeroes,
            ),
            (
                Descriptor { opf: operation::WRITE, flags: FUA, ..READ_4K },
                feature::FUA,
                Operation::Write,
            ),
        ];
        for (descriptor, features, operation) in taken {
            let with = |features| check_with(Limits { features, ..limits() }, descriptor);
            let request = with(features).expect("a request");
            assert_eq!(request.operation(), operation);
            assert_eq!(request.fua(), operation == Operation::Write);
            assert_eq!(with(!features), Err(blk_status::NOTSUPP), "{operation:?}");
            let record = request.record(3);
            assert_eq!(record.opf, u32::from(descriptor.opf));
            assert_eq!(record.flags, if request.fua() { 4 } else { 0 });
        }
    }

    #[test]
    fn fua_on_anything_but_a_write_is_ignored() {
        let limits = Limits { features: ALL_FEATURES & !feature::FUA, ..limits() };
        for descriptor in [
            READ_4K,
            FLUSH,
            Descriptor { opf: operation::DISCARD, ..READ_4K },
            Descriptor { opf: operation::WRITE_ZEROES, ..READ_4K },
        ] {
            let request = check_with(limits, Descriptor { flags: FUA, ..descriptor });
            assert_eq!(request, check_with(limits, descriptor));
            let request = request.expect("a request");
            assert_eq!((request.fua(), request.record(0).flags), (false, 0));
        }
    }

    #[test]
    fn a_flush_has_no_length_and_nothing_else_is_looked_at() {
        let limits = Limits { num_sectors: 0, features: ALL_FEATURES, read_only: true, ..limits() };
        let flush = Descriptor { s_sector: u64::MAX, addr: u64::MAX, ..FLUSH };
        let request = check_with(limits, flush).expect("a request");
        assert_eq!((request.start_sector(), request.address(), request.len_bytes()), (0, 0, 0));
        for len in [1, 512, u32::MAX] {
            let flush = Descriptor { len, ..FLUSH };
            assert_eq!(check_with(limits, flush), Err(blk_status::INVAL));
        }
    }

    #[test]
    fn operations_without_data_are_checked_for_all_but_their_address() {
        let limits = Limits { features: ALL_FEATURES, ..limits() };
        for opf in [operation::DISCARD, operation::WRITE_ZEROES] {
            let good = Descriptor { opf, addr: u64::MAX, ..READ_4K };
            let request = check_with(limits, good).expect("a request");
            assert_eq!(
                (request.start_sector(), request.address(), request.len_bytes()),
                (8, 0, 4096)
            );
            for bad in [
                Descriptor { flags: descriptor_flag::FUA, ..good },
                Descriptor { len: 0, ..good },
                Descriptor { len: 513, ..good },
                Descriptor { len: 65536 + 512, ..good },
                Descriptor { s_sector: 1017, ..good },
                Descriptor { s_sector: u64::MAX, ..good },
            ] {
                assert_eq!(check_with(limits, bad), Err(blk_status::INVAL), "{bad:?}");
            }
        }
    }

    #[test]
    fn the_first_rule_that_is_broken_gives_the_status() {
        let limits = Limits { read_only: true, ..limits() };
        // Breaks every rule; then one less each time, from the first on.
        let mut descriptor =
            Descriptor { s_sector: 1024, addr: 0, len: 1, opf: 9, flags: 0, ..READ_4K };
        let mut expect = |status, repair: fn(&mut Descriptor)| {
            assert_eq!(check_with(limits, descriptor), Err(status), "{descriptor:?}");
            repair(&mut descriptor);
        };
        expect(blk_status::INVAL, |it| it.flags = FUA);
        expect(blk_status::NOTSUPP, |it| it.opf = operation::WRITE);
        expect(blk_status::NOTSUPP, |it| it.flags = descriptor_flag::IN_USE);
        expect(blk_status::INVAL, |it| it.len = 512);
        expect(blk_status::INVAL, |it| it.s_sector = 1023);
        expect(blk_status::PROTECTION, |it| it.opf = operation::READ);
        expect(blk_status::INVAL, |it| it.addr = 4096);
        assert!(check_with(limits, descriptor).is_ok());
    }

    #[test]
    fn whatever_changes_a_read_only_disc_is_refused() {
        let limits = Limits { read_only: true, features: ALL_FEATURES, ..limits() };
        for opf in [operation::WRITE, operation::DISCARD, operation::WRITE_ZEROES] {
            let descriptor = Descriptor { opf, ..READ_4K };
            assert_eq!(check_with(limits, descriptor), Err(blk_status::PROTECTION));
        }
        assert!(check_with(limits, READ_4K).is_ok());
        assert!(check_with(limits, FLUSH).is_ok());
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
