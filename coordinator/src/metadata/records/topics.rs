//! Topics: types 2 and 9.

use super::RecordError;
use crate::codec::{Reader, Writer};
use crate::metadata::{TopicId, TopicName};

/// A topic's name and id (type 2, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// The name.
    pub name: TopicName,
    /// The identity.
    pub topic_id: TopicId,
}

/// A topic and all its partitions are gone (type 9, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveTopicRecord {
    /// The topic.
    pub topic_id: TopicId,
}

impl TopicRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        let record = Self { name: TopicName::parse(&r.string("topic name")?)?, topic_id: TopicId(r.uuid("topic id")?) };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.name);
        w.uuid(self.topic_id.0);
        w.no_tags();
    }
}

impl RemoveTopicRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        let record = Self { topic_id: TopicId(r.uuid("topic id")?) };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.uuid(self.topic_id.0);
        w.no_tags();
    }
}
