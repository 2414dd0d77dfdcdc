//! [`build_example`] and [`build_programs`]: for tests that need programs of other crates, or of a crate's `examples/`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Builds the example `name` of `package` as it is now, and returns its path. Cargo passes the paths of binaries to a
/// test, but not those of examples, and builds no examples if a command names a test.
#[must_use]
pub fn build_example(package: &str, name: &str) -> PathBuf {
    let folder = build(&["-p", package, "--example", name]);
    folder.join("examples").join(name)
}

/// Builds the programs of these packages as they are now, and returns the folder with them. Each has the name of its
/// package. Cargo passes the paths of a package's own programs only.
#[must_use]
pub fn build_programs<'a>(packages: impl IntoIterator<Item = &'a str>) -> PathBuf {
    let packages = packages.into_iter();
    let arguments: Vec<_> = packages.flat_map(|package| ["-p", package]).collect();
    build(&arguments)
}

/// Runs `cargo build` with the profile of this test, and returns the folder of the profile.
fn build(arguments: &[&str]) -> PathBuf {
    // target/debug/deps/lesson-0123456789abcdef
    let test = env::current_exe().expect("the path of the test");
    let profile = test.ancestors().nth(2).expect("the folder of the profile");
    let target = profile.parent().expect("the target folder");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked"]).args(arguments);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let status = build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .status();
    assert!(status.expect("cargo runs").success(), "{arguments:?}");
    profile.to_owned()
}
