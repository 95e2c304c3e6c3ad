//! `envoy.filters.network.set_filter_state`: leaves objects of a connection for others, under names.
//!
//! Owns: when that is done. Does not own: how objects are made (`filters::filter_state_values`).
//! Follows Envoy's page "Set-Filter-State Network Filter".

use std::time::Instant;

use crate::filters::filter_state_values::FilterStateValues;
use crate::format::{AccessLogType, FormatContext};
use crate::model::network_filter::SetFilterState as Model;
use crate::random::thread_random;
use crate::stream_info::{ConnectionInfo, StreamInfo};

/// The filter, compiled.
#[derive(Debug)]
pub struct SetFilterState(FilterStateValues);

impl SetFilterState {
    /// Compiles the filter.
    ///
    /// # Errors
    /// The object whose format cannot be filled.
    pub fn compile(model: &Model) -> Result<Self, String> {
        FilterStateValues::compile(&model.on_new_connection).map(SetFilterState)
    }

    /// Sets the objects of a new connection.
    pub fn on_new_connection(&self, info: &mut ConnectionInfo) {
        if self.0.is_empty() {
            return;
        }
        let stream = StreamInfo::new(info.start, info.start_time);
        let now = Instant::now();
        for place in 0..self.0.len() {
            let format = FormatContext::new(&stream, info, AccessLogType::NotSet, now, thread_random);
            if let Some(set) = self.0.set(place, &format, None) {
                set(&mut info.filter_state);
            }
        }
    }
}
