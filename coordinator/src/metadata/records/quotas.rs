//! Client quotas: type 14.

use crate::codec::{FieldError, Reader, Writer};

/// One quota key of one entity (type 14, v0).
#[derive(Clone, Debug, PartialEq)]
pub struct ClientQuotaRecord {
    /// The entity, as the parts that name it.
    pub entity: Vec<QuotaEntityPart>,
    /// The quota's key.
    pub key: String,
    /// The value, ignored when removed.
    pub value: f64,
    /// Whether the key is removed.
    pub remove: bool,
}

/// One part of a quota entity, such as a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntityPart {
    /// `user`, `client-id` or `ip`.
    pub entity_type: String,
    /// The name; `None` for the default of the type.
    pub entity_name: Option<String>,
}

impl QuotaEntityPart {
    fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let part = Self { entity_type: r.string("entity type")?, entity_name: r.nullable_string("entity name")? };
        r.no_tags()?;
        Ok(part)
    }

    fn write(&self, w: &mut Writer) {
        w.string(&self.entity_type);
        w.nullable_string(self.entity_name.as_deref());
        w.no_tags();
    }
}

impl ClientQuotaRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            entity: r.list("quota entity", QuotaEntityPart::read)?,
            key: r.string("quota key")?,
            value: r.f64("quota value")?,
            remove: r.bool("remove")?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.list(&self.entity, |w, part| part.write(w));
        w.string(&self.key);
        w.f64(self.value);
        w.bool(self.remove);
        w.no_tags();
    }
}
