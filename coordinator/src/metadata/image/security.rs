//! Quotas, ACLs, SCRAM credentials and delegation tokens: kept and handed on; their rules live elsewhere.

use super::ReplayError;
use crate::metadata::records::{
    AccessControlEntryRecord, ClientQuotaRecord, DelegationTokenRecord, QuotaEntityPart, RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Quotas per entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotasImage {
    by_entity: BTreeMap<QuotaEntity, BTreeMap<String, f64>>,
}

/// What a quota applies to: its parts in ascending order of type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity(Vec<QuotaEntityPart>);

impl QuotaEntity {
    /// The entity that the parts name, in any order.
    #[must_use]
    pub fn new(mut parts: Vec<QuotaEntityPart>) -> Self {
        parts.sort();
        Self(parts)
    }

    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[QuotaEntityPart] {
        &self.0
    }
}

impl ClientQuotasImage {
    /// The quotas of `entity`, by key.
    #[must_use]
    pub fn of(&self, entity: &QuotaEntity) -> Option<&BTreeMap<String, f64>> {
        self.by_entity.get(entity)
    }

    /// All entities that have quotas.
    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &BTreeMap<String, f64>)> {
        self.by_entity.iter()
    }

    pub(super) fn set(&mut self, record: &ClientQuotaRecord) {
        let entity = QuotaEntity::new(record.entity.clone());
        if record.remove {
            if let Some(quotas) = self.by_entity.get_mut(&entity) {
                quotas.remove(&record.key);
                if quotas.is_empty() {
                    self.by_entity.remove(&entity);
                }
            }
        } else {
            self.by_entity.entry(entity).or_default().insert(record.key.clone(), record.value);
        }
    }
}

/// ACLs by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclsImage {
    by_id: BTreeMap<Uuid, AccessControlEntryRecord>,
}

impl AclsImage {
    /// All ACLs by id.
    pub fn iter(&self) -> impl Iterator<Item = &AccessControlEntryRecord> {
        self.by_id.values()
    }

    pub(super) fn add(&mut self, record: &AccessControlEntryRecord) {
        self.by_id.insert(record.id, record.clone());
    }

    pub(super) fn remove(&mut self, record: &RemoveAccessControlEntryRecord) -> Result<(), ReplayError> {
        self.by_id.remove(&record.id).map(drop).ok_or(ReplayError::UnknownAcl(record.id))
    }
}

/// SCRAM credentials by mechanism and user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScramImage {
    by_user: BTreeMap<(i8, String), UserScramCredentialRecord>,
}

impl ScramImage {
    /// The credential of `user` for a mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[must_use]
    pub fn credential(&self, mechanism: i8, user: &str) -> Option<&UserScramCredentialRecord> {
        self.by_user.get(&(mechanism, user.to_owned()))
    }

    /// All credentials by mechanism and user.
    pub fn iter(&self) -> impl Iterator<Item = &UserScramCredentialRecord> {
        self.by_user.values()
    }

    pub(super) fn set(&mut self, record: &UserScramCredentialRecord) {
        self.by_user.insert((record.mechanism, record.name.clone()), record.clone());
    }

    pub(super) fn remove(&mut self, record: &RemoveUserScramCredentialRecord) {
        self.by_user.remove(&(record.mechanism, record.name.clone()));
    }
}

/// Delegation tokens by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelegationTokensImage {
    by_id: BTreeMap<String, DelegationTokenRecord>,
}

impl DelegationTokensImage {
    /// All tokens by id.
    pub fn iter(&self) -> impl Iterator<Item = &DelegationTokenRecord> {
        self.by_id.values()
    }

    pub(super) fn set(&mut self, record: &DelegationTokenRecord) {
        self.by_id.insert(record.token_id.clone(), record.clone());
    }

    pub(super) fn remove(&mut self, record: &RemoveDelegationTokenRecord) {
        self.by_id.remove(&record.token_id);
    }
}
