//! One statistic as statsd and its kin write it.
//!
//! Owns: the three forms. Does not own: how lines are sent. Follows: the statsd, DogStatsD and Graphite line formats.

use crate::model::bootstrap as model;
use crate::stats::SentName;

/// How a line is written.
#[derive(Debug)]
pub(super) struct Dialect {
    prefix: Box<str>,
    tags: Tags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tags {
    /// They stay in the name.
    InName,
    /// `name:1|c|#tag:value,tag:value`
    AtEnd,
    /// `name;tag=value;tag=value:1|c`
    AfterName,
}

impl Dialect {
    pub(super) fn new(model: &model::StatsSink) -> Self {
        let tags = match model.dialect {
            model::StatsDialect::Statsd => Tags::InName,
            model::StatsDialect::DogStatsd => Tags::AtEnd,
            model::StatsDialect::GraphiteStatsd => Tags::AfterName,
        };
        Dialect { prefix: model.prefix.as_str().into(), tags }
    }

    /// Whether tags are taken out of names.
    pub(super) fn has_tags(&self) -> bool {
        self.tags != Tags::InName
    }

    pub(super) fn line(&self, name: &SentName, value: u64, unit: &str) -> Vec<u8> {
        let mut line = format!("{}.{}", self.prefix, name.name);
        if self.tags == Tags::AfterName {
            name.tags.iter().for_each(|(tag, text)| line.push_str(&format!(";{tag}={text}")));
        }
        line.push_str(&format!(":{value}|{unit}"));
        if self.tags == Tags::AtEnd {
            for (index, (tag, text)) in name.tags.iter().enumerate() {
                line.push_str(if index == 0 { "|#" } else { "," });
                line.push_str(&format!("{tag}:{text}"));
            }
        }
        line.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_envoy() {
        let tags = [("a.b", "1"), ("c", "x")].map(|(tag, text)| (tag.to_owned(), text.to_owned())).to_vec();
        let name = SentName { name: "http.rq".to_owned(), tags };
        let line = |dialect| {
            let model = model::StatsSink {
                dialect,
                destination: model::StatsDestination::Stream { cluster: String::new() },
                prefix: "envoy".to_owned(),
            };
            String::from_utf8(Dialect::new(&model).line(&name, 3, "c")).expect("text")
        };
        assert_eq!(line(model::StatsDialect::Statsd), "envoy.http.rq:3|c");
        assert_eq!(line(model::StatsDialect::DogStatsd), "envoy.http.rq:3|c|#a.b:1,c:x");
        assert_eq!(line(model::StatsDialect::GraphiteStatsd), "envoy.http.rq;a.b=1;c=x:3|c");
    }
}
