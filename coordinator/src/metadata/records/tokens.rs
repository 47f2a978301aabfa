//! Delegation tokens: types 10 and 26.

use crate::codec::{FieldError, Reader, Writer};

/// A delegation token (type 10, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationTokenRecord {
    /// Who owns it.
    pub owner: String,
    /// Who asked for it.
    pub requester: String,
    /// Who may renew it.
    pub renewers: Vec<String>,
    /// When it was issued, ms since the epoch.
    pub issue_timestamp: i64,
    /// When it can be renewed no more, ms since the epoch.
    pub max_timestamp: i64,
    /// When it expires unless renewed, ms since the epoch.
    pub expiration_timestamp: i64,
    /// Its id.
    pub token_id: String,
}

/// A delegation token is gone (type 26, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveDelegationTokenRecord {
    /// Its id.
    pub token_id: String,
}

impl DelegationTokenRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            owner: r.string("owner")?,
            requester: r.string("requester")?,
            renewers: r.list("renewers", |r| r.string("renewer"))?,
            issue_timestamp: r.i64("issue timestamp")?,
            max_timestamp: r.i64("max timestamp")?,
            expiration_timestamp: r.i64("expiration timestamp")?,
            token_id: r.string("token id")?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.owner);
        w.string(&self.requester);
        w.list(&self.renewers, |w, renewer| w.string(renewer));
        w.i64(self.issue_timestamp);
        w.i64(self.max_timestamp);
        w.i64(self.expiration_timestamp);
        w.string(&self.token_id);
        w.no_tags();
    }
}

impl RemoveDelegationTokenRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self { token_id: r.string("token id")? };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.token_id);
        w.no_tags();
    }
}
