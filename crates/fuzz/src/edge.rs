//! Numbers as a peer that means ill picks them.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Around these something changes.
const EDGES: [u64; 16] = [
    0,
    1 << 9,
    1 << 12,
    1 << 13,
    1 << 15,
    1 << 16,
    1 << 20,
    1 << 31,
    1 << 32,
    1 << 41,
    1 << 48,
    1 << 53,
    1 << 54,
    1 << 55,
    1 << 63,
    u64::MAX,
];

/// A number: mostly near an edge, sometimes any.
pub fn number(input: &mut Unstructured<'_>) -> Result<u64> {
    if input.ratio(1, 4)? {
        return u64::arbitrary(input);
    }
    let edge = *input.choose(&EDGES)?;
    Ok(match input.int_in_range(0..=5)? {
        0 => edge,
        1 => edge.wrapping_add(1),
        2 => edge.wrapping_sub(1),
        3 => edge.wrapping_sub(512),
        4 => edge.wrapping_add(512),
        _ => edge.wrapping_add(u64::from(u16::arbitrary(input)?)),
    })
}

/// A number below `usual`, in steps, and one in eight times any other.
pub fn mostly_below(input: &mut Unstructured<'_>, usual: u64, step: u64) -> Result<u64> {
    if input.ratio(1, 8)? {
        return number(input);
    }
    Ok(input.int_in_range(0..=usual / step)? * step)
}
