//! Bytes of keys and values.

use super::{GroupRecord, RecordError};

pub(super) fn decode(_key: &[u8], _value: Option<&[u8]>) -> Result<GroupRecord, RecordError> {
    Err(RecordError::Truncated { field: "key" })
}

pub(super) fn encode(_record: &GroupRecord) -> (Vec<u8>, Option<Vec<u8>>) {
    (Vec::new(), None)
}
