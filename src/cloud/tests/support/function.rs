//! The function of the tests, and how it is uploaded.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The test program, compiled once.
pub fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lambda_bootstrap/program.rs");
        let hash = hex::encode(Sha256::digest(std::fs::read(&source).unwrap()));
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bootstrap-{hash}"));
        if !program.exists() {
            let staging = program.with_extension(std::process::id().to_string());
            let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let status = std::process::Command::new(rustc)
                .args(["--edition", "2024", "-O", "-C", "strip=symbols", "-o"])
                .arg(&staging)
                .arg(&source)
                .status()
                .unwrap();
            assert!(status.success());
            std::fs::rename(&staging, &program).unwrap();
        }
        std::fs::read(program).unwrap()
    })
}

/// A zip with one file, in base64.
pub fn zipped(name: &str, mode: u32, contents: &[u8]) -> String {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
    writer.write_all(contents).unwrap();
    STANDARD.encode(writer.finish().unwrap().into_inner())
}
