//! Finalized feature levels: type 12.

use crate::codec::{FieldError, Reader, Writer};

/// A finalized feature level (type 12, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureLevelRecord {
    /// The feature.
    pub name: String,
    /// The level; 0 means the feature is off.
    pub level: i16,
}

impl FeatureLevelRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self { name: r.string("feature name")?, level: r.i16("feature level")? };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.name);
        w.i16(self.level);
        w.no_tags();
    }
}
