//! Sets dynamic metadata of each request (Envoy: `envoy.filters.http.set_metadata`).
//!
//! Owns: how what is there and what is set become one. Does not own: the metadata (`stream_info::dynamic_metadata`).
//! Follows Envoy's page "Set Metadata".

use std::collections::btree_map::Entry;

use crate::model::http_filters::set_metadata as model;
use crate::model::metadata::{Struct, Value};
use crate::stats::{Scope, stats_group};

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

stats_group! {
    /// Of this filter: `http.<stat prefix>.set_metadata.`
    SetMetadataStats (Http)
    SetMetadataStat {
        OverwriteDenied counter "overwrite_denied",
    }
}

/// The filter.
#[derive(Debug)]
pub struct SetMetadata {
    entries: Vec<model::MetadataEntry>,
    stats: Scope<SetMetadataStats>,
}

impl BuiltInFilter for SetMetadata {
    type Model = model::SetMetadata;
    type State = ();

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let stats = context.process.registry.filter(&context.stats_scope("set_metadata"));
        Ok(SetMetadata { entries: model.entries.clone(), stats })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        phase == Phase::RequestHeaders
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        for entry in &self.entries {
            let metadata = &mut context.info.dynamic_metadata;
            let is_there = match &entry.value {
                Some(_) => metadata.namespace(&entry.namespace).is_some(),
                None => metadata.has_typed(&entry.namespace),
            };
            if !entry.allow_overwrite && is_there {
                self.stats.inc_on(context.worker.index, SetMetadataStat::OverwriteDenied);
                continue;
            }
            // What finds no room is left out.
            let _set: bool = match &entry.value {
                Some(value) => {
                    metadata.change(&entry.namespace, value.byte_size(), |there| merge(there, value))
                }
                None => metadata.set_typed(&entry.namespace),
            };
        }
        Answer::Continue
    }
}

/// As Envoy's `StructUtil::update`: structs are merged, lists joined, all else is replaced.
fn merge(there: &mut Struct, with: &Struct) {
    for (name, value) in &with.0 {
        match there.0.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(value.clone());
            }
            Entry::Occupied(mut entry) => match (entry.get_mut(), value) {
                (Value::Struct(there), Value::Struct(with)) => merge(there, with),
                (Value::List(there), Value::List(with)) => there.extend(with.iter().cloned()),
                (there, value) => *there = value.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn one(name: &str, value: Value) -> Struct {
        Struct(BTreeMap::from([(name.to_owned(), value)]))
    }

    #[test]
    fn structs_are_merged_and_lists_joined() {
        let mut there = one("s", Value::Struct(one("a", Value::Number(1.0))));
        merge(&mut there, &one("s", Value::Struct(one("b", Value::Number(2.0)))));
        merge(&mut there, &one("l", Value::List(vec![Value::Null])));
        merge(&mut there, &one("l", Value::List(vec![Value::Bool(true)])));
        merge(&mut there, &one("t", Value::text("x")));
        merge(&mut there, &one("t", Value::Number(3.0)));
        assert_eq!(there.get(&["s", "a"]), Some(&Value::Number(1.0)));
        assert_eq!(there.get(&["s", "b"]), Some(&Value::Number(2.0)));
        assert_eq!(there.get(&["l"]), Some(&Value::List(vec![Value::Null, Value::Bool(true)])));
        assert_eq!(there.get(&["t"]), Some(&Value::Number(3.0)));
    }
}
