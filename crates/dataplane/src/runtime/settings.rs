//! Settings that a runtime key may override: each a default and a key.
//!
//! Owns: what each of Envoy's `config.core.v3.Runtime*` messages asks of the runtime. Does not own: the values.

use crate::model::runtime as model;

use super::{RuntimeKey, Value};

/// How often something is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeFractionalPercent {
    default: model::FractionalPercent,
    key: RuntimeKey,
}

impl From<&model::RuntimeFractionalPercent> for RuntimeFractionalPercent {
    fn from(model: &model::RuntimeFractionalPercent) -> Self {
        RuntimeFractionalPercent { default: model.default_value, key: RuntimeKey::new(&model.runtime_key) }
    }
}

impl RuntimeFractionalPercent {
    /// One whose default is `numerator` out of `denominator`.
    #[must_use]
    pub fn new(numerator: u32, denominator: u32, key: RuntimeKey) -> Self {
        RuntimeFractionalPercent { default: model::FractionalPercent { numerator, denominator }, key }
    }

    /// Whether it is to happen, for this random number.
    #[inline]
    #[must_use]
    pub fn holds(&self, random: u64) -> bool {
        if self.key.is_configured() {
            if let Some(holds) = self.key.read(|value| value.holds(random)) {
                return holds;
            }
        }
        falls_below(self.default, random)
    }
}

impl Value {
    /// The value as how often something is to happen, if it is one: whether it does, for this random number.
    #[inline]
    #[must_use]
    pub fn holds(&self, random: u64) -> Option<bool> {
        match (self.fraction, self.integer) {
            (Some(fraction), _) => Some(falls_below(fraction, random)),
            (None, Some(percent)) => Some(random % 100 < percent),
            (None, None) => None,
        }
    }
}

#[inline]
fn falls_below(fraction: model::FractionalPercent, random: u64) -> bool {
    random % u64::from(fraction.denominator.max(1)) < u64::from(fraction.numerator)
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeFeatureFlag {
    default: bool,
    key: RuntimeKey,
}

impl From<&model::RuntimeFeatureFlag> for RuntimeFeatureFlag {
    fn from(model: &model::RuntimeFeatureFlag) -> Self {
        RuntimeFeatureFlag { default: model.default_value, key: RuntimeKey::new(&model.runtime_key) }
    }
}

impl RuntimeFeatureFlag {
    /// Whether it is on.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.key.boolean(self.default)
    }
}

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeUInt32 {
    default: u32,
    key: RuntimeKey,
}

impl From<&model::RuntimeUInt32> for RuntimeUInt32 {
    fn from(model: &model::RuntimeUInt32) -> Self {
        RuntimeUInt32 { default: model.default_value, key: RuntimeKey::new(&model.runtime_key) }
    }
}

impl RuntimeUInt32 {
    /// The number. As in Envoy, the runtime may make it larger than 32 bits hold.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.key.integer(self.default.into())
    }
}

/// A number. `RuntimePercent` is one of 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuntimeDouble {
    default: f64,
    key: RuntimeKey,
}

impl From<&model::RuntimeDouble> for RuntimeDouble {
    fn from(model: &model::RuntimeDouble) -> Self {
        RuntimeDouble { default: model.default_value, key: RuntimeKey::new(&model.runtime_key) }
    }
}

impl RuntimeDouble {
    /// The number.
    #[inline]
    #[must_use]
    pub fn get(&self) -> f64 {
        self.key.double(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Published, Snapshot, Value, follow};
    use super::*;
    use std::sync::Arc;

    fn fraction(numerator: u32, key: &str) -> RuntimeFractionalPercent {
        RuntimeFractionalPercent::new(numerator, 100, RuntimeKey::new(key))
    }

    #[test]
    fn the_runtime_overrides_defaults_until_it_forgets() {
        let percent = fraction(10, "settings.percent");
        let million = fraction(10, "settings.million");
        let flag = RuntimeFeatureFlag { default: false, key: RuntimeKey::new("settings.flag") };
        let number = RuntimeUInt32 { default: 3, key: RuntimeKey::new("settings.number") };
        let double = RuntimeDouble { default: 0.5, key: RuntimeKey::new("settings.number") };
        assert!(percent.holds(9) && !percent.holds(10) && !flag.is_on());
        let published = Arc::new(Published::default());
        follow(&published);
        published.publish(Snapshot::new(std::iter::empty(), |name| {
            let text = match name {
                "settings.percent" => "50",
                "settings.million" => "{numerator: 7, denominator: MILLION}",
                "settings.flag" => "true",
                "settings.number" => "9.5",
                _ => return None,
            };
            Value::parse(text).ok()
        }));
        assert!(percent.holds(149) && !percent.holds(150));
        assert!(million.holds(1_000_006) && !million.holds(7));
        assert!(flag.is_on());
        assert_eq!((number.get(), double.get()), (9, 9.5));
        published.publish(Snapshot::default());
        assert!(percent.holds(9) && !percent.holds(10) && !flag.is_on());
        assert_eq!((number.get(), double.get()), (3, 0.5));
    }

    #[test]
    fn a_percent_above_a_hundred_always_holds() {
        let published = Arc::new(Published::default());
        follow(&published);
        let percent = fraction(0, "settings.much");
        published.publish(Snapshot::new(std::iter::empty(), |name| {
            (name == "settings.much").then(|| Value::parse("101").unwrap())
        }));
        assert!((0..200).all(|random| percent.holds(random)));
    }
}
