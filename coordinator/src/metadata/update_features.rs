//! UpdateFeatures: which protocol levels the cluster runs at (KIP-584, KIP-778, KIP-1022).
//!
//! All updates or none. What is refused, and the words for it, are those of Kafka's controller; the ranges are this build's own
//! (`features.rs`). kraft.version stays where it is: this node's voter set is static.

use super::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION, METADATA_VERSION, METADATA_VERSIONS_THAT_CHANGED_RECORDS, supported,
};
use super::image::{ConfigResource, ConfigResourceType, MetadataImage};
use super::records::{ConfigRecord, FeatureLevelRecord, MetadataRecord, SupportedFeature};
use super::{BrokerId, MetadataEffects, MetadataReply, MetadataShard};
use crate::effects::Ticket;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

/// The key that eligible leader replicas want cluster-wide.
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
/// The lowest metadata.version that knows eligible leader replicas: 4.0-IV1.
const MIN_METADATA_VERSION_OF_ELR: i16 = 23;

/// What UpdateFeatures depends on besides the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateFeaturesContext {
    /// Version of the request: up to 1 the answer has a row per feature.
    pub api_version: i16,
    /// The controller's node id, for the texts.
    pub controller: BrokerId,
    /// The static `min.insync.replicas`.
    pub min_insync_replicas: i32,
}

/// How a level may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Unknown,
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    fn from_wire(code: i8) -> Self {
        match code {
            1 => Self::Upgrade,
            2 => Self::SafeDowngrade,
            3 => Self::UnsafeDowngrade,
            _ => Self::Unknown,
        }
    }
}

impl MetadataShard {
    /// UpdateFeatures (key 57), v0-2.
    pub fn update_features(&self, ticket: Ticket, request: &UpdateFeaturesRequest, context: UpdateFeaturesContext) -> MetadataEffects {
        let (records, response) = handle(self.image(), request, context);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::UpdateFeatures(response)) }
    }
}

fn handle(
    image: &MetadataImage,
    request: &UpdateFeaturesRequest,
    context: UpdateFeaturesContext,
) -> (Vec<MetadataRecord>, UpdateFeaturesResponse) {
    match update_all(image, request, context) {
        Err(why) => {
            let text = format!("The update failed for all features since the following feature had an error: {why}");
            let response = UpdateFeaturesResponse::default()
                .with_error_code(ResponseError::InvalidUpdateVersion.code())
                .with_error_message(Some(StrBytes::from_string(text)));
            (Vec::new(), response)
        }
        Ok(records) => {
            // Kafka's own text for no error.
            let none = Some(StrBytes::from_static_str("NONE"));
            let row = |name: &StrBytes| UpdatableFeatureResult::default().with_feature(name.clone()).with_error_message(none.clone());
            let rows = request.feature_updates.iter().map(|update| row(&update.feature));
            let rows = if context.api_version <= 1 { rows.collect() } else { Vec::new() };
            let records = if request.validate_only { Vec::new() } else { records };
            (records, UpdateFeaturesResponse::default().with_error_message(None).with_results(rows))
        }
    }
}

fn update_all(
    image: &MetadataImage,
    request: &UpdateFeaturesRequest,
    context: UpdateFeaturesContext,
) -> Result<Vec<MetadataRecord>, String> {
    // A feature named twice: the last one counts.
    let mut asked: Vec<(&str, i16, UpgradeType)> = Vec::new();
    for update in &request.feature_updates {
        let row = (update.feature.as_str(), update.max_version_level, UpgradeType::from_wire(update.upgrade_type));
        match asked.iter_mut().find(|known| known.0 == row.0) {
            Some(known) => *known = row,
            None => asked.push(row),
        }
    }
    let mut proposed: BTreeMap<&str, i16> = image.features().iter().collect();
    proposed.extend(asked.iter().map(|(name, level, _)| (*name, *level)));
    let mut records = Vec::new();
    for (name, level, upgrade_type) in &asked {
        let refused = |why: String| format!("Invalid update version {level} for feature {name}. {why}");
        let updater = Updater { image, context, proposed: &proposed, name, level: *level, upgrade_type: *upgrade_type };
        updater.check().map_err(refused)?;
        records.push(updater.decide()?);
    }
    let elr_on = asked.iter().any(|(name, level, _)| *name == ELIGIBLE_LEADER_REPLICAS_VERSION && *level > 0);
    if elr_on {
        let mut all = elr_safety(image, context.min_insync_replicas);
        all.append(&mut records);
        return Ok(all);
    }
    Ok(records)
}

/// One update under way.
struct Updater<'a> {
    image: &'a MetadataImage,
    context: UpdateFeaturesContext,
    proposed: &'a BTreeMap<&'a str, i16>,
    name: &'a str,
    level: i16,
    upgrade_type: UpgradeType,
}

impl Updater<'_> {
    fn held(&self) -> i16 {
        self.image.features().level(self.name)
    }

    /// What holds for every feature.
    fn check(&self) -> Result<(), String> {
        if self.upgrade_type == UpgradeType::Unknown {
            return Err("The controller does not support the given upgrade type.".to_owned());
        }
        if self.level < 0 {
            return Err("A feature version cannot be less than 0.".to_owned());
        }
        let local = supported();
        self.check_range(&format!("Local controller {}", self.context.controller), &local)?;
        for broker in self.image.cluster().brokers() {
            self.check_range(&format!("Broker {}", broker.id), &broker.features)?;
        }
        let others = self.image.cluster().controllers().filter(|controller| controller.id != self.context.controller);
        for controller in others {
            self.check_range(&format!("Controller {}", controller.id), &controller.features)?;
        }
        if self.level < self.held() && self.upgrade_type == UpgradeType::Upgrade {
            let text = "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.";
            return Err(text.to_owned());
        }
        if self.level > self.held() && self.upgrade_type != UpgradeType::Upgrade {
            return Err("Can't downgrade to a newer version.".to_owned());
        }
        if self.name != METADATA_VERSION && self.name != KRAFT_VERSION {
            self.check_dependencies(&local)?;
        }
        Ok(())
    }

    fn check_range(&self, who: &str, features: &[SupportedFeature]) -> Result<(), String> {
        let range = features.iter().find(|feature| feature.name == self.name).map_or((0, 0), |feature| (feature.min, feature.max));
        match range {
            (min, max) if (min..=max).contains(&self.level) => Ok(()),
            (_, 0) => Err(format!("{who} does not support this feature.")),
            (min, max) if min == max => Err(format!("{who} only supports versions {min}")),
            (min, max) => Err(format!("{who} only supports versions {min}-{max}")),
        }
    }

    fn check_dependencies(&self, local: &[SupportedFeature]) -> Result<(), String> {
        if !local.iter().any(|feature| feature.name == self.name) {
            return Err(format!("Feature {} not found.", self.name));
        }
        let metadata_version = self.proposed.get(METADATA_VERSION).copied().unwrap_or(0);
        if self.name == ELIGIBLE_LEADER_REPLICAS_VERSION && self.level > 0 && metadata_version < MIN_METADATA_VERSION_OF_ELR {
            return Err(format!(
                "{} could not be set to {} because it depends on {METADATA_VERSION} level {MIN_METADATA_VERSION_OF_ELR}",
                self.name, self.level
            ));
        }
        Ok(())
    }

    /// The record of a level that passed the checks; the error is the whole text.
    fn decide(&self) -> Result<MetadataRecord, String> {
        let (held, level) = (self.held(), self.level);
        if self.name == KRAFT_VERSION {
            return match self.upgrade_type {
                _ if level == held => Ok(MetadataRecord::NoOp),
                _ => Err(format!(
                    "Invalid upgrade of {KRAFT_VERSION} from version {held} to {level} because the voter set of this node is static"
                )),
            };
        }
        let changed = |version: &i16| level < *version && *version <= held;
        if self.name == METADATA_VERSION && METADATA_VERSIONS_THAT_CHANGED_RECORDS.iter().any(changed) {
            let why = match self.upgrade_type {
                UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
                _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
            };
            return Err(format!("Unsupported metadata.version downgrade from {held} to {level}. {why}"));
        }
        Ok(MetadataRecord::FeatureLevel(FeatureLevelRecord { name: self.name.to_owned(), level }))
    }
}

/// With eligible leader replicas on, `min.insync.replicas` is the cluster's or the topic's, never a single broker's.
fn elr_safety(image: &MetadataImage, min_insync_replicas: i32) -> Vec<MetadataRecord> {
    let set = |resource: &ConfigResource, value: Option<String>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.resource_type.id(),
            resource_name: resource.name.clone(),
            name: MIN_INSYNC_REPLICAS.to_owned(),
            value,
        })
    };
    let mut records = Vec::new();
    let cluster = ConfigResource::cluster_default();
    let is_set = |resource: &ConfigResource| image.configs().of(resource).is_some_and(|held| held.contains_key(MIN_INSYNC_REPLICAS));
    if !is_set(&cluster) {
        records.push(set(&cluster, Some(min_insync_replicas.to_string())));
    }
    let brokers = image.configs().iter().map(|(resource, _)| resource);
    let own = brokers.filter(|resource| resource.resource_type == ConfigResourceType::Broker && !resource.name.is_empty());
    records.extend(own.filter(|resource| is_set(resource)).map(|resource| set(resource, None)));
    records
}
