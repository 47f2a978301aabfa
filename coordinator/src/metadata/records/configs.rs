//! Dynamic configs: type 4.

use crate::codec::{FieldError, Reader, Writer};

/// One config key of one resource (type 4, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRecord {
    /// Kafka's number of the resource type: 2 topic, 4 broker, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name; empty for the cluster-wide broker default.
    pub resource_name: String,
    /// The key.
    pub name: String,
    /// The value; `None` removes the key.
    pub value: Option<String>,
}

impl ConfigRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            resource_type: r.i8("resource type")?,
            resource_name: r.string("resource name")?,
            name: r.string("config name")?,
            value: r.nullable_string("config value")?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.i8(self.resource_type);
        w.string(&self.resource_name);
        w.string(&self.name);
        w.nullable_string(self.value.as_deref());
        w.no_tags();
    }
}
