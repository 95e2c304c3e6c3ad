//! Objects of filter state that a text stands for: one type a factory.
//!
//! Owns: what is made of a text, and how it is printed. Does not own: where objects are kept (`filter_state`), nor who sets
//! and reads them.
//! Follows Envoy's page "Well Known Filter State Objects".

use std::any::Any;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::filter_state::{FilterStateObject, StringObject, TypedForm};
use crate::model::filter_state::ObjectFactory;

/// Under this name tcp_proxy finds the cluster of a session.
pub const TCP_PROXY_CLUSTER: &str = "envoy.tcp_proxy.cluster";
/// Under this name tcp_proxy finds how long a session may be idle.
pub const TCP_PROXY_IDLE_TIMEOUT: &str = "envoy.tcp_proxy.per_connection_idle_timeout_ms";
/// Under this name tcp_proxy finds that a session is not tunnelled.
pub const TCP_PROXY_DISABLE_TUNNELING: &str = "envoy.tcp_proxy.disable_tunneling";

/// A truth value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoolObject(pub bool);

/// The name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterObject(pub Box<str>);

/// A time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MillisecondsObject {
    /// It.
    pub duration: Duration,
    text: Box<[u8]>,
}

/// An IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpObject {
    ip: IpAddr,
    text: Box<[u8]>,
}

impl FilterStateObject for BoolObject {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(if self.0 { b"true" } else { b"false" }))
    }

    fn typed(&self) -> Option<TypedForm<'_>> {
        self.serialize().map(TypedForm::Json)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl FilterStateObject for ClusterObject {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.0.as_bytes()))
    }

    fn typed(&self) -> Option<TypedForm<'_>> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl FilterStateObject for MillisecondsObject {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(&self.text))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl FilterStateObject for IpObject {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(&self.text))
    }

    fn typed(&self) -> Option<TypedForm<'_>> {
        None
    }

    fn ip(&self) -> Option<IpAddr> {
        Some(self.ip)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Makes the object that a text stands for; none: it stands for none.
#[must_use]
pub fn make(factory: ObjectFactory, text: &[u8]) -> Option<Rc<dyn FilterStateObject>> {
    let utf8 = || std::str::from_utf8(text).ok();
    Some(match factory {
        ObjectFactory::String => Rc::new(StringObject(text.into())),
        ObjectFactory::Bool => Rc::new(BoolObject(truth(text)?)),
        ObjectFactory::TcpProxyCluster => Rc::new(ClusterObject(utf8()?.into())),
        ObjectFactory::Milliseconds => {
            let number: u64 = utf8()?.trim().parse().ok()?;
            let text = number.to_string().into_bytes().into();
            Rc::new(MillisecondsObject { duration: Duration::from_millis(number), text })
        }
        ObjectFactory::Ip => {
            let ip: IpAddr = utf8()?.parse().ok()?;
            // As Envoy prints an address without a port.
            let text = std::net::SocketAddr::new(ip, 0).to_string().into_bytes().into();
            Rc::new(IpObject { ip, text })
        }
    })
}

/// The words that Envoy takes for truth values.
fn truth(text: &[u8]) -> Option<bool> {
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is_one_of(["true", "t", "yes", "y", "1"]) {
        return Some(true);
    }
    is_one_of(["false", "f", "no", "n", "0"]).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by Envoy 1.40.
    #[test]
    fn texts_become_objects() {
        use ObjectFactory::{Bool, Ip, Milliseconds, String, TcpProxyCluster};
        let text = |text: &'static str| Some(TypedForm::Text(text.as_bytes().into()));
        for (factory, given, plain, typed) in [
            (String, "a b", Some("a b"), text("a b")),
            (Bool, "yes", Some("true"), Some(TypedForm::Json(b"true".into()))),
            (Bool, "F", Some("false"), Some(TypedForm::Json(b"false".into()))),
            (Bool, "maybe", None, None),
            (Ip, "10.1.2.3", Some("10.1.2.3:0"), None),
            (Ip, "::1", Some("[::1]:0"), None),
            (Ip, "10.1.2", None, None),
            (TcpProxyCluster, "up", Some("up"), None),
            (Milliseconds, "250", Some("250"), text("250")),
            (Milliseconds, "25x", None, None),
        ] {
            let object = make(factory, given.as_bytes());
            let printed = object.as_ref().and_then(|object| object.serialize());
            assert_eq!(printed.as_deref(), plain.map(str::as_bytes), "{given}");
            assert_eq!(object.as_ref().and_then(|object| object.typed()), typed, "{given}");
        }
        assert_eq!(make(Ip, b"10.1.2.3").and_then(|object| object.ip()), "10.1.2.3".parse().ok());
    }
}
