//! Which quota applies to whom: the most specific of the eight that a user and a client id can have (KIP-13, KIP-55, KIP-546).
//!
//! Two steps, as in Kafka. First it is decided who shares one measurement: all clients of a user, all users of a client id, or just this
//! pair. Then the quota of that group is looked up. While quotas of one sort only are set, the sort alone decides the first step; that is
//! seen when a client has no quota: what it does is measured all the same.
//!
//! | the first that is set | shares a measurement with |
//! |---|---|
//! | user and client id; user and default client id | nobody |
//! | user | all clients of the user |
//! | default user and client id; default user and default client id | nobody |
//! | default user | all clients of the user |
//! | client id; default client id | all users of the client id |

use ottla_coordinator::metadata::client_quotas::{CLIENT_ID, USER};
use ottla_coordinator::metadata::image::{ClientQuotasImage, QuotaEntity};
use std::collections::HashMap;

/// Sorts of entities that have a quota.
const CLIENT: u8 = 1;
const OF_USER: u8 = 2;
const PAIR: u8 = 4;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who<'a> {
    /// The principal's name.
    pub(crate) user: &'a str,
    /// What the client calls itself; may be empty.
    pub(crate) client_id: &'a str,
}

/// All quotas of one key.
#[derive(Debug, Default)]
pub(super) struct Entities {
    users: HashMap<String, User>,
    default_user: User,
    clients: HashMap<String, f64>,
    default_client: Option<f64>,
    sorts: u8,
}

/// The quotas of a user, or of all that have none.
#[derive(Debug, Default)]
struct User {
    own: Option<f64>,
    clients: HashMap<String, f64>,
    default_client: Option<f64>,
}

impl Entities {
    /// The quotas of `key`; `None` when there are none.
    pub(super) fn of(image: &ClientQuotasImage, key: &str) -> Option<Self> {
        let mut entities = Self::default();
        for (entity, quotas) in image.iter() {
            if let Some(quota) = quotas.get(key) {
                entities.insert(entity, *quota);
            }
        }
        (entities.sorts != 0).then_some(entities)
    }

    fn insert(&mut self, entity: &QuotaEntity, quota: f64) {
        let name = |kind: &str| entity.parts().iter().find(|part| part.entity_type == kind).map(|part| part.entity_name.clone());
        let (user, client_id) = (name(USER), name(CLIENT_ID));
        let slot = user.as_ref().map(|user| match user {
            Some(user) => self.users.entry(user.clone()).or_default(),
            None => &mut self.default_user,
        });
        self.sorts |= match (slot, client_id) {
            (Some(user), Some(client_id)) => {
                user.set_client(client_id, quota);
                PAIR
            }
            (Some(user), None) => {
                user.own = Some(quota);
                OF_USER
            }
            (None, Some(Some(client_id))) => {
                self.clients.insert(client_id, quota);
                CLIENT
            }
            (None, Some(None)) => {
                self.default_client = Some(quota);
                CLIENT
            }
            (None, None) => 0,
        };
    }

    /// With whom the client shares a measurement: an empty name stands for all.
    pub(super) fn group<'a>(&self, who: Who<'a>) -> Who<'a> {
        let user = Who { client_id: "", ..who };
        let client = Who { user: "", ..who };
        match self.sorts {
            CLIENT => return client,
            OF_USER => return user,
            PAIR => return who,
            _ => {}
        }
        for quotas in [self.users.get(who.user), Some(&self.default_user)].into_iter().flatten() {
            if quotas.clients.contains_key(who.client_id) || quotas.default_client.is_some() {
                return who;
            }
            if quotas.own.is_some() {
                return user;
            }
        }
        client
    }

    /// The quota of such a group. A client without a name has no part in the quotas of client ids.
    pub(super) fn quota(&self, group: Who<'_>) -> Option<f64> {
        let users = || [self.users.get(group.user), Some(&self.default_user)].into_iter().flatten();
        match (group.user.is_empty(), group.client_id.is_empty()) {
            (false, false) => users().find_map(|user| user.clients.get(group.client_id).copied().or(user.default_client)),
            (false, true) => users().find_map(|user| user.own),
            (true, false) => self.clients.get(group.client_id).copied().or(self.default_client),
            (true, true) => None,
        }
    }
}

impl User {
    fn set_client(&mut self, client_id: Option<String>, quota: f64) {
        match client_id {
            Some(client_id) => {
                self.clients.insert(client_id, quota);
            }
            None => self.default_client = Some(quota),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_coordinator::metadata::records::QuotaEntityPart;

    type Set<'a> = (Option<Option<&'a str>>, Option<Option<&'a str>>, f64);

    fn entities(set: &[Set<'_>]) -> Entities {
        let mut entities = Entities::default();
        for (user, client_id, quota) in set {
            let part =
                |kind: &str, name: Option<&str>| QuotaEntityPart { entity_type: kind.to_owned(), entity_name: name.map(str::to_owned) };
            let parts = user.iter().map(|name| part(USER, *name)).chain(client_id.iter().map(|name| part(CLIENT_ID, *name)));
            entities.insert(&QuotaEntity::new(parts.collect()), *quota);
        }
        entities
    }

    fn applies(entities: &Entities, user: &str, client_id: &str) -> Option<i64> {
        entities.quota(entities.group(Who { user, client_id })).map(|quota| quota as i64)
    }

    /// From the most specific to the least.
    const ALL: [Set<'_>; 8] = [
        (Some(Some("u")), Some(Some("c")), 1.0),
        (Some(Some("u")), Some(None), 2.0),
        (Some(Some("u")), None, 3.0),
        (Some(None), Some(Some("c")), 4.0),
        (Some(None), Some(None), 5.0),
        (Some(None), None, 6.0),
        (None, Some(Some("c")), 7.0),
        (None, Some(None), 8.0),
    ];

    #[test]
    fn the_most_specific_quota_wins_whatever_else_is_set() {
        for first in 0..8 {
            for others in 0..1 << (7 - first) {
                let with = |at: usize| at == first || (at > first && others >> (at - first - 1) & 1 == 1);
                let set: Vec<Set<'_>> = ALL.iter().enumerate().filter(|(at, _)| with(*at)).map(|(_, set)| *set).collect();
                assert_eq!(applies(&entities(&set), "u", "c"), Some(first as i64 + 1), "{set:?}");
            }
        }
    }

    #[test]
    fn others_fall_back_to_the_defaults() {
        let all = entities(&ALL);
        assert_eq!(applies(&all, "u", "other"), Some(2));
        assert_eq!(applies(&all, "other", "c"), Some(4));
        assert_eq!(applies(&all, "other", "other"), Some(5));
        assert_eq!(applies(&entities(&ALL[5..]), "other", "c"), Some(6));
        assert_eq!(applies(&entities(&ALL[6..]), "other", "c"), Some(7));
        assert_eq!(applies(&entities(&ALL[6..]), "other", "other"), Some(8));
        assert_eq!(applies(&entities(&ALL[..1]), "u", "other"), None);
        assert_eq!(applies(&entities(&ALL[2..3]), "other", "c"), None);
    }

    #[test]
    fn a_client_without_a_name_has_only_the_quotas_of_its_user() {
        assert_eq!(applies(&entities(&ALL[6..]), "u", ""), None);
        assert_eq!(applies(&entities(&ALL[1..2]), "u", ""), None);
        assert_eq!(applies(&entities(&ALL[2..3]), "u", ""), Some(3));
        assert_eq!(applies(&entities(&ALL[1..3]), "u", ""), Some(3));
    }

    #[test]
    fn all_clients_of_a_user_share_its_quota() {
        let user = entities(&ALL[2..3]);
        assert_eq!(user.group(Who { user: "u", client_id: "a" }), user.group(Who { user: "u", client_id: "b" }));
        let mixed = entities(&[ALL[0], ALL[2], ALL[7]]);
        assert_eq!(mixed.group(Who { user: "u", client_id: "c" }), Who { user: "u", client_id: "c" });
        assert_eq!(mixed.group(Who { user: "u", client_id: "x" }), Who { user: "u", client_id: "" });
        assert_eq!(mixed.group(Who { user: "v", client_id: "x" }), Who { user: "", client_id: "x" });
    }
}
