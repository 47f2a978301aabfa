//! The `ottla` binary under test: found where cargo put it, built when it is missing or older than its sources.

use crate::workspace_root;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The binary: `OTTLA_BIN` when set, else the one of the profile this test itself was built with.
pub(crate) fn binary() -> Result<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(|| find_or_build().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

/// Where cargo puts what it builds for this profile: `target/debug` or its like.
pub(crate) fn profile_dir() -> Result<PathBuf> {
    let this = std::env::current_exe().context("own path")?;
    let deps = this.parent().context("a test lies in a directory")?;
    ensure!(deps.ends_with("deps"), "a test is expected in target/PROFILE/deps, not in {}", deps.display());
    Ok(deps.parent().context("deps lies in a profile's directory")?.to_path_buf())
}

fn find_or_build() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("OTTLA_BIN") {
        return Ok(PathBuf::from(given));
    }
    let profile_dir = profile_dir()?;
    let binary = profile_dir.join("ottla");
    // `cargo test --workspace` has just built it; building again without need would resolve other features and cost minutes.
    // `cargo test -p compat-tests` builds no binary at all, so a stale one may lie there.
    if built_at(&binary).is_some_and(|built| sources_changed_at().is_some_and(|changed| changed <= built)) {
        return Ok(binary);
    }
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => bail!("no profile in {}", profile_dir.display()),
    };
    let target_dir = profile_dir.parent().context("the profile's directory lies in the target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["build", "--locked", "-p", "ottla-server", "--bin", "ottla", "--profile", profile, "--target-dir"])
        .arg(target_dir)
        .status()
        .context("cargo build")?;
    ensure!(status.success(), "cargo build of the ottla binary: {status}");
    Ok(binary)
}

fn built_at(binary: &Path) -> Option<SystemTime> {
    fs::metadata(binary).ok()?.modified().ok()
}

/// The youngest source file that goes into the binary.
fn sources_changed_at() -> Option<SystemTime> {
    let root = workspace_root();
    let rooms = ["server", "storage", "coordinator"];
    let mut paths: Vec<PathBuf> = rooms.iter().flat_map(|room| [root.join(room).join("src"), root.join(room).join("Cargo.toml")]).collect();
    let mut youngest = None;
    while let Some(path) = paths.pop() {
        let about = fs::metadata(&path).ok()?;
        if about.is_dir() {
            paths.extend(fs::read_dir(&path).ok()?.filter_map(|entry| Some(entry.ok()?.path())));
        } else {
            youngest = youngest.max(about.modified().ok());
        }
    }
    youngest
}
