//! DescribeTransactions and ListTransactions.

use super::hard::Hard;
use super::{TxnEffects, TxnReply};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::messages::ListTransactionsRequest;
use kafka_protocol::messages::describe_transactions_response::TransactionState as DescribedTransaction;

pub(super) fn describe(_hard: &Hard, ticket: Ticket, _transactional_id: &str) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Described(Box::new(DescribedTransaction::default())))
}

pub(super) fn list(_hard: &Hard, _now: Millis, ticket: Ticket, _request: &ListTransactionsRequest) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Listed(Vec::new()))
}
