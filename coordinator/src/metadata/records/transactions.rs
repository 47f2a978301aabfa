//! Metadata transactions: types 23 to 25 (KIP-868). Nothing between begin and end is published before the end.

use crate::codec::{FieldError, Reader, Writer};

/// Records up to the end or abort belong together (type 23, v0).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BeginTransactionRecord {
    /// What the transaction is for.
    pub name: Option<String>,
}

/// The records since the begin do not count (type 25, v0).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbortTransactionRecord {
    /// Why.
    pub reason: Option<String>,
}

/// Both records are one nullable string in tag 0.
fn read_text(r: &mut Reader<'_>, field: &'static str) -> Result<Option<String>, FieldError> {
    let mut text = None;
    r.tagged(|tag, r| {
        if tag == 0 {
            text = r.nullable_string(field)?;
        }
        Ok(())
    })?;
    Ok(text)
}

fn write_text(w: &mut Writer, text: Option<&str>) {
    w.tagged(|t| {
        if let Some(text) = text {
            t.field(0, |w| w.string(text));
        }
    });
}

impl BeginTransactionRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        read_text(r, "transaction name").map(|name| Self { name })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        write_text(w, self.name.as_deref());
    }
}

impl AbortTransactionRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        read_text(r, "abort reason").map(|reason| Self { reason })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        write_text(w, self.reason.as_deref());
    }
}
