//! Two macros that write a layout down once. From the one text come the Rust
//! item, the compile-time proof of every offset, and the table from which the
//! TypeScript constants are generated.

/// One field of a structure that two programs share.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, in snake case.
    pub name: &'static str,
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// Its width in bytes.
    pub size: usize,
    /// What it means.
    pub doc: &'static str,
}

/// One named number of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// Its name, in upper case.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What it means.
    pub doc: &'static str,
}

/// A `repr(C)` structure whose offsets are given, and proven by the compiler.
macro_rules! wire_struct {
    ($(#[doc = $struct_doc:literal])* $name:ident, $size:literal bytes {
        $($(#[doc = $doc:literal])* $offset:literal $field:ident: $type:ty,)*
    }) => {
        $(#[doc = $struct_doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        const _: () = {
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)*
            assert!(core::mem::size_of::<$name>() == $size);
        };

        impl $name {
            /// Every field, in the order of the layout.
            pub const FIELDS: &'static [crate::abi::Field] = &[
                $(crate::abi::Field {
                    name: stringify!($field),
                    offset: $offset,
                    size: core::mem::size_of::<$type>(),
                    doc: concat!($($doc, "\n"),*),
                },)*
            ];
        }
    };
}

/// A module of named numbers, with a table of all of them.
macro_rules! wire_constants {
    ($(#[doc = $module_doc:literal])* $module:ident: $type:ty {
        $($(#[doc = $doc:literal])* $name:ident = $value:expr,)*
    }) => {
        $(#[doc = $module_doc])*
        pub mod $module {
            $($(#[doc = $doc])* pub const $name: $type = $value;)*

            /// Every constant of this module.
            pub const ALL: &[crate::abi::Constant] = &[
                $(crate::abi::Constant {
                    name: stringify!($name),
                    value: $value as u64,
                    doc: concat!($($doc, "\n"),*),
                },)*
            ];
        }
    };
}

pub(crate) use {wire_constants, wire_struct};
