//! Reading the audit back: the older part, then the newer one, then what is appended.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Entry;
use super::file::older;

/// Longest line that can be an entry, in bytes: every field is bounded when it is written.
const LONGEST_LINE: usize = 64 * 1024;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An entry.
    Entry(Box<Entry>),
    /// A line that is none.
    Damaged(Damaged),
}

/// A line that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.why)
    }
}

/// Reads the audit from its begin, and then what comes.
#[derive(Debug)]
pub struct AuditReader {
    path: PathBuf,
    begun: bool,
    current: Option<Part>,
}

impl AuditReader {
    /// Reads the audit at `path` and the part that was put aside. Neither need exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path, begun: false, current: None }
    }

    /// Hands every line since the last call to `take`, the newest last; with the first call all there
    /// are. A line without an end waits for it.
    pub fn read(&mut self, take: &mut dyn FnMut(Line)) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            // The newer part is opened first: should it be put aside now, nothing is missed.
            self.current = Part::open(&self.path)?;
            let before = Part::open(&older(&self.path))?;
            let newer = self.current.as_ref().map(|part| part.inode);
            if let Some(mut before) = before.filter(|before| Some(before.inode) != newer) {
                before.read(take)?;
                before.finish(take);
            }
        }
        if let Some(part) = &mut self.current {
            part.read(take)?;
        }
        let there = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.current.as_ref().is_none_or(|part| part.inode != there.ino()) {
            if let Some(mut before) = self.current.take() {
                before.read(take)?;
                before.finish(take);
            }
            self.current = Part::open(&self.path)?;
            if let Some(part) = &mut self.current {
                part.read(take)?;
            }
        }
        Ok(())
    }

    /// Hands over a last line that has no end: nobody waits for it any more.
    pub fn finish(&mut self, take: &mut dyn FnMut(Line)) {
        if let Some(part) = &mut self.current {
            part.finish(take);
        }
    }
}

/// A file that is read line by line.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    inode: u64,
    line: u64,
    /// What was read of a line whose end was not; cut where it is too long to be an entry.
    begun: Vec<u8>,
}

impl Part {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let inode = file.metadata()?.ino();
        Ok(Some(Self { path: path.to_owned(), file, inode, line: 0, begun: Vec::new() }))
    }

    fn read(&mut self, take: &mut dyn FnMut(Line)) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = self.file.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            for part in piece[..count].split_inclusive(|byte| *byte == b'\n') {
                let room = (LONGEST_LINE + 1).saturating_sub(self.begun.len());
                self.begun.extend_from_slice(&part[..part.len().min(room)]);
                if part.ends_with(b"\n") {
                    self.finish(take);
                }
            }
        }
    }

    fn finish(&mut self, take: &mut dyn FnMut(Line)) {
        let line = std::mem::take(&mut self.begun);
        if line.is_empty() {
            return;
        }
        self.line += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        // What the next line begins with when the one before was cut short.
        if line.is_empty() {
            return;
        }
        let damaged =
            |why: String| Line::Damaged(Damaged { file: self.path.clone(), line: self.line, why });
        take(if line.len() > LONGEST_LINE {
            damaged("it is too long to be an entry".to_owned())
        } else {
            match serde_json::from_slice::<Entry>(line) {
                Ok(entry) if entry.operation.is_empty() => {
                    damaged("it names no operation".to_owned())
                }
                Ok(entry) => Line::Entry(Box::new(entry)),
                Err(error) => damaged(error.to_string()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(operation: &str) -> String {
        serde_json::to_string(&Entry { operation: operation.into(), ..Entry::default() }).unwrap()
    }

    fn read(reader: &mut AuditReader) -> Vec<String> {
        let mut lines = Vec::new();
        let told = |line| match line {
            Line::Entry(entry) => entry.operation,
            Line::Damaged(damaged) => format!("damaged {}", damaged.line),
        };
        reader.read(&mut |line| lines.push(told(line))).unwrap();
        lines
    }

    #[test]
    fn both_parts_and_what_comes_are_read_and_damage_is_told() {
        let dir = std::env::temp_dir().join(format!("labdeck-audit-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("audit.jsonl");
        let mut reader = AuditReader::new(path.clone());
        assert_eq!(read(&mut reader), [""; 0], "no file is no failure");

        std::fs::write(older(&path), format!("{}\nnonsense\n", entry("A"))).unwrap();
        let long = "x".repeat(LONGEST_LINE * 3);
        let text = format!("{}\n{long}\n\u{0}\n{{}}\n{}\n", entry("B"), entry("C"));
        std::fs::write(&path, &text).unwrap();
        let mut reader = AuditReader::new(path.clone());
        let all = ["A", "damaged 2", "B", "damaged 2", "damaged 3", "damaged 4", "C"];
        assert_eq!(read(&mut reader), all);
        assert_eq!(read(&mut reader), [""; 0]);

        // A line that is just being written is one line.
        let (begin, end) = (format!("{text}{}", &entry("D")[..10]), entry("D")[10..].to_owned());
        std::fs::write(&path, &begin).unwrap();
        assert_eq!(read(&mut reader), [""; 0]);
        std::fs::write(&path, format!("{begin}{end}\n")).unwrap();
        assert_eq!(read(&mut reader), ["D"]);

        // Put aside, and begun anew.
        std::fs::rename(&path, older(&path)).unwrap();
        std::fs::write(&path, entry("E")).unwrap();
        assert_eq!(read(&mut reader), [""; 0], "its end is missing");
        let mut last = Vec::new();
        reader.finish(&mut |line| last.push(line));
        assert!(matches!(&last[..], [Line::Entry(entry)] if entry.operation == "E"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
