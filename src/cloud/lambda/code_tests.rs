//! Tests of the code store: what is kept, and which zips are refused.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bytes::Bytes;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::code::CodeStore;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("labdeck-code-{}", uuid::Uuid::new_v4())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn zip_of(entries: &[(&str, u32, &[u8])]) -> Bytes {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode, contents) in entries {
        let options = SimpleFileOptions::default().unix_permissions(*mode);
        writer.start_file(*name, options).unwrap();
        writer.write_all(contents).unwrap();
    }
    Bytes::from(writer.finish().unwrap().into_inner())
}

#[test]
fn code_is_kept_extracted_and_removed_when_unused() {
    let scratch = Scratch::new();
    let store = CodeStore::open(scratch.0.clone()).unwrap();
    let zip = zip_of(&[("bootstrap", 0o755, b"#!"), ("lib/data.txt", 0o644, b"data")]);
    let code = store.store(&zip).unwrap();
    let root = store.task_root(code.hash());
    assert_eq!(std::fs::read(root.join("lib/data.txt")).unwrap(), b"data");
    let mode = std::fs::metadata(root.join("bootstrap")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);

    store.remove_unused(&HashSet::new()).unwrap();
    assert!(root.is_dir(), "held code stays");
    let hash = code.hash().to_owned();
    drop(code);
    store.remove_unused(&HashSet::from([hash.clone()])).unwrap();
    assert!(root.is_dir(), "used code stays");
    std::fs::remove_dir_all(&root).unwrap();
    store.restore(&hash).unwrap();
    assert!(root.join("bootstrap").is_file());
    store.remove_unused(&HashSet::new()).unwrap();
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
}

#[test]
fn dangerous_and_damaged_zips_are_refused() {
    let scratch = Scratch::new();
    let store = CodeStore::open(scratch.0.join("code")).unwrap();
    let refuse = |zip: Bytes, why: &str| {
        let error = store.store(&zip).unwrap_err();
        assert_eq!(error.code, "InvalidParameterValueException", "{why}");
        assert!(store.check(&zip).is_err(), "{why}");
        error.message
    };
    let unzip = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    assert_eq!(refuse(Bytes::from_static(b"not a zip"), "no zip"), unzip);
    assert_eq!(refuse(zip_of(&[("../evil", 0o644, b"x")]), "climbs"), unzip);
    assert_eq!(refuse(zip_of(&[("a/../../evil", 0o644, b"x")]), "climbs"), unzip);
    assert_eq!(refuse(zip_of(&[("/etc/evil", 0o644, b"x")]), "absolute"), unzip);
    let mut link = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    link.add_symlink("bootstrap", "/bin/sh", SimpleFileOptions::default()).unwrap();
    assert_eq!(refuse(Bytes::from(link.finish().unwrap().into_inner()), "link"), unzip);

    let mut damaged = zip_of(&[("bootstrap", 0o755, &[7; 4096])]).to_vec();
    damaged[45] ^= 0xff;
    refuse(Bytes::from(damaged), "damaged");
    assert!(refuse(Bytes::new(), "empty").contains("non-empty"));

    let store = store.with_unzipped_limit(1 << 20);
    let bomb = {
        let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file("zeros", SimpleFileOptions::default()).unwrap();
        writer.write_all(&vec![0; (1 << 20) + 1]).unwrap();
        Bytes::from(writer.finish().unwrap().into_inner())
    };
    assert_eq!(
        store.check(&bomb).unwrap_err().message,
        "Unzipped size must be smaller than 1048576 bytes"
    );
    assert!(!scratch.0.join("evil").exists());
    assert_eq!(std::fs::read_dir(scratch.0.join("code")).unwrap().count(), 0);
}
