//! The harness of the compatibility stories.
