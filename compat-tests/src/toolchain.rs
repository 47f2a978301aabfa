//! What to do when a foreign toolchain is missing: skip on a developer's machine, fail in CI. The only place that decides it.

use std::io::Write;

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
