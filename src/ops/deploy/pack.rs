//! Packing a built handler: the zip that Lambda takes, the same bytes from the same source.
//!
//! What a build's place leaves in a program is taken out before: debug information and symbols (they
//! name the folder that was compiled in) and the build id (a hash over them). What is left does not
//! depend on the folder: the workspace's own files are compiled by relative paths, and dependencies
//! lie in cargo's home.

use std::io::{Cursor, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labdeck_aws::{Failure, FailureKind, Result};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{Architecture, Endianness, Object};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Changes when the same program would be packed into other bytes.
const FORMAT: u32 = 2;
/// Largest zip that Lambda takes in a call, in bytes ("Lambda quotas").
const LARGEST_ZIP: u64 = 52_428_800;
/// Largest program that Lambda takes, in bytes ("Lambda quotas").
const LARGEST_PROGRAM: u64 = 262_144_000;
/// The C library of `provided.al2023`.
const LAMBDA_GLIBC: (u32, u32) = (2, 34);

/// The code of a function, ready to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The zip's bytes.
    pub zip: Arc<[u8]>,
    /// Base64 of the zip's SHA-256, as Lambda writes it.
    pub sha256: String,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
}

/// What is remembered of a packed program, so that it is not packed again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    format: u32,
    level: i64,
    program_bytes: u64,
    program_modified_ns: u128,
    sha256: String,
}

/// Packs the program at `path`. `cache` is a folder for packed programs; `for_aws` packs smaller and
/// checks that the program can run on Lambda.
pub(crate) fn pack(path: &Path, cache: &Path, for_aws: bool) -> Result<Code> {
    let what = || format!("packing {}", path.display());
    let io = |e: std::io::Error| Failure::new(FailureKind::Build, what(), e.to_string());
    let level = if for_aws { 9 } else { 1 };
    let file = std::fs::metadata(path).map_err(io)?;
    if file.len() > LARGEST_PROGRAM {
        return Err(too_large(what(), "unpacked", file.len(), LARGEST_PROGRAM));
    }
    let program = std::fs::read(path).map_err(io)?;
    let architecture =
        architecture(&program).map_err(|why| Failure::new(FailureKind::Build, what(), why))?;
    if for_aws {
        check_for_lambda(&program).map_err(|why| Failure::new(FailureKind::Build, what(), why))?;
    }
    let note = Note {
        format: FORMAT,
        level,
        program_bytes: file.len(),
        program_modified_ns: file
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_nanos()),
        sha256: String::new(),
    };
    let stem = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let (zip_path, note_path) =
        (cache.join(format!("{stem}.zip")), cache.join(format!("{stem}.json")));
    let (zip, sha256) = if let Some(found) = cached(&zip_path, &note_path, &note) {
        found
    } else {
        let zip = zipped(&placeless(program), level)
            .map_err(|e| Failure::new(FailureKind::Build, what(), e.to_string()))?;
        let sha256 = STANDARD.encode(Sha256::digest(&zip));
        // The cache only saves time: when it can't be written, the next deploy packs again.
        let _ = keep(cache, &zip_path, &zip, &note_path, &Note { sha256: sha256.clone(), ..note });
        (zip, sha256)
    };
    if zip.len() as u64 > LARGEST_ZIP {
        return Err(too_large(what(), "zipped", zip.len() as u64, LARGEST_ZIP));
    }
    Ok(Code { zip: zip.into(), sha256, architecture })
}

fn too_large(what: String, form: &str, bytes: u64, most: u64) -> Failure {
    Failure::new(
        FailureKind::Build,
        what,
        format!("{form} it has {bytes} bytes, and Lambda takes at most {most}"),
    )
    .next("build it smaller: run labdeck with --release, use fewer dependencies, or strip it")
}

fn cached(zip: &Path, note: &Path, wanted: &Note) -> Option<(Vec<u8>, String)> {
    let found: Note = serde_json::from_slice(&std::fs::read(note).ok()?).ok()?;
    let sha256 = found.sha256.clone();
    if (Note { sha256: String::new(), ..found }) != *wanted {
        return None;
    }
    let bytes = std::fs::read(zip).ok()?;
    // A file that was cut short or changed must not be uploaded.
    (STANDARD.encode(Sha256::digest(&bytes)) == sha256).then_some((bytes, sha256))
}

fn keep(
    cache: &Path,
    zip_path: &Path,
    zip: &[u8],
    note_path: &Path,
    note: &Note,
) -> std::io::Result<()> {
    std::fs::create_dir_all(cache)?;
    let write = |path: &PathBuf, bytes: &[u8]| {
        let aside = path.with_extension(format!("tmp{}", std::process::id()));
        std::fs::write(&aside, bytes)?;
        std::fs::rename(&aside, path)
    };
    write(&zip_path.to_owned(), zip)?;
    write(&note_path.to_owned(), &serde_json::to_vec(note)?)
}

/// The zip with `program` as `bootstrap`: no time, no place, no owner in it.
fn zipped(program: &[u8], level: i64) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755)
        .large_file(false);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner())
}

fn architecture(program: &[u8]) -> Result<&'static str, String> {
    let file = object::File::parse(program).map_err(|e| format!("it is not a program: {e}"))?;
    if file.format() != object::BinaryFormat::Elf {
        return Err("it is not a Linux program; Lambda runs Linux programs alone".to_owned());
    }
    match file.architecture() {
        Architecture::X86_64 => Ok("x86_64"),
        Architecture::Aarch64 => Ok("arm64"),
        other => Err(format!("Lambda has no {other:?} processors")),
    }
}

/// Why Lambda can't run the program at `path`, where that is known from its file.
pub(crate) fn unfit(path: &Path) -> Result<(), String> {
    let program = std::fs::read(path).map_err(|error| error.to_string())?;
    check_for_lambda(&program)
}

/// Whether Lambda's C library is new enough for `program`.
fn check_for_lambda(program: &[u8]) -> Result<(), String> {
    let newest = newest_glibc(program).unwrap_or(LAMBDA_GLIBC);
    if newest > LAMBDA_GLIBC {
        return Err(format!(
            "it needs glibc {}.{}, and provided.al2023 has {}.{}",
            newest.0, newest.1, LAMBDA_GLIBC.0, LAMBDA_GLIBC.1
        ));
    }
    Ok(())
}

/// The newest `GLIBC_` version that the program's dynamic symbols need.
fn newest_glibc(program: &[u8]) -> Option<(u32, u32)> {
    let file = ElfFile64::<Endianness>::parse(program).ok()?;
    let sections = file.elf_section_table();
    let strings = sections
        .iter()
        .find(|section| sections.section_name(Endianness::Little, section) == Ok(b".dynstr"))?
        .data(Endianness::Little, program)
        .ok()?;
    strings
        .split(|byte| *byte == 0)
        .filter_map(|text| {
            let version = std::str::from_utf8(text).ok()?.strip_prefix("GLIBC_")?;
            let mut parts = version.split('.').map(str::parse::<u32>);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        })
        .max()
}

/// The program without what its build's place left in it: all that is not loaded when it runs
/// (debug information, symbols, the table of sections), which stands behind all that is.
fn placeless(mut program: Vec<u8>) -> Vec<u8> {
    let Some((end, build_id)) = loaded(&program) else { return program };
    program.truncate(end);
    if let Some(value) = build_id.and_then(|range| program.get_mut(range)) {
        value.fill(0);
    }
    // e_shoff, then e_shentsize, e_shnum and e_shstrndx of a 64-bit header: there are no sections.
    for range in [40..48, 58..64] {
        if let Some(field) = program.get_mut(range) {
            field.fill(0);
        }
    }
    program
}

/// Where the loaded part of a program ends, and where the value of its build id stands. `None` when
/// it is not a 64-bit ELF file.
fn loaded(program: &[u8]) -> Option<(usize, Option<Range<usize>>)> {
    let file = ElfFile64::<Endianness>::parse(program).ok()?;
    let endian = file.endian();
    let header = file.elf_header();
    let headers = u64::from(header.e_phnum(endian)) * u64::from(header.e_phentsize(endian));
    let mut end = header.e_phoff(endian).checked_add(headers)?;
    for segment in file.elf_program_headers() {
        let (offset, size) = segment.file_range(endian);
        end = end.max(offset.checked_add(size)?);
    }
    let table = file.elf_section_table();
    let build_id = table
        .iter()
        .find(|section| table.section_name(endian, section) == Ok(b".note.gnu.build-id"))
        .and_then(|section| section.file_range(endian))
        .and_then(|(offset, size)| {
            // The note's header and name, 16 bytes, stay.
            let begin = usize::try_from(offset.checked_add(16)?).ok()?;
            let end = usize::try_from(offset.checked_add(size)?).ok()?;
            (begin <= end).then_some(begin..end)
        });
    let end = usize::try_from(end).ok()?;
    (end <= program.len()).then_some((end, build_id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_same_program_gives_the_same_zip() {
        let program = vec![7_u8; 100_000];
        let first = zipped(&program, 1).unwrap();
        assert_eq!(first, zipped(&program, 1).unwrap());
        let mut archive = zip::ZipArchive::new(Cursor::new(first)).unwrap();
        assert_eq!(archive.len(), 1);
        let file = archive.by_index(0).unwrap();
        assert_eq!(file.name().unwrap(), "bootstrap");
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(file.size(), 100_000);
    }

    #[test]
    fn the_placeless_program_runs() {
        use std::os::unix::fs::PermissionsExt;
        let shell = std::fs::read("/bin/sh").unwrap();
        let mut longer = shell.clone();
        longer.extend_from_slice(b"debug information of a longer path");
        let clean = placeless(shell);
        assert_eq!(placeless(longer), clean);
        assert_eq!(placeless(clean.clone()), clean);
        assert!(architecture(&clean).is_ok());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap");
        std::fs::write(&path, clean).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let status = std::process::Command::new(&path).args(["-c", "exit 7"]).status().unwrap();
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(architecture(b"#!/bin/sh\n").is_err());
        assert_eq!(placeless(b"nothing".to_vec()), b"nothing");
        assert!(newest_glibc(b"nothing").is_none());
    }

    #[test]
    fn a_packed_program_is_kept_and_a_broken_one_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let program = std::fs::canonicalize("/bin/sh").unwrap();
        let first = pack(&program, dir.path(), false).unwrap();
        let stem = program.file_name().unwrap().to_string_lossy().into_owned();
        let zip = dir.path().join(format!("{stem}.zip"));
        assert_eq!(*std::fs::read(&zip).unwrap(), *first.zip);
        std::fs::write(&zip, b"cut").unwrap();
        assert_eq!(pack(&program, dir.path(), false).unwrap(), first);
    }
}
