//! A second opinion of the protocol: what sections 3 to 5 of `docs/protocol.md` say, as plainly as it can be
//! written, with numbers so wide that nothing overflows. It shares no code with the core but its constants.

use crate::bus::{DISC, IOMMU_TABLE, Place, QUEUE};
use crate::shadow::{Fields, Shadow};
use blockpt_core::abi::{blk_status, feature, limits, operation};
use blockpt_core::ring::Fault;

/// What descriptors are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Sectors of the disc.
    pub num_sectors: u64,
    /// Most bytes of one transfer.
    pub max_len: u32,
    /// Whether the disc is read-only.
    pub read_only: bool,
    /// What is enabled.
    pub features: u32,
    /// Host memory: first byte and length.
    pub host: (u64, u64),
}

/// The table of section 3, line by line. `mapped` says whether a byte of host memory is, counted from its start.
pub fn status_of(fields: &Fields, rules: &Rules, mapped: impl Fn(u64) -> bool) -> u8 {
    let has = |bit: u32| rules.features & bit != 0;
    let wants_fua = fields.opf == operation::WRITE && fields.flags & 4 != 0;
    let moves = fields.opf == operation::READ || fields.opf == operation::WRITE;
    let enabled = match fields.opf {
        operation::READ => true,
        operation::WRITE => !wants_fua || has(feature::FUA),
        operation::FLUSH => has(feature::FLUSH),
        operation::DISCARD => has(feature::DISCARD),
        operation::WRITE_ZEROES => has(feature::WRITE_ZEROES),
        _ => false,
    };
    let (len, sector) = (u128::from(fields.len), u128::from(fields.sector));
    if fields.flags & 2 == 0 {
        blk_status::INVAL
    } else if !enabled {
        blk_status::NOTSUPP
    } else if fields.opf == operation::FLUSH {
        if len == 0 { blk_status::OK } else { blk_status::INVAL }
    } else if len == 0
        || len % 512 != 0
        || len > u128::from(rules.max_len)
        || sector + len / 512 > u128::from(rules.num_sectors)
    {
        blk_status::INVAL
    } else if fields.opf != operation::READ && rules.read_only {
        blk_status::PROTECTION
    } else if moves && !reaches(fields, rules, mapped) {
        blk_status::INVAL
    } else {
        blk_status::OK
    }
}

fn reaches(fields: &Fields, rules: &Rules, mapped: impl Fn(u64) -> bool) -> bool {
    let (start, len) = (u128::from(rules.host.0), u128::from(rules.host.1));
    let (first, end) =
        (u128::from(fields.address), u128::from(fields.address) + u128::from(fields.len));
    if first < start || end > start + len {
        return false;
    }
    let page = |at: u128| ((at - start) / 4096) as u64;
    (page(first)..=page(end - 1)).all(|it| mapped(it * 4096))
}

/// What is remembered of a request in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InService {
    opf: u8,
    len: u32,
}

/// The device's end.
pub struct ReferenceDevice {
    place: Place,
    /// What descriptors are checked against.
    pub rules: Rules,
    iommu: bool,
    driver_position: u32,
    device_position: u32,
    /// By descriptor.
    in_service: Vec<Option<InService>>,
    fault: Option<Fault>,
    unpublished: bool,
    /// Completions, modulo 2^32.
    pub completed: u32,
    /// In the order of `Counters`.
    pub counters: [u64; 7],
}

impl ReferenceDevice {
    /// At the start of both rings.
    pub fn new(place: Place, rules: Rules, iommu: bool) -> Self {
        let in_service = vec![None; place.num_desc as usize];
        Self {
            place,
            rules,
            iommu,
            driver_position: 0,
            device_position: 0,
            in_service,
            fault: None,
            unpublished: false,
            completed: 0,
            counters: [0; 7],
        }
    }

    /// Takes up to `most` entries; good ones go to `serve`. Says how many, of which so many were good.
    pub fn take(
        &mut self,
        shadow: &mut Shadow,
        most: u32,
        mut serve: impl FnMut(&mut Self, &mut Shadow, u32, Fields),
    ) -> Result<u32, Fault> {
        let mut taken = 0;
        if self.fault.is_none() {
            self.fault = self.take_each(shadow, most, &mut taken, &mut serve).err();
            shadow.set(self.place.device_ring, 2, u64::from(self.device_position_or_kept(shadow)));
        }
        match self.fault {
            Some(fault) if taken == 0 => Err(fault),
            _ => Ok(taken),
        }
    }

    /// The `idx` is written only when something was completed since.
    fn device_position_or_kept(&mut self, shadow: &Shadow) -> u16 {
        if std::mem::take(&mut self.unpublished) {
            self.device_position as u16
        } else {
            shadow.get(self.place.device_ring, 2) as u16
        }
    }

    fn take_each(
        &mut self,
        shadow: &mut Shadow,
        most: u32,
        taken: &mut u32,
        serve: &mut impl FnMut(&mut Self, &mut Shadow, u32, Fields),
    ) -> Result<(), Fault> {
        let head = shadow.get(self.place.driver_ring, 2) as u32;
        if head >= self.place.num_desc {
            return Err(Fault::RingIndex);
        }
        while self.driver_position != head && *taken < most {
            let entry = self.place.driver_ring + 2 + 2 * self.driver_position as usize;
            let index = shadow.get(entry, 2) as u32;
            self.driver_position = (self.driver_position + 1) % self.place.num_desc;
            if index >= self.place.num_desc {
                return Err(Fault::DescriptorIndex);
            }
            if self.in_service[index as usize].is_some() {
                return Err(Fault::DescriptorState);
            }
            let fields = Fields::at(shadow, QUEUE + index as usize * 24);
            let mapped =
                |at: u64| !self.iommu || shadow.get(IOMMU_TABLE + (at / 4096) as usize * 4, 4) != 0;
            match status_of(&fields, &self.rules, mapped) {
                blk_status::OK => serve(self, shadow, index, fields),
                status => self.complete_one(shadow, index, None, status),
            }
            *taken += 1;
        }
        Ok(())
    }

    /// Keeps a request that is handed out.
    pub fn keep(&mut self, index: u32, fields: &Fields) {
        self.in_service[index as usize] = Some(InService { opf: fields.opf, len: fields.len });
    }

    /// Does a request on the disc, and answers it.
    pub fn perform(&mut self, shadow: &mut Shadow, index: u32, fields: &Fields, moves: bool) {
        if moves && fields.opf != operation::FLUSH {
            let len = fields.len as usize;
            let sectors = DISC.offset + fields.sector as usize * limits::SECTOR_BYTES as usize;
            let address = fields.address as usize;
            match fields.opf {
                operation::READ => shadow.bytes.copy_within(sectors..sectors + len, address),
                operation::WRITE => shadow.bytes.copy_within(address..address + len, sectors),
                _ => shadow.bytes[sectors..sectors + len].fill(0),
            }
        }
        let work = InService { opf: fields.opf, len: fields.len };
        self.complete_one(shadow, index, Some(work), blk_status::OK);
    }

    /// Answers one that was handed out.
    pub fn complete(&mut self, shadow: &mut Shadow, index: u32, status: u8) {
        let work = self.in_service[index as usize].take();
        assert!(work.is_some(), "the harness completes only what is in service");
        self.complete_one(shadow, index, work, status);
    }

    /// Publishes what was completed.
    pub fn publish(&mut self, shadow: &mut Shadow) {
        let idx = self.device_position_or_kept(shadow);
        shadow.set(self.place.device_ring, 2, u64::from(idx));
    }

    fn complete_one(
        &mut self,
        shadow: &mut Shadow,
        index: u32,
        work: Option<InService>,
        status: u8,
    ) {
        match work {
            Some(InService { opf, len }) if status == blk_status::OK => {
                let (count, bytes) = match opf {
                    operation::READ => (0, Some(4)),
                    operation::WRITE => (1, Some(5)),
                    operation::FLUSH => (2, None),
                    _ => (3, None),
                };
                self.counters[count] += 1;
                if let Some(bytes) = bytes {
                    self.counters[bytes] += u64::from(len);
                }
            }
            _ => self.counters[6] += 1,
        }
        shadow.bytes[QUEUE + index as usize * 24 + 21] = status;
        let entry = self.place.device_ring + 2 + 2 * self.device_position as usize;
        shadow.set(entry, 2, u64::from(index));
        self.device_position = (self.device_position + 1) % self.place.num_desc;
        self.completed = self.completed.wrapping_add(1);
        self.unpublished = true;
    }
}

/// The fields of a request that is handed out: what its operation has no use for is 0.
pub fn handed_out(fields: &Fields) -> (u64, u64, u32, u8, u32) {
    let flush = fields.opf == operation::FLUSH;
    let moves = fields.opf == operation::READ || fields.opf == operation::WRITE;
    let fua = fields.opf == operation::WRITE && fields.flags & 4 != 0;
    (
        if flush { 0 } else { fields.sector },
        if moves { fields.address } else { 0 },
        fields.len,
        fields.opf,
        if fua { 4 } else { 0 },
    )
}

/// The driver's end.
pub struct ReferenceDriver {
    place: Place,
    driver_position: u32,
    device_position: u32,
    /// Free descriptors, the next one last.
    free: Vec<u32>,
    /// The marks of those outstanding.
    marks: Vec<Option<u32>>,
    fault: Option<Fault>,
}

impl ReferenceDriver {
    /// Both rings at a position.
    pub fn new(place: Place, position: u32, shadow: &mut Shadow) -> Self {
        shadow.set(place.driver_ring, 2, u64::from(position));
        Self {
            place,
            driver_position: position,
            device_position: position,
            free: (0..place.num_desc - 1).rev().collect(),
            marks: vec![None; place.num_desc as usize],
            fault: None,
        }
    }

    /// Puts a request; false if no descriptor is free.
    pub fn put(&mut self, shadow: &mut Shadow, fields: &Fields, mark: u32) -> bool {
        let Some(index) = self.free.pop() else {
            return false;
        };
        self.marks[index as usize] = Some(mark);
        let fields = Fields { flags: fields.flags | 2, ..*fields };
        let at = QUEUE + index as usize * 24;
        shadow.bytes[at..at + 24].copy_from_slice(&fields.bytes());
        let entry = self.place.driver_ring + 2 + 2 * self.driver_position as usize;
        shadow.set(entry, 2, u64::from(index));
        self.driver_position = (self.driver_position + 1) % self.place.num_desc;
        true
    }

    /// Publishes.
    pub fn publish(&self, shadow: &mut Shadow) {
        shadow.set(self.place.driver_ring, 2, u64::from(self.driver_position));
    }

    /// Takes up to `most` completions: marks and statuses.
    pub fn reap(&mut self, shadow: &mut Shadow, most: usize) -> Result<Vec<(u32, u8)>, Fault> {
        let mut done = Vec::new();
        if self.fault.is_none() {
            self.fault = self.reap_each(shadow, most, &mut done).err();
        }
        match self.fault {
            Some(fault) if done.is_empty() => Err(fault),
            _ => Ok(done),
        }
    }

    fn reap_each(
        &mut self,
        shadow: &mut Shadow,
        most: usize,
        done: &mut Vec<(u32, u8)>,
    ) -> Result<(), Fault> {
        let num_desc = self.place.num_desc;
        let head = shadow.get(self.place.device_ring, 2) as u32;
        if head == 0xffff {
            return Err(Fault::Gone);
        }
        let outstanding = self.marks.iter().flatten().count() as u32;
        let claimed = (num_desc + head).wrapping_sub(self.device_position) % num_desc;
        if head >= num_desc || claimed > outstanding {
            return Err(Fault::RingIndex);
        }
        while self.device_position != head && done.len() < most {
            let entry = self.place.device_ring + 2 + 2 * self.device_position as usize;
            let index = shadow.get(entry, 2) as usize;
            self.device_position = (self.device_position + 1) % num_desc;
            if index >= num_desc as usize {
                return Err(Fault::DescriptorIndex);
            }
            let at = QUEUE + index * 24;
            let fields = Fields::at(shadow, at);
            let Some(mark) = self.marks[index].filter(|_| fields.flags & 2 != 0) else {
                return Err(Fault::DescriptorState);
            };
            shadow.bytes[at..at + 24].fill(0);
            self.marks[index] = None;
            self.free.push(index as u32);
            done.push((mark, fields.status));
        }
        Ok(())
    }
}
