//! What to do when a foreign toolchain is missing: skip on a developer's machine, fail in CI. The only place that decides it.
//!
//! And where what a language's own package manager installs is kept: once per set of lock files, under the target directory.

use crate::ottla::profile_dir;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A toolchain that is there, or the reason why not.
pub type Toolchain<T> = Result<T, String>;

/// Says aloud that a story does not run, and why. Fails instead when the environment says `CI=true`.
///
/// # Panics
/// In CI: there a missing toolchain is a broken machine, not an excuse.
pub fn skip(story: &str, reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{story}: {reason} (CI=true: not skipped)");
    // Straight to the file descriptor: the test runner hides what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED {story}: {reason}");
}

/// The toolchain when it is there; otherwise [`skip`]s the story.
pub fn need<T>(story: &str, found: Toolchain<T>) -> Option<T> {
    found.map_err(|reason| skip(story, &reason)).ok()
}

/// A directory that `install` has filled for just these files: lock files, sources. Filled anew when one of them changes.
pub(crate) fn installed(what: &str, made_from: &[&Path], install: impl FnOnce(&Path) -> Result<(), String>) -> Toolchain<PathBuf> {
    let failed = |error: std::io::Error| format!("{what}: {error}");
    let target = profile_dir().map_err(|error| format!("{what}: {error:#}"))?;
    let cache = target.parent().ok_or("the profile lies in the target directory")?.join("compat-cache");
    let (dir, stamp) = (cache.join(what), cache.join(format!("{what}.stamp")));
    fs::create_dir_all(&cache).map_err(failed)?;
    // Several test programs may come here at once; one installs, the others wait for the lock.
    let lock = File::create(cache.join(format!("{what}.lock"))).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut now = Vec::new();
    for path in made_from {
        now.extend(fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    if fs::read(&stamp).is_ok_and(|before| before == now) {
        return Ok(dir);
    }
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(failed)?;
    install(&dir)?;
    fs::write(&stamp, now).map_err(failed)?;
    Ok(dir)
}

/// One step of an installation; what it said is the reason when it fails.
pub(crate) fn step(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said).trim()))
}

/// Whether a program is on the path and answers.
pub(crate) fn has(program: &str, question: &str) -> bool {
    Command::new(program).arg(question).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
