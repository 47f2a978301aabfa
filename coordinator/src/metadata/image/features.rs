//! Finalized feature levels.

use crate::metadata::features;
use crate::metadata::records::FeatureLevelRecord;
use std::collections::BTreeMap;

/// The level of every feature that is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeaturesImage {
    levels: BTreeMap<String, i16>,
}

impl FeaturesImage {
    /// The level of `feature`, 0 if it is off.
    #[must_use]
    pub fn level(&self, feature: &str) -> i16 {
        self.levels.get(feature).copied().unwrap_or(0)
    }

    /// The level of metadata.version, 0 in an empty log.
    #[must_use]
    pub fn metadata_version(&self) -> i16 {
        self.level(features::METADATA_VERSION)
    }

    /// All features that are on, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        self.levels.iter().map(|(name, level)| (name.as_str(), *level))
    }

    pub(super) fn set(&mut self, record: &FeatureLevelRecord) {
        if record.level == 0 {
            self.levels.remove(&record.name);
        } else {
            self.levels.insert(record.name.clone(), record.level);
        }
    }
}
