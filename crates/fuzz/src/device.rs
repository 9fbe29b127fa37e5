//! A hostile driver against the device's end of a queue.

use crate::bus::{Bus, DISC, HOST, IOMMU_TABLE, MOST_DESC, Place, QUEUE, window};
use crate::edge::{mostly_below, number};
use crate::reference::{ReferenceDevice, Rules, handed_out};
use crate::shadow::Fields;
use arbitrary::{Arbitrary, Result, Unstructured};
use blockpt_core::abi::operation;
use blockpt_core::descriptor::Limits;
use blockpt_core::device_queue::DeviceQueue;
use blockpt_core::dma::Transfer;
use blockpt_core::records::{CompletionRecord, RequestRecord};

/// A run: what the queue is opened with, and what happens.
#[derive(Debug)]
pub struct Input {
    num_desc: u32,
    num_sectors: u64,
    max_len: u32,
    read_only: bool,
    features: u32,
    iommu: bool,
    steps: Vec<Step>,
}

/// What happens: a driver's doing, or a call of the device.
#[derive(Debug)]
enum Step {
    /// Fills the next descriptors of the ring and publishes, as an honest driver does.
    Put(Vec<Fields>),
    /// Writes anywhere in the queue.
    Scribble {
        at: usize,
        width: usize,
        value: u64,
    },
    /// Puts an index on the ring where the driver is, and does not fill its descriptor.
    Push(u16),
    /// Publishes an `idx`.
    Idx(u16),
    /// Maps or unmaps a page of host memory.
    Map {
        page: usize,
        count: u32,
    },
    Fetch {
        most: usize,
    },
    Serve {
        pio: bool,
        most: u32,
    },
    Answer {
        most: u32,
    },
    /// Answers those in service whose bit is set.
    Complete {
        picks: u32,
        status: u8,
    },
    Resize {
        sectors: u64,
    },
}

impl<'a> Arbitrary<'a> for Fields {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let opf = match input.int_in_range(0..=9)? {
            0..=3 => operation::READ,
            4..=6 => operation::WRITE,
            7 => *input.choose(&[operation::DISCARD, operation::WRITE_ZEROES])?,
            8 => operation::FLUSH,
            _ => u8::arbitrary(input)?,
        };
        let usual = if opf == operation::FLUSH { 0 } else { 4096 };
        let len = mostly_below(input, usual, 512)? as u32;
        Ok(Self {
            sector: mostly_below(input, 16, 1)?,
            address: address(input, len)?,
            len,
            opf,
            status: 0,
            flags: if input.ratio(7, 8)? {
                *input.choose(&[2, 2, 6])?
            } else {
                u8::arbitrary(input)?
            },
        })
    }
}

/// An address: in host memory, at one of its ends, or far from it.
fn address(input: &mut Unstructured<'_>, len: u32) -> Result<u64> {
    let (start, end) = (HOST.offset as u64, (HOST.offset + HOST.len) as u64);
    if input.ratio(1, 8)? {
        let edge = *input.choose(&[start, end, end.wrapping_sub(u64::from(len))])?;
        return Ok(edge.wrapping_add_signed(input.int_in_range(-1..=1)?));
    }
    let offset = mostly_below(input, HOST.len as u64, 256)?;
    // Far ones are absolute, so that they do not wrap back.
    Ok(if offset > 1 << 20 { offset } else { offset + start })
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let most = |input: &mut Unstructured<'a>| input.int_in_range(0..=MOST_DESC);
        Ok(match input.int_in_range(0..=23)? {
            0..=7 => {
                let count = input.int_in_range(1..=6)?;
                Self::Put((0..count).map(|_| Fields::arbitrary(input)).collect::<Result<_>>()?)
            }
            8 => Self::Scribble {
                at: input.int_in_range(0..=IOMMU_TABLE - 1)?,
                width: *input.choose(&[1, 2, 4, 8])?,
                value: number(input)?,
            },
            9 => Self::Push(mostly_below(input, u64::from(MOST_DESC), 1)? as u16),
            10 => Self::Idx(mostly_below(input, u64::from(MOST_DESC), 1)? as u16),
            11..=12 => Self::Map {
                page: input.int_in_range(0..=2)?,
                count: if bool::arbitrary(input)? { 1 } else { number(input)? as u32 },
            },
            13..=15 => Self::Fetch { most: most(input)? as usize },
            16..=18 => Self::Serve { pio: bool::arbitrary(input)?, most: most(input)? },
            19 => Self::Answer { most: most(input)? },
            20..=22 => Self::Complete {
                picks: u32::arbitrary(input)?,
                status: if bool::arbitrary(input)? { 0 } else { u8::arbitrary(input)? },
            },
            _ => Self::Resize { sectors: mostly_below(input, 16, 1)? },
        })
    }
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            num_desc: input.int_in_range(16..=MOST_DESC)?,
            num_sectors: mostly_below(input, 16, 1)?,
            max_len: mostly_below(input, 8192, 512)? as u32,
            read_only: input.ratio(1, 8)?,
            features: if input.ratio(3, 4)? { u32::MAX } else { u32::arbitrary(input)? },
            iommu: input.ratio(1, 4)?,
            steps: Vec::arbitrary(input)?,
        })
    }
}

/// The queue, what it must do, and the driver's place on its ring.
struct Run<'a> {
    bus: Bus,
    place: Place,
    queue: DeviceQueue<'a>,
    reference: ReferenceDevice,
    driver_position: u32,
    in_service: Vec<u32>,
}

impl Input {
    /// Does all steps; panics where core and reference differ.
    pub fn run(&self) {
        let place = Place::new(self.num_desc);
        let bus = Bus::new(&place);
        let memory = bus.memory();
        let mut in_service = vec![u32::MAX; self.num_desc as usize];
        let rules = Rules {
            num_sectors: self.num_sectors,
            max_len: self.max_len,
            read_only: self.read_only,
            features: self.features,
            host: (HOST.offset as u64, HOST.len as u64),
        };
        let limits = Limits {
            num_sectors: self.num_sectors,
            max_len: self.max_len,
            read_only: self.read_only,
            features: self.features,
            window: window(self.iommu),
        };
        let queue = DeviceQueue::new(memory, place.geometry(&memory), limits, &mut in_service);
        let reference = ReferenceDevice::new(place, rules, self.iommu);
        let mut run =
            Run { bus, place, queue, reference, driver_position: 0, in_service: Vec::new() };
        for step in &self.steps {
            run.step(step);
            run.check();
        }
    }
}

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Put(all) => self.put(all),
            &Step::Scribble { at, width, value } => {
                let at = QUEUE + at % (self.place.end - QUEUE - 8);
                self.bus.write(at, &value.to_le_bytes()[..width]);
            }
            &Step::Push(index) => self.push(index),
            &Step::Idx(idx) => self.bus.write(self.place.driver_ring, &idx.to_le_bytes()),
            &Step::Map { page, count } => {
                self.bus.write(IOMMU_TABLE + page * 4, &count.to_le_bytes());
            }
            &Step::Fetch { most } => self.fetch(most),
            &Step::Serve { pio, most } => self.serve(pio, most),
            &Step::Answer { most } => {
                let got = self.queue.answer(1, most);
                let shadow = &mut self.bus.shadow;
                let wanted = self.reference.take(shadow, most, |it, shadow, index, fields| {
                    it.perform(shadow, index, &fields, false);
                });
                assert_eq!(got, wanted);
            }
            &Step::Complete { picks, status } => self.complete(picks, status),
            &Step::Resize { sectors } => {
                self.queue.resize(sectors);
                self.reference.rules.num_sectors = sectors;
            }
        }
    }

    /// On the descriptors behind one another, as one would who never waits for an answer.
    fn put(&mut self, all: &[Fields]) {
        for fields in all {
            let index = self.driver_position;
            self.bus.write(QUEUE + index as usize * 24, &fields.bytes());
            self.push(index as u16);
        }
        let idx = (self.driver_position as u16).to_le_bytes();
        self.bus.write(self.place.driver_ring, &idx);
    }

    fn push(&mut self, index: u16) {
        let entry = self.place.driver_ring + 2 + 2 * self.driver_position as usize;
        self.bus.write(entry, &index.to_le_bytes());
        self.driver_position = (self.driver_position + 1) % self.place.num_desc;
    }

    fn fetch(&mut self, most: usize) {
        const EMPTY: RequestRecord = RequestRecord {
            start_sector_low: 0,
            start_sector_high: 0,
            address: 0,
            len_bytes: 0,
            opf: 0,
            tag: 0,
            flags: 0,
            status: 0,
        };
        let mut list = [EMPTY; MOST_DESC as usize];
        let got = self.queue.fetch(&mut list[..most], 1);
        let mut wanted = Vec::new();
        let shadow = &mut self.bus.shadow;
        let taken = self.reference.take(shadow, most as u32, |it, _, index, fields| {
            it.keep(index, &fields);
            wanted.push((index, handed_out(&fields)));
        });
        assert_eq!(got, taken.map(|_| wanted.len()));
        for (record, &(index, (sector, address, len, opf, flags))) in list.iter().zip(&wanted) {
            let expected = RequestRecord {
                start_sector_low: sector as u32,
                start_sector_high: (sector >> 32) as u32,
                address: u32::try_from(address).expect("an address in host memory"),
                len_bytes: len,
                opf: u32::from(opf),
                tag: index,
                flags,
                status: 0,
            };
            assert_eq!(*record, expected);
            assert!(!self.in_service.contains(&index), "handed out twice");
            self.in_service.push(index);
        }
    }

    fn serve(&mut self, pio: bool, most: u32) {
        // The caller's promise: a disc has room for its sectors.
        if self.reference.rules.num_sectors > (DISC.len / 512) as u64 {
            return;
        }
        let transfer = if pio { Transfer::Pio } else { Transfer::Dma };
        let got = self.queue.serve(DISC, transfer, 1, most);
        let shadow = &mut self.bus.shadow;
        let wanted = self.reference.take(shadow, most, |it, shadow, index, fields| {
            it.perform(shadow, index, &fields, true);
        });
        assert_eq!(got, wanted);
    }

    fn complete(&mut self, picks: u32, status: u8) {
        let picked = |position: usize| picks >> (position % 32) & 1 != 0;
        let mut kept = Vec::new();
        let mut list = Vec::new();
        for (position, index) in std::mem::take(&mut self.in_service).into_iter().enumerate() {
            if picked(position) {
                list.insert(0, CompletionRecord { tag: index, status: u32::from(status) });
            } else {
                kept.push(index);
            }
        }
        self.in_service = kept;
        self.queue.complete(&list);
        for done in &list {
            self.reference.complete(&mut self.bus.shadow, done.tag, status);
        }
        self.reference.publish(&mut self.bus.shadow);
    }

    fn check(&self) {
        self.bus.assert_same();
        assert_eq!(self.queue.completed(), self.reference.completed);
        let it = self.queue.counters();
        let counted = [
            it.reads,
            it.writes,
            it.flushes,
            it.discards,
            it.bytes_read,
            it.bytes_written,
            it.errors,
        ];
        assert_eq!(counted.map(|number| number as u64), self.reference.counters);
        let answered: u64 = self.reference.counters[..4].iter().sum();
        assert_eq!(answered + self.reference.counters[6], u64::from(self.queue.completed()));
    }
}
