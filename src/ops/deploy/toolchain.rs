//! What builds a handler for which processor: cargo alone, or a tool that brings a linker and an older
//! C library for Lambda.

use std::path::PathBuf;

use labdeck_lab::blueprint::Architecture;

/// A way of building.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `cargo build`, for this machine's own processor and C library.
    Cargo,
    /// `cargo zigbuild` (<https://github.com/rust-cross/cargo-zigbuild>).
    Zigbuild,
    /// `cargo lambda build` (<https://www.cargo-lambda.info>), which uses zig as well.
    Lambda,
}

/// The C library that zig links against: that of `provided.al2023`.
const GLIBC: &str = "2.34";

impl Tool {
    /// What is asked of cargo, with the target where it is not this machine's own.
    pub fn arguments(self, architecture: Architecture) -> Vec<String> {
        let triple = triple(architecture);
        match self {
            Self::Cargo => vec!["build".to_owned()],
            Self::Zigbuild => {
                vec!["zigbuild".to_owned(), "--target".to_owned(), format!("{triple}.{GLIBC}")]
            }
            // It adds the version of the C library itself.
            Self::Lambda => ["lambda", "build", "--target", triple].map(str::to_owned).to_vec(),
        }
    }

    /// The command as people type it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo build",
            Self::Zigbuild => "cargo zigbuild",
            Self::Lambda => "cargo lambda build",
        }
    }
}

/// The target that stands for a processor of Lambda's.
pub fn triple(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    }
}

/// This machine's processor, where Lambda has it and programs for it are Linux programs.
pub fn host() -> Option<Architecture> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(Architecture::X86_64),
        ("linux", "aarch64") => Some(Architecture::Arm64),
        _ => None,
    }
}

/// The tool for other processors and older C libraries, where one is installed.
pub fn cross() -> Option<Tool> {
    if on_path("cargo-zigbuild") {
        Some(Tool::Zigbuild)
    } else if on_path("cargo-lambda") {
        Some(Tool::Lambda)
    } else {
        None
    }
}

/// How to get a tool for other processors and older C libraries.
pub const HOW_TO_CROSS: &str = "install one that can: `pip install cargo-zigbuild ziglang`, or `pip install \
    cargo-lambda ziglang` (https://www.cargo-lambda.info), and the processor's standard library \
    (`rustup target add`)";

/// Whether a program is on the `PATH`, or where cargo looks for its own.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    std::env::split_paths(&path)
        .chain(cargo_home.map(|home| home.join("bin")))
        .any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_name_lambdas_c_library() {
        let arm = Tool::Zigbuild.arguments(Architecture::Arm64);
        assert_eq!(arm, ["zigbuild", "--target", "aarch64-unknown-linux-gnu.2.34"]);
        assert_eq!(Tool::Cargo.arguments(Architecture::X86_64), ["build"]);
        assert!(!on_path("no-program-has-this-name"));
    }
}
