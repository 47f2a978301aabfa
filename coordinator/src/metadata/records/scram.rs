//! SCRAM credentials: types 11 and 22.

use crate::codec::{FieldError, Reader, Writer};
use std::fmt;

/// A SCRAM credential of a user (type 11, v0).
#[derive(Clone, PartialEq, Eq)]
pub struct UserScramCredentialRecord {
    /// The user.
    pub name: String,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// The salt.
    pub salt: Vec<u8>,
    /// The stored key.
    pub stored_key: Vec<u8>,
    /// The server key.
    pub server_key: Vec<u8>,
    /// The iteration count.
    pub iterations: i32,
}

/// A SCRAM credential is gone (type 22, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveUserScramCredentialRecord {
    /// The user.
    pub name: String,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
}

/// Keys never reach a log line.
impl fmt::Debug for UserScramCredentialRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserScramCredentialRecord").field("name", &self.name).field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl UserScramCredentialRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            name: r.string("user")?,
            mechanism: r.i8("mechanism")?,
            salt: r.bytes("salt")?,
            stored_key: r.bytes("stored key")?,
            server_key: r.bytes("server key")?,
            iterations: r.i32("iterations")?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.name);
        w.i8(self.mechanism);
        w.byte_string(&self.salt);
        w.byte_string(&self.stored_key);
        w.byte_string(&self.server_key);
        w.i32(self.iterations);
        w.no_tags();
    }
}

impl RemoveUserScramCredentialRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self { name: r.string("user")?, mechanism: r.i8("mechanism")? };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.name);
        w.i8(self.mechanism);
        w.no_tags();
    }
}
