//! DescribeTransactions and ListTransactions.

use super::hard::{Hard, Transaction};
use super::{TransactionState, TxnEffects, TxnReply};
use crate::effects::Ticket;
use crate::group::TopicRegex;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState as DescribedTransaction};
use kafka_protocol::messages::list_transactions_response::TransactionState as ListedTransaction;
use kafka_protocol::messages::{ListTransactionsRequest, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeSet;

pub(super) fn describe(hard: &Hard, ticket: Ticket, transactional_id: &str) -> TxnEffects {
    let mut described = match hard.transactions.get(transactional_id) {
        _ if transactional_id.is_empty() => DescribedTransaction::default().with_error_code(ResponseError::InvalidRequest.code()),
        None => DescribedTransaction::default().with_error_code(ResponseError::TransactionalIdNotFound.code()),
        Some(transaction) => described(transaction),
    };
    described.transactional_id = TransactionalId(StrBytes::from_string(transactional_id.to_owned()));
    TxnEffects::reply(ticket, TxnReply::Described(Box::new(described)))
}

fn described(transaction: &Transaction) -> DescribedTransaction {
    let topic = |(topic, partitions): (&std::sync::Arc<str>, &BTreeSet<i32>)| {
        let name = TopicName(StrBytes::from_string(topic.to_string()));
        TopicData::default().with_topic(name).with_partitions(partitions.iter().copied().collect())
    };
    DescribedTransaction::default()
        .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.start_ms)
        .with_producer_id(ProducerId(transaction.producer.id))
        .with_producer_epoch(transaction.producer.epoch)
        .with_topics(transaction.partitions.iter().map(topic).collect())
}

/// What a ListTransactions asks for, read once for all shards.
#[derive(Clone, Debug)]
pub struct ListFilter {
    states: Option<BTreeSet<TransactionState>>,
    producer_ids: BTreeSet<i64>,
    /// Negative: any.
    longer_than_ms: i64,
    pattern: Option<TopicRegex>,
    unknown_states: Vec<StrBytes>,
}

/// States that Kafka knows and no list ever shows.
const NEVER_SHOWN: [&str; 2] = ["Dead", "PrepareEpochFence"];

impl ListFilter {
    /// Reads a request; INVALID_REGULAR_EXPRESSION for a pattern that is none.
    pub fn new(request: &ListTransactionsRequest) -> Result<Self, ResponseError> {
        let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let pattern = pattern.map(TopicRegex::compile).transpose().map_err(|_| ResponseError::InvalidRegularExpression)?;
        let mut states = BTreeSet::new();
        let mut unknown_states = BTreeSet::new();
        for name in &request.state_filters {
            match TransactionState::from_name(name) {
                Some(state) => {
                    states.insert(state);
                }
                None if NEVER_SHOWN.contains(&&**name) => {}
                None => {
                    unknown_states.insert(name.clone());
                }
            }
        }
        Ok(Self {
            states: (!request.state_filters.is_empty()).then_some(states),
            producer_ids: request.producer_id_filters.iter().map(|id| id.0).collect(),
            longer_than_ms: request.duration_filter,
            pattern,
            unknown_states: unknown_states.into_iter().collect(),
        })
    }

    /// State names that nobody knows, for the answer.
    #[must_use]
    pub fn unknown_states(&self) -> &[StrBytes] {
        &self.unknown_states
    }

    fn passes(&self, id: &str, transaction: &Transaction, now: Millis) -> bool {
        // Without a transaction the start is -1, which is a long time ago, as in Kafka.
        let lasted_ms = now.0.saturating_sub(transaction.start_ms);
        (self.producer_ids.is_empty() || self.producer_ids.contains(&transaction.producer.id))
            && self.states.as_ref().is_none_or(|states| states.contains(&transaction.state))
            && (self.longer_than_ms < 0 || lasted_ms > self.longer_than_ms)
            && self.pattern.as_ref().is_none_or(|pattern| matches(pattern, id))
    }
}

/// Patterns are over ASCII. Of another character they see only that it is one, and neither letter nor digit.
fn matches(pattern: &TopicRegex, id: &str) -> bool {
    if id.is_ascii() {
        return pattern.matches(id);
    }
    pattern.matches(&id.chars().map(|c| if c.is_ascii() { c } else { '\u{1}' }).collect::<String>())
}

pub(super) fn list(hard: &Hard, now: Millis, ticket: Ticket, filter: &ListFilter) -> TxnEffects {
    let passing = hard.transactions.iter().filter(|(id, transaction)| filter.passes(&id.0, transaction, now));
    let listed = passing.map(|(id, transaction)| {
        ListedTransaction::default()
            .with_transactional_id(TransactionalId(StrBytes::from_string(id.to_string())))
            .with_producer_id(ProducerId(transaction.producer.id))
            .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
    });
    TxnEffects::reply(ticket, TxnReply::Listed(listed.collect()))
}
