//! How a group of statistics is declared: one row a name, and everything else follows from the row.
//!
//! Owns the row types and the macro that makes, from one list, the enum that the data plane writes with and the table
//! that the admin pages read. Does not hold numbers (`scope`) or print them (`text`, `json`, `prometheus`).

use super::tags::Shape;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; `/reset_counters` sets it to 0.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// When a statistic is listed at all. Envoy makes most with their scope and some with their first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// As long as its scope lives.
    Always,
    /// From its first write on.
    Used,
    /// From the first write on of the number with this index, in the same group.
    After(usize),
}

/// One counter or gauge of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Envoy's name, without the prefix of the scope.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// When it is listed.
    pub presence: Presence,
}

/// One histogram of a group.
#[derive(Debug, Clone, Copy)]
pub struct HistogramName {
    /// Envoy's name, without the prefix of the scope.
    pub name: &'static str,
    /// When it is listed.
    pub presence: Presence,
}

/// Everything that scopes of one group have.
#[derive(Debug)]
pub struct Table {
    /// Tells groups with the same prefix apart.
    pub group: &'static str,
    /// How the prefix turns into tags.
    pub shape: Shape,
    /// Counters and gauges, in the order of their enum.
    pub numbers: &'static [Number],
    /// Histograms, in the order of their enum.
    pub histograms: &'static [HistogramName],
    /// What precedes `upstream_rq_<code>`, one per `ResponseClass`; empty for a group without response codes.
    pub codes: &'static [&'static str],
    /// Whether `upstream_rq_completed` is listed before the first response is counted.
    pub completed: bool,
}

/// The numbers of a group, as an enum.
pub trait Stat: Copy + 'static {
    /// The place in the table and in the blocks of the workers.
    fn index(self) -> usize;
}

/// A kind of scope: ties the enums that one may write with to their table.
pub trait Group: 'static {
    /// Counters and gauges.
    type Stat: Stat;
    /// Histograms.
    type Histogram: Stat;
    /// Names and kinds.
    const TABLE: &'static Table;
}

/// The histograms of a group that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHistogram {}

impl Stat for NoHistogram {
    fn index(self) -> usize {
        match self {}
    }
}

/// Declares a group. A row is `Variant counter "name"` or `Variant gauge "name"`, followed by `[used]` or
/// `[after OtherVariant]` where it is not listed from the start.
macro_rules! stats_group {
    (
        $(#[$meta:meta])*
        $group:ident ($shape:ident $(, codes $codes:expr)? $(, completed $completed:literal)?)
        $stat:ident { $($variant:ident $kind:ident $name:literal $([$($presence:tt)+])?,)* }
        $($histogram:ident { $($hvariant:ident $hname:literal $([$($hpresence:tt)+])?,)+ })?
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub enum $group {}

        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $stat { $(#[doc = concat!("`", $name, "`, a ", stringify!($kind))] $variant,)* }

        impl $crate::stats::declare::Stat for $stat {
            #[inline]
            fn index(self) -> usize { match self { $(Self::$variant => Self::$variant as usize,)* } }
        }

        $(
            #[doc = concat!("The histograms of [`", stringify!($group), "`].")]
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum $histogram { $(#[doc = concat!("`", $hname, "`")] $hvariant,)+ }

            impl $crate::stats::declare::Stat for $histogram {
                #[inline]
                fn index(self) -> usize { self as usize }
            }
        )?

        impl $crate::stats::declare::Group for $group {
            type Stat = $stat;
            type Histogram = $crate::stats::declare::stats_group!(@histogram $($histogram)?);
            const TABLE: &'static $crate::stats::declare::Table = &$crate::stats::declare::Table {
                group: stringify!($group),
                shape: $crate::stats::tags::Shape::$shape,
                numbers: &[$($crate::stats::declare::Number {
                    name: $name,
                    kind: $crate::stats::declare::stats_group!(@kind $kind),
                    presence: $crate::stats::declare::stats_group!(@presence $stat $($($presence)+)?),
                },)*],
                histograms: &[$($($crate::stats::declare::HistogramName {
                    name: $hname,
                    presence: $crate::stats::declare::stats_group!(@presence $stat $($($hpresence)+)?),
                },)+)?],
                codes: $crate::stats::declare::stats_group!(@codes $($codes)?),
                completed: $crate::stats::declare::stats_group!(@completed $($completed)?),
            };
        }
    };
    (@histogram) => { $crate::stats::declare::NoHistogram };
    (@histogram $histogram:ident) => { $histogram };
    (@codes) => { &[] };
    (@codes $codes:expr) => { $codes };
    (@completed) => { false };
    (@completed $completed:literal) => { $completed };
    (@kind counter) => { $crate::stats::declare::Kind::Counter };
    (@kind gauge) => { $crate::stats::declare::Kind::Gauge };
    (@presence $stat:ident) => { $crate::stats::declare::Presence::Always };
    (@presence $stat:ident used) => { $crate::stats::declare::Presence::Used };
    (@presence $stat:ident after $other:ident) => {
        $crate::stats::declare::Presence::After($stat::$other as usize)
    };
}
pub(crate) use stats_group;
