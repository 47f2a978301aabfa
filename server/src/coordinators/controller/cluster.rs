//! The controller requests about the cluster itself: elections, moves, features, brokers, the quorum, credentials.

use super::Controller;
use crate::broker::Node;
use crate::dynamic_config::topic_overrides;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse, ElectLeadersRequest, ElectLeadersResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::metadata::{ApiError, BrokerId, ElectionRules, MetadataReply, UpdateFeaturesContext};
use std::sync::Arc;

const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";

/// What topics' configurations say about elections.
struct Elections {
    node: Arc<Node>,
    image: Arc<MetadataImage>,
}

impl Elections {
    fn of(node: &Arc<Node>) -> Self {
        Self { node: Arc::clone(node), image: node.image() }
    }
}

impl ElectionRules for Elections {
    fn min_insync_replicas(&self, topic: &str) -> usize {
        self.node.dynamic.partition_config(&self.image, topic).min_insync_replicas
    }

    fn unclean_election(&self, topic: &str) -> bool {
        match topic_overrides(&self.image, topic).as_ref().and_then(|own| own.get(UNCLEAN_ELECTION)) {
            Some(own) => own.eq_ignore_ascii_case("true"),
            None => self.node.dynamic.kept().unclean_leader_election_enable(),
        }
    }
}

/// How far the metadata log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuorumState {
    pub(crate) leader_epoch: i32,
    /// What is synced: the only voter's log is committed as far as it goes.
    pub(crate) log_end_offset: i64,
}

impl Controller {
    /// ElectLeaders by the coordinator's rules.
    pub(crate) async fn elect_leaders(&self, node: &Arc<Node>, request: ElectLeadersRequest) -> Result<ElectLeadersResponse, ApiError> {
        let node = Arc::clone(node);
        let reply = self
            .submit(move |runtime| {
                let rules = Elections::of(&node);
                runtime.run(|shard, ticket, _| shard.elect_leaders(ticket, &request, &rules))
            })
            .await;
        match reply {
            Ok(Some(MetadataReply::ElectLeaders(outcome))) => outcome,
            other => Err(no_reply(other)),
        }
    }

    /// AlterPartitionReassignments by the coordinator's rules.
    pub(crate) async fn alter_partition_reassignments(
        &self,
        node: &Arc<Node>,
        request: AlterPartitionReassignmentsRequest,
    ) -> Result<AlterPartitionReassignmentsResponse, ApiError> {
        let node = Arc::clone(node);
        let reply = self
            .submit(move |runtime| {
                let rules = Elections::of(&node);
                runtime.run(|shard, ticket, _| shard.alter_partition_reassignments(ticket, &request, &rules))
            })
            .await;
        match reply {
            Ok(Some(MetadataReply::AlterPartitionReassignments(response))) => Ok(response),
            other => Err(no_reply(other)),
        }
    }

    /// UnregisterBroker by the coordinator's rules.
    pub(crate) async fn unregister_broker(&self, node: &Arc<Node>, broker: i32) -> Result<(), ApiError> {
        let node = Arc::clone(node);
        let reply = self
            .submit(move |runtime| {
                let rules = Elections::of(&node);
                runtime.run(|shard, ticket, _| shard.unregister_broker(ticket, BrokerId(broker), &rules))
            })
            .await;
        match reply {
            Ok(Some(MetadataReply::UnregisterBroker(outcome))) => outcome,
            other => Err(no_reply(other)),
        }
    }

    /// UpdateFeatures by the coordinator's rules.
    pub(crate) async fn update_features(
        &self,
        node: &Arc<Node>,
        api_version: i16,
        request: UpdateFeaturesRequest,
    ) -> Result<UpdateFeaturesResponse, ApiError> {
        let min_insync_replicas = node.config.min_insync_replicas();
        let context = UpdateFeaturesContext { api_version, controller: BrokerId(node.node_id), min_insync_replicas };
        let reply = self.submit(move |runtime| runtime.run(|shard, ticket, _| shard.update_features(ticket, &request, context))).await;
        match reply {
            Ok(Some(MetadataReply::UpdateFeatures(response))) => Ok(response),
            other => Err(no_reply(other)),
        }
    }

    /// AlterUserScramCredentials by the coordinator's rules.
    pub(crate) async fn alter_user_scram_credentials(
        &self,
        request: AlterUserScramCredentialsRequest,
    ) -> Result<AlterUserScramCredentialsResponse, ApiError> {
        let reply = self.submit(move |runtime| runtime.run(|shard, ticket, _| shard.alter_user_scram_credentials(ticket, &request))).await;
        match reply {
            Ok(Some(MetadataReply::AlterUserScramCredentials(response))) => Ok(response),
            other => Err(no_reply(other)),
        }
    }

    /// How far the metadata log is.
    pub(crate) async fn quorum_state(&self) -> Result<QuorumState, ResponseError> {
        self.submit(|runtime| Ok(QuorumState { leader_epoch: runtime.log.epoch(), log_end_offset: runtime.log.end_offset() })).await
    }
}

/// The controller gave no answer, or not the one that was asked for.
fn no_reply(reply: Result<Option<MetadataReply>, ResponseError>) -> ApiError {
    ApiError { error: reply.err().unwrap_or(ResponseError::UnknownServerError), message: None }
}
