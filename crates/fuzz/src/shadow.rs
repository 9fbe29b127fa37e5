//! The bytes that must be in the bus, and a descriptor in them, by offsets that `docs/protocol.md` has.

/// Bytes that must be in the bus.
#[derive(Clone)]
pub struct Shadow {
    /// All of them.
    pub bytes: Vec<u8>,
}

impl Shadow {
    /// A number of so many bytes.
    pub fn get(&self, offset: usize, width: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.bytes[offset..offset + width]);
        u64::from_le_bytes(bytes)
    }

    /// Sets a number of so many bytes.
    pub fn set(&mut self, offset: usize, width: usize, value: u64) {
        self.bytes[offset..offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

/// The fields of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// First sector.
    pub sector: u64,
    /// Bus address.
    pub address: u64,
    /// Bytes.
    pub len: u32,
    /// Operation.
    pub opf: u8,
    /// Result.
    pub status: u8,
    /// Flags.
    pub flags: u8,
}

impl Fields {
    /// Those at an offset.
    pub fn at(shadow: &Shadow, offset: usize) -> Self {
        Self {
            sector: shadow.get(offset, 8),
            address: shadow.get(offset + 8, 8),
            len: shadow.get(offset + 16, 4) as u32,
            opf: shadow.bytes[offset + 20],
            status: shadow.bytes[offset + 21],
            flags: shadow.bytes[offset + 22],
        }
    }

    /// Their bytes.
    pub fn bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.sector.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.address.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes[20..23].copy_from_slice(&[self.opf, self.status, self.flags]);
        bytes
    }
}
