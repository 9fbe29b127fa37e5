//! The target `device` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: blockpt_fuzz::device::Input| input.run());
