//! ACLs: types 18 and 19. The numbers are Kafka's codes of the enums of the same names.

use crate::codec::{FieldError, Reader, Writer};
use uuid::Uuid;

/// An ACL (type 18, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessControlEntryRecord {
    /// The identity of the entry.
    pub id: Uuid,
    /// The resource type.
    pub resource_type: i8,
    /// The resource name.
    pub resource_name: String,
    /// The pattern type.
    pub pattern_type: i8,
    /// The principal.
    pub principal: String,
    /// The host.
    pub host: String,
    /// The operation.
    pub operation: i8,
    /// Allow or deny.
    pub permission_type: i8,
}

/// An ACL is gone (type 19, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveAccessControlEntryRecord {
    /// The identity of the entry.
    pub id: Uuid,
}

impl AccessControlEntryRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            id: r.uuid("acl id")?,
            resource_type: r.i8("resource type")?,
            resource_name: r.string("resource name")?,
            pattern_type: r.i8("pattern type")?,
            principal: r.string("principal")?,
            host: r.string("host")?,
            operation: r.i8("operation")?,
            permission_type: r.i8("permission type")?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.uuid(self.id);
        w.i8(self.resource_type);
        w.string(&self.resource_name);
        w.i8(self.pattern_type);
        w.string(&self.principal);
        w.string(&self.host);
        w.i8(self.operation);
        w.i8(self.permission_type);
        w.no_tags();
    }
}

impl RemoveAccessControlEntryRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self { id: r.uuid("acl id")? };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.uuid(self.id);
        w.no_tags();
    }
}
