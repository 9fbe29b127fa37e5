//! The checks alone, of numbers of any size, against sums that are wide enough for them.

use crate::bus::{BUS_BYTES, Bus, Place};
use crate::edge::{mostly_below, number};
use crate::reference::{Rules, handed_out, status_of};
use crate::shadow::Fields;
use arbitrary::{Arbitrary, Result, Unstructured};
use blockpt_core::descriptor::{Descriptor, Limits};
use blockpt_core::dma::Window;
use blockpt_core::memory::Range;
use blockpt_core::queue_layout::Geometry;

/// A run: a queue's parts, and descriptors for a disc.
#[derive(Debug)]
pub struct Input {
    parts: [u64; 3],
    num_desc: u32,
    host: (u64, u64),
    num_sectors: u64,
    max_len: u32,
    read_only: bool,
    features: u32,
    descriptors: Vec<Fields>,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let mut part = || mostly_below(input, BUS_BYTES as u64, 2);
        let parts = [part()? & !6, part()?, part()?];
        let host = mostly_below(input, BUS_BYTES as u64, 512)?.min(1 << 62);
        Ok(Self {
            parts,
            num_desc: mostly_below(input, 64, 1)? as u32,
            // A range that has an end is the caller's promise.
            host: (host, mostly_below(input, 8192, 512)?.min(u64::MAX - host)),
            num_sectors: number(input)?,
            max_len: number(input)? as u32,
            read_only: bool::arbitrary(input)?,
            features: u32::arbitrary(input)?,
            descriptors: Vec::arbitrary(input)?,
        })
    }
}

impl Input {
    /// Checks all of it.
    pub fn run(&self) {
        let bus = Bus::new(&Place::new(16));
        let memory = bus.memory();
        let [descriptors, driver_ring, device_ring] = self.parts.map(|it| it as usize);
        let geometry = Geometry::new(&memory, descriptors, driver_ring, device_ring, self.num_desc);
        assert_eq!(geometry.is_some(), self.may_be_a_queue());
        let (offset, len) = (self.host.0 as usize, self.host.1 as usize);
        let limits = Limits {
            num_sectors: self.num_sectors,
            max_len: self.max_len,
            read_only: self.read_only,
            features: self.features,
            window: Window::new(Range { offset, len }, None),
        };
        let rules = Rules {
            num_sectors: self.num_sectors,
            max_len: self.max_len,
            read_only: self.read_only,
            features: self.features,
            host: self.host,
        };
        for fields in &self.descriptors {
            let descriptor = Descriptor {
                s_sector: fields.sector,
                addr: fields.address,
                len: fields.len,
                opf: fields.opf,
                status: fields.status,
                flags: fields.flags,
                reserved: 0,
            };
            let got = limits.check(&memory, &descriptor);
            assert_eq!(got.err().unwrap_or(0), status_of(fields, &rules, |_| true), "{fields:?}");
            let Ok(request) = got else { continue };
            let record = (
                request.start_sector(),
                request.address() as u64,
                request.len_bytes(),
                request.operation() as u8,
                request.record(0).flags,
            );
            assert_eq!(record, handed_out(fields));
            assert_eq!(request.work().len_bytes(), fields.len);
            assert_eq!(request.work().opf(), fields.opf);
        }
    }

    fn may_be_a_queue(&self) -> bool {
        let ring = 2 + 2 * u128::from(self.num_desc);
        let lens = [u128::from(self.num_desc) * 24, ring, ring];
        let ends: Vec<_> = self
            .parts
            .iter()
            .zip(lens)
            .map(|(&at, len)| (u128::from(at), u128::from(at) + len))
            .collect();
        let apart =
            |one: usize, other: usize| ends[one].1 <= ends[other].0 || ends[other].1 <= ends[one].0;
        (16..=65535).contains(&self.num_desc)
            && self.parts[0].is_multiple_of(8)
            && self.parts[1].is_multiple_of(2)
            && self.parts[2].is_multiple_of(2)
            && ends.iter().all(|(_, end)| *end <= BUS_BYTES as u128)
            && apart(0, 1)
            && apart(0, 2)
            && apart(1, 2)
    }
}
