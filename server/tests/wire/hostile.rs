//! Bytes that are no requests, and clients that will not read or write.

use super::*;
