//! Fuzz targets over the core: a sequence of steps, rarely invalid, done by the core and by a second
//! opinion that was written from the protocol's text; after each step results and all bytes must agree.
//!
//! `device`: a hostile driver against the device's end of a queue. `driver`: a hostile device against the
//! driver's. `check`: the checks of a descriptor, an address and a geometry for numbers of any size.

pub mod bus;
pub mod check;
pub mod device;
pub mod driver;
pub mod edge;
pub mod reference;
pub mod shadow;
