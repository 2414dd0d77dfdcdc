//! [`build_example`]: for tests of a crate's `examples/`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Builds the example `name` of `package` as it is now, and returns its path. Cargo passes the paths of binaries to a
/// test, but not those of examples, and builds no examples if a command names a test.
#[must_use]
pub fn build_example(package: &str, name: &str) -> PathBuf {
    // target/debug/deps/lesson-0123456789abcdef
    let test = env::current_exe().expect("the path of the test");
    let profile = test.ancestors().nth(2).expect("the folder of the profile");
    let target = profile.parent().expect("the target folder");
    let mut build = Command::new(env!("CARGO"));
    build.args([
        "build",
        "--quiet",
        "--locked",
        "-p",
        package,
        "--example",
        name,
    ]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let status = build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .status();
    assert!(status.expect("cargo runs").success(), "{name}.rs compiles");
    profile.join("examples").join(name)
}
