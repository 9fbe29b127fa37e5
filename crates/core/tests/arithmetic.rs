//! Every number that the other side may write, at every value where something could change, in every combination,
//! against sums of 128 bits. Tests are compiled with overflow as a panic. What needs no memory is
//! proved for all values in `crates/proof`; here is, too, what that cannot: places of parts, pages, records, and
//! what `as` cuts. All of it is for whatever a `usize` is: 64 bits natively, 32 as in WebAssembly (`check:proof`).

use blockpt_core::abi::{Descriptor, blk_status, descriptor_flag, feature, operation};
use blockpt_core::descriptor::Limits;
use blockpt_core::dma::Window;
use blockpt_core::memory::{Memory, Range};
use blockpt_core::queue_layout::{Geometry, QueueLayout};

/// Around each power of two where a type or a limit ends, and all ones.
fn edges(powers: &[u32], around: &[i64]) -> Vec<u64> {
    let near = |power: &u32| {
        let power = 1_u64 << power;
        around.iter().map(move |by| power.wrapping_add_signed(*by))
    };
    let mut all: Vec<u64> =
        powers.iter().flat_map(near).chain([0, u64::MAX, u64::MAX - 1]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether it can be an offset or a length in a memory.
fn is_size(number: &u64) -> bool {
    usize::try_from(*number).is_ok()
}

/// A memory of any length: nothing here reads or writes it.
fn memory_of(len: usize) -> Memory {
    // SAFETY: never dereferenced.
    unsafe { Memory::new(std::ptr::null_mut(), len) }
}

#[test]
fn a_range_is_inside_exactly_if_its_end_is() {
    let mut numbers = edges(&[0, 9, 12, 16, 31, 32, 53, 63], &[-512, -1, 0, 1, 512]);
    numbers.retain(is_size);
    for &bytes in &numbers {
        let memory = memory_of(bytes as usize);
        for &offset in &numbers {
            for &len in &numbers {
                let inside = u128::from(offset) + u128::from(len) <= u128::from(bytes);
                assert_eq!(memory.contains(offset as usize, len as usize), inside);
            }
        }
    }
}

#[test]
fn a_descriptor_is_taken_exactly_if_all_of_it_is_in_range() {
    let sectors = edges(&[0, 3, 11, 16, 22, 31, 32, 44, 53, 54, 55, 63], &[-1, 0, 1]);
    let lens = [0, 1, 511, 512, 513, 1024, 1 << 16, (1 << 20) - 512, 1 << 20, (1 << 20) + 512];
    let lens = lens.into_iter().chain([1 << 31, u32::MAX - 511, u32::MAX]);
    let memory = memory_of(usize::MAX);
    let base = Descriptor {
        s_sector: 0,
        addr: 0,
        len: 0,
        opf: operation::DISCARD,
        status: 0,
        flags: descriptor_flag::IN_USE,
        reserved: 0,
    };
    for len in lens {
        for &num_sectors in &sectors {
            for &s_sector in &sectors {
                for max_len in [0, 512, 1 << 20, u32::MAX] {
                    let window = Window::new(Range { offset: 0, len: 0 }, None);
                    let features = feature::DISCARD;
                    let limits =
                        Limits { num_sectors, max_len, read_only: false, features, window };
                    let end = u128::from(s_sector) + u128::from(len) / 512;
                    let good = len != 0
                        && len % 512 == 0
                        && len <= max_len
                        && end <= u128::from(num_sectors);
                    let got = limits.check(&memory, &Descriptor { s_sector, len, ..base });
                    let status = if good { blk_status::OK } else { blk_status::INVAL };
                    assert_eq!(
                        got.err().unwrap_or(blk_status::OK),
                        status,
                        "{s_sector} {len} {num_sectors}"
                    );
                    if let Ok(request) = got {
                        let record = request.record(0);
                        let sector = u64::from(record.start_sector_high) << 32;
                        assert_eq!(sector | u64::from(record.start_sector_low), s_sector);
                        assert_eq!((record.len_bytes, request.work().len_bytes()), (len, len));
                    }
                }
            }
        }
    }
}

#[test]
fn an_address_is_reached_exactly_if_its_range_is_host_memory() {
    let numbers = edges(&[0, 9, 12, 16, 20, 31, 32, 53, 63], &[-4096, -512, -1, 0, 1, 512]);
    let memory = memory_of(usize::MAX);
    for &start in numbers.iter().filter(|it| is_size(it)) {
        let ends_in_it = |size: &&u64| start.checked_add(**size).is_some_and(|end| is_size(&end));
        for &size in numbers.iter().filter(ends_in_it) {
            let host = Range { offset: start as usize, len: size as usize };
            let window = Window::new(host, None);
            let end = u128::from(start) + u128::from(size);
            for &address in &numbers {
                for len in [1, 511, 512, 4096, 1 << 20, 1 << 31, u32::MAX] {
                    let good = address >= start && u128::from(address) + u128::from(len) <= end;
                    let got = window.translate(&memory, address, len);
                    assert_eq!(
                        got,
                        good.then_some(address as usize),
                        "{start} {size} {address} {len}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_mapping_is_wanted_for_exactly_the_pages_of_the_range() {
    const PAGES: usize = 6;
    let mut words = [0_u64; PAGES / 2];
    // SAFETY: the words are there to the end of the test.
    let memory = unsafe { Memory::new(words.as_mut_ptr().cast(), PAGES * 4) };
    // Host memory need not be where the table is, nor in this memory.
    let window = Window::new(Range { offset: 1 << 20, len: PAGES * 4096 }, Some(0));
    for mapped in 0..1_u32 << PAGES {
        for page in 0..PAGES {
            memory.write_u32(page * 4, mapped >> page & 1);
        }
        for first in 0..PAGES as u64 {
            for start in [0, 1, 511, 4095] {
                for len in [1, 2, 512, 4095, 4096, 4097, 8192, 3 * 4096 + 1, PAGES as u32 * 4096] {
                    let offset = first * 4096 + start;
                    let pages = first..=(offset + u64::from(len) - 1) / 4096;
                    let inside = offset + u64::from(len) <= PAGES as u64 * 4096;
                    let good = inside && pages.clone().all(|page| mapped >> page & 1 != 0);
                    let got = window.translate(&memory, (1 << 20) + offset, len);
                    assert_eq!(got.is_some(), good, "{mapped:#b} {offset} {len}");
                }
            }
        }
    }
}

#[test]
fn a_queue_is_taken_exactly_if_its_parts_are_aligned_inside_and_apart() {
    let far = edges(&[16, 20, 31, 32, 63], &[-8, -2, 0, 2, 8]);
    for num_desc in [0, 1, 15, 16, 17, 1000, 65535, 65536, 1 << 31, u32::MAX] {
        let lens =
            [u128::from(num_desc) * 24, 2 + 2 * u128::from(num_desc), 2 + 2 * u128::from(num_desc)];
        // Each part at the far values, and at and around the ends of the others.
        let near = |len: u128| (len as u64 & !7).saturating_sub(8);
        let near = lens.map(near).into_iter().flat_map(|at| [at, at + 2, at + 8, at + 9, at + 16]);
        let places = far.iter().copied().chain(near).chain([0, 1, 2, 8]);
        let places: Vec<u64> = places.filter(is_size).collect();
        for bytes in [0, 512, 1 << 16, 1 << 21, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            if !is_size(&bytes) {
                continue;
            }
            let memory = memory_of(bytes as usize);
            for &descriptors in &places {
                for &driver in &places {
                    for &device in &places {
                        let parts = [descriptors, driver, device];
                        let good = may_be(parts, lens, num_desc, bytes);
                        let [at, one, other] = parts.map(|it| it as usize);
                        let got = Geometry::new(&memory, at, one, other, num_desc);
                        assert_eq!(got.is_some(), good, "{parts:?} {num_desc} {bytes}");
                        if let Some(geometry) = got {
                            let last = geometry.descriptor(num_desc - 1) as u128 + 24;
                            assert_eq!(last, u128::from(descriptors) + lens[0]);
                        }
                    }
                }
            }
        }
    }
}

fn may_be(parts: [u64; 3], lens: [u128; 3], num_desc: u32, bytes: u64) -> bool {
    let end = |part: usize| u128::from(parts[part]) + lens[part];
    let apart = |one: usize, other: usize| {
        end(one) <= u128::from(parts[other]) || end(other) <= u128::from(parts[one])
    };
    (16..=65535).contains(&num_desc)
        && parts[0].is_multiple_of(8)
        && parts[1].is_multiple_of(2)
        && parts[2].is_multiple_of(2)
        && (0..3).all(|part| end(part) <= u128::from(bytes))
        && apart(0, 1)
        && apart(0, 2)
        && apart(1, 2)
}

#[test]
fn a_layout_of_any_number_of_descriptors_is_there_or_refused() {
    // All that there may be are in `queue_layout`'s own tests; these are the others of 32 bits, in strides.
    for num_desc in (0..16).chain((65536..=u32::MAX).step_by(65521)).chain([u32::MAX]) {
        assert_eq!(QueueLayout::new(num_desc), None);
        assert_eq!(QueueLayout::with_doorbell(num_desc), None);
    }
}
