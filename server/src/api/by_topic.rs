//! Offsets by topic and partition: what OffsetCommit, TxnOffsetCommit and OffsetDelete have in common.
//!
//! Partitions that do not exist or may not be read are answered at the door, the others by the group's shard; here both become one
//! answer.

use super::RequestContext;
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use std::collections::HashMap;
use uuid::Uuid;

/// A topic of a request.
pub(super) trait Asked {
    type Partition;
    type Answer: Answered;
    fn name(&self) -> &TopicName;
    fn partitions(&mut self) -> &mut Vec<Self::Partition>;
    fn indexes(&self) -> impl Iterator<Item = i32>;
    fn index_of(partition: &Self::Partition) -> i32;
}

/// A topic of an answer.
pub(super) trait Answered {
    type Partition;
    fn new(name: TopicName) -> Self;
    fn name(&self) -> &TopicName;
    fn partitions(&mut self) -> &mut Vec<Self::Partition>;
    fn row(partition_index: i32, error: ResponseError) -> Self::Partition;
}

/// The two for the topic and partition types of one API.
macro_rules! by_topic {
    ($asked:ty, $asked_partition:ty => $answer:ty, $answer_partition:ty) => {
        impl crate::api::by_topic::Asked for $asked {
            type Partition = $asked_partition;
            type Answer = $answer;

            fn name(&self) -> &TopicName {
                &self.name
            }

            fn partitions(&mut self) -> &mut Vec<$asked_partition> {
                &mut self.partitions
            }

            fn indexes(&self) -> impl Iterator<Item = i32> {
                self.partitions.iter().map(Self::index_of)
            }

            fn index_of(partition: &$asked_partition) -> i32 {
                partition.partition_index
            }
        }

        impl crate::api::by_topic::Answered for $answer {
            type Partition = $answer_partition;

            fn new(name: TopicName) -> Self {
                Self::default().with_name(name)
            }

            fn name(&self) -> &TopicName {
                &self.name
            }

            fn partitions(&mut self) -> &mut Vec<$answer_partition> {
                &mut self.partitions
            }

            fn row(partition_index: i32, error: ResponseError) -> $answer_partition {
                Self::Partition::default().with_partition_index(partition_index).with_error_code(error.code())
            }
        }
    };
}
pub(super) use by_topic;

/// One row per topic name, in the order in which they were first answered.
pub(super) struct Answer<A> {
    topics: Vec<A>,
    places: HashMap<TopicName, usize>,
}

impl<A: Answered> Answer<A> {
    fn topic(&mut self, name: &TopicName) -> &mut A {
        let place = *self.places.entry(name.clone()).or_insert_with(|| {
            self.topics.push(A::new(name.clone()));
            self.topics.len() - 1
        });
        &mut self.topics[place]
    }

    /// The shard's rows come behind ours. A topic that was asked twice stays twice only when nothing was refused, as in Kafka.
    pub(super) fn with(mut self, of_shard: Vec<A>) -> Vec<A> {
        if self.topics.is_empty() {
            return of_shard;
        }
        for mut topic in of_shard {
            let rows = std::mem::take(topic.partitions());
            self.topic(topic.name()).partitions().extend(rows);
        }
        self.topics
    }
}

/// What the shard may see, each topic told its id; the rest is answered at once. A refused topic has its row even when no partition was
/// asked for.
pub(super) fn keep_known<T: Asked>(
    ctx: &RequestContext,
    asked: Vec<T>,
    mut found: impl FnMut(&mut T, Uuid),
) -> (Vec<T>, Answer<T::Answer>) {
    let image = ctx.node.image();
    let mut known = Vec::with_capacity(asked.len());
    let mut answer: Answer<T::Answer> = Answer { topics: Vec::new(), places: HashMap::new() };
    for mut topic in asked {
        let name = topic.name().clone();
        let allowed = ctx.allows(Operation::Read, Resource::Topic(&name));
        let error = if allowed { ResponseError::UnknownTopicOrPartition } else { ResponseError::TopicAuthorizationFailed };
        let Some(of_image) = image.topics().by_name(&name).filter(|_| allowed) else {
            let rows = topic.indexes().map(|index| T::Answer::row(index, error));
            answer.topic(&name).partitions().extend(rows);
            continue;
        };
        topic.partitions().retain(|partition| {
            let index = T::index_of(partition);
            let exists = of_image.partitions.contains_key(&index);
            if !exists {
                answer.topic(&name).partitions().push(T::Answer::row(index, error));
            }
            exists
        });
        if !topic.partitions().is_empty() {
            found(&mut topic, of_image.id.0);
            known.push(topic);
        }
    }
    (known, answer)
}

/// One error beside every partition.
pub(super) fn failed<T: Asked>(topics: &[T], error: ResponseError) -> Vec<T::Answer> {
    let topic = |topic: &T| {
        let mut row = T::Answer::new(topic.name().clone());
        row.partitions().extend(topic.indexes().map(|index| T::Answer::row(index, error)));
        row
    };
    topics.iter().map(topic).collect()
}
