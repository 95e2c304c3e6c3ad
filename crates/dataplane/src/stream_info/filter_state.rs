//! Objects that filters leave for each other under a name: filter state.
//!
//! Owns: the names, how long an object stays, and what an access log prints of one. Does not own: what the objects
//! mean (the filters that share them).
//! Follows Envoy's pages "Dynamic state" and "Well known filter state objects". An object of a connection is seen by all
//! of its streams; one of a stream hides it.
//!
//! Nothing is allocated before something is set.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::net::IpAddr;
use std::rc::Rc;

/// How many objects one stream or connection may have.
const MOST_OBJECTS: usize = 256;

/// Something that filters share.
pub trait FilterStateObject: Debug {
    /// As a text, for access logs and for the rules that match it; none: it has no such form.
    fn serialize(&self) -> Option<Cow<'_, [u8]>>;

    /// Whether that text is JSON and no string.
    fn is_json(&self) -> bool {
        false
    }

    /// In its typed form, as `TYPED` of `%FILTER_STATE%` prints it; none: it has none.
    fn typed(&self) -> Option<TypedForm<'_>> {
        let form = if self.is_json() { TypedForm::Json } else { TypedForm::Text };
        self.serialize().map(form)
    }

    /// One of its fields as a text.
    fn field(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// The IP address that it is; none: it is something else.
    fn ip(&self) -> Option<IpAddr> {
        None
    }

    /// Whether it stays when the request begins anew (Envoy: `LifeSpan::Request`).
    fn outlives_redirects(&self) -> bool {
        false
    }

    /// For whoever knows its type.
    fn as_any(&self) -> &dyn Any;
}

/// An object in its typed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypedForm<'a> {
    /// A text.
    Text(Cow<'a, [u8]>),
    /// JSON that is no string.
    Json(Cow<'a, [u8]>),
}

/// A text (Envoy: `Router::StringAccessor`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringObject(pub Box<[u8]>);

impl FilterStateObject for StringObject {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(&self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Whether an upstream connection gets the object too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SharedWithUpstream {
    /// It stays downstream.
    #[default]
    None,
    /// The next upstream connection gets it.
    Once,
    /// That one, and those that it leads to.
    Transitive,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Box<str>,
    object: Rc<dyn FilterStateObject>,
    shared: SharedWithUpstream,
}

/// The filter state of a stream or of a connection.
#[derive(Debug, Clone, Default)]
pub struct FilterState(Vec<Entry>);

impl FilterState {
    /// Whether nothing was set.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets everything.
    #[inline]
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// The request begins anew: only what is of the request stays.
    pub fn begin_again(&mut self) {
        self.0.retain(|entry| entry.object.outlives_redirects());
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| *entry.name == *name)
    }

    /// The object of a name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Rc<dyn FilterStateObject>> {
        self.entry(name).map(|entry| &entry.object)
    }

    /// The object of a name, if it is of this type.
    #[must_use]
    pub fn get<T: 'static>(&self, name: &str) -> Option<&T> {
        self.object(name)?.as_any().downcast_ref()
    }

    /// The objects that upstream connections get.
    pub fn shared(&self) -> impl Iterator<Item = (&str, &Rc<dyn FilterStateObject>, SharedWithUpstream)> {
        self.0
            .iter()
            .filter(|entry| entry.shared != SharedWithUpstream::None)
            .map(|entry| (&*entry.name, &entry.object, entry.shared))
    }

    /// What an upstream connection gets that a connection and a stream on it lead to; none: nothing.
    #[must_use]
    pub fn for_upstream(of_connection: &FilterState, of_stream: &FilterState) -> Option<Rc<FilterState>> {
        let mut shared: Vec<Entry> = Vec::new();
        for entry in of_connection.0.iter().chain(&of_stream.0) {
            if entry.shared != SharedWithUpstream::None {
                shared.retain(|there| there.name != entry.name);
                shared.push(entry.clone());
            }
        }
        (!shared.is_empty()).then(|| Rc::new(FilterState(shared)))
    }

    /// Sets an object, in the place of one of the same name. Answers whether there is room for it.
    pub fn set(&mut self, name: &str, object: Rc<dyn FilterStateObject>, shared: SharedWithUpstream) -> bool {
        let entries = &mut self.0;
        let is_full = entries.len() >= MOST_OBJECTS;
        match entries.iter_mut().find(|entry| *entry.name == *name) {
            Some(there) => (there.object, there.shared) = (object, shared),
            None if is_full => return false,
            None => entries.push(Entry { name: name.into(), object, shared }),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Rc<dyn FilterStateObject> {
        Rc::new(StringObject(text.as_bytes().into()))
    }

    #[test]
    fn objects_are_set_once_or_often() {
        let mut state = FilterState::default();
        assert!(state.is_empty());
        let none = SharedWithUpstream::None;
        assert!(state.set("a", text("1"), none));
        assert!(state.set("a", text("2"), SharedWithUpstream::Once));
        assert_eq!(state.get::<StringObject>("a"), Some(&StringObject((*b"2").into())));
        assert_eq!(state.object("a").and_then(|object| object.serialize()), Some(Cow::Borrowed(&b"2"[..])));
        assert_eq!(
            state.shared().map(|(name, _, shared)| (name, shared)).collect::<Vec<_>>(),
            [("a", SharedWithUpstream::Once)]
        );
        let mut of_connection = FilterState::default();
        assert!(of_connection.set("c", text("c"), none));
        assert!(FilterState::for_upstream(&of_connection, &FilterState::default()).is_none());
        assert!(of_connection.set("a", text("0"), SharedWithUpstream::Transitive));
        let upstream = FilterState::for_upstream(&of_connection, &state).expect("objects");
        assert_eq!(upstream.get::<StringObject>("a"), Some(&StringObject((*b"2").into())));
        assert_eq!((upstream.0.len(), upstream.object("c").is_none()), (1, true));
        assert!(state.get::<u8>("a").is_none() && state.object("b").is_none());
        for number in 1..MOST_OBJECTS {
            assert!(state.set(&number.to_string(), text(""), none));
        }
        assert!(!state.set("b", text(""), none));
        state.begin_again();
        assert!(state.is_empty());
    }
}
