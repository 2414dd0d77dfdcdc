//! The programs of the lessons: which ones there are, where their files are, and how they get built.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shared::catalog::{LESSONS, LessonInfo};

use crate::error::StartError;

/// The lesson that is not compared: it is an app of its own, without the list of users.
const CHAT: &str = "chat";

/// Returns the lessons that are compared, in the order of the course.
pub(crate) fn compared_lessons() -> impl Iterator<Item = &'static LessonInfo> {
    LESSONS.iter().filter(|lesson| lesson.name != CHAT)
}

/// Returns the folder with the programs of the lessons, which is the folder of this program: `target/debug` or
/// `target/release`.
///
/// `cargo run -p compare` builds only `compare`, so under cargo this function builds the lessons first. That also means
/// that a change in a lesson's `main.rs` takes effect. Without cargo, the programs must be in the folder.
///
/// # Errors
/// If cargo fails, or a program is missing.
pub(crate) fn folder_of_lessons() -> Result<PathBuf, StartError> {
    let program = env::current_exe().map_err(StartError::Folder)?;
    let folder = program.parent().map(Path::to_owned).unwrap_or_default();
    // `cargo run` sets this variable to its own path.
    if let Some(cargo) = env::var_os("CARGO") {
        build(&cargo, &folder)?;
    }
    match compared_lessons().find(|lesson| !program_in(&folder, lesson.name).is_file()) {
        Some(LessonInfo { name, .. }) => Err(StartError::Missing { name }),
        None => Ok(folder),
    }
}

/// Returns the path of the program `name` in `folder`.
pub(crate) fn program_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// Builds the lessons into `folder`, with the same profile as this program.
fn build(cargo: &OsStr, folder: &Path) -> Result<(), StartError> {
    let mut command = Command::new(cargo);
    command.args(["build", "--profile", profile_of(folder)]);
    command.args(compared_lessons().flat_map(|lesson| ["-p", lesson.name]));
    command.args([
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"),
    ]);
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    // If stderr is closed, nobody wants to know.
    writeln!(io::stderr(), "compare: builds the five lessons …").ok();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    if status.map_err(StartError::Cargo)?.success() {
        Ok(())
    } else {
        Err(StartError::Build)
    }
}

/// Returns the profile whose programs cargo puts into `folder`. The folder has the profile's name, except for `dev`.
fn profile_of(folder: &Path) -> &str {
    match folder.file_name().and_then(OsStr::to_str) {
        None | Some("debug") => "dev",
        Some(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lessons_are_built_with_the_profile_of_this_program() {
        for (folder, profile) in [
            ("target/debug", "dev"),
            ("target/release", "release"),
            ("target/small", "small"),
        ] {
            assert_eq!(profile_of(Path::new(folder)), profile);
        }
    }
}
