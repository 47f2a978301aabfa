//! The one look that the broker takes into a member's metadata: which topics it names.

use std::sync::Arc;

/// The protocol type of consumers.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

/// Topics of a `ConsumerProtocolSubscription`. Read as version 0, which every version begins with; `None` when it cannot be read.
pub(super) fn topics(metadata: &[u8]) -> Option<Vec<Arc<str>>> {
    let mut rest = metadata;
    let _version: [u8; 2] = take(&mut rest)?;
    let count = i32::from_be_bytes(take(&mut rest)?);
    let mut topics = Vec::new();
    for _ in 0..usize::try_from(count).ok()? {
        let length = usize::try_from(i16::from_be_bytes(take(&mut rest)?)).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        topics.push(Arc::from(std::str::from_utf8(name).ok()?));
        rest = after;
    }
    let user_data = i32::from_be_bytes(take(&mut rest)?);
    if usize::try_from(user_data).is_ok_and(|length| length > rest.len()) {
        return None;
    }
    Some(topics)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}
