//! [`Scratch`]: a copy of the workspace, in which patches are applied.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::patch::Patch;

/// A copy of a workspace, and the folder for what cargo builds there. Both stay after the test, so that the next one
/// builds only what has changed.
pub(crate) struct Scratch {
    source: PathBuf,
    /// The copy.
    pub(crate) workspace: PathBuf,
    /// The `CARGO_TARGET_DIR` of the copy.
    pub(crate) target: PathBuf,
}

impl Scratch {
    /// Copies the workspace `source` into `folder`.
    pub(crate) fn new(source: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        // Git compares such paths as texts, so they must not have symbolic links.
        let folder = folder.canonicalize().unwrap();
        let scratch = Self {
            source: source.to_owned(),
            workspace: folder.join("workspace"),
            target: folder.join("target"),
        };
        scratch.reset();
        scratch
    }

    /// Makes the copy equal to the workspace again. A file that is equal already keeps its time, so that cargo does not
    /// build it again.
    pub(crate) fn reset(&self) {
        for file in self.changed_files() {
            let copy = self.workspace.join(&file);
            match fs::read(self.source.join(&file)) {
                Ok(content) => {
                    fs::create_dir_all(copy.parent().unwrap()).unwrap();
                    fs::write(copy, content).unwrap();
                }
                Err(_) => fs::remove_file(copy).unwrap(),
            }
        }
    }

    /// Applies a patch to the copy. Returns what is wrong with the patch if that fails.
    pub(crate) fn apply(&self, patch: &Patch) -> Result<(), String> {
        // In an ignored folder of a repository, `git apply` changes nothing and still succeeds. With the ceiling, git
        // does not look for a repository above the copy.
        let output = Command::new("git")
            .arg("apply")
            .arg(&patch.path)
            .current_dir(&self.workspace)
            .env("GIT_CEILING_DIRECTORIES", self.workspace.parent().unwrap())
            .output()
            .expect("git is installed");
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("does not apply: {}", message.trim_end()));
        }
        let changed = self.changed_files();
        if changed != patch.files {
            return Err(format!(
                "names the files {:?}, but applying it has changed {changed:?}",
                patch.files
            ));
        }
        Ok(())
    }

    /// Returns the files in which the copy differs from the workspace.
    fn changed_files(&self) -> BTreeSet<PathBuf> {
        let mut files = tracked_files(&self.source);
        collect_files(&self.workspace, &self.workspace, &mut files);
        let content = |root: &Path, file: &Path| read(&root.join(file)).unwrap();
        let is_changed =
            |file: &PathBuf| content(&self.source, file) != content(&self.workspace, file);
        files.into_iter().filter(is_changed).collect()
    }
}

/// Reads a file; `None` if there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the files of a repository that git does not ignore, whether they are committed or not.
fn tracked_files(repository: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(repository)
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "the workspace is a git repository");
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.split('\0').filter(|name| !name.is_empty());
    names.map(PathBuf::from).collect()
}

/// Adds all files of the copy, also those that a test has left behind.
fn collect_files(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return; // There is no copy yet.
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect_files(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_owned());
        }
    }
}
