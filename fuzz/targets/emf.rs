#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| labdeck_cloud::fuzzing::emf(data));
