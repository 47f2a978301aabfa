//! Ottla as a library.
