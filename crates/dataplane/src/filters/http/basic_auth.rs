//! Lets in who has a user name and its password (Envoy: `envoy.filters.http.basic_auth`).
//!
//! Owns: reading the credentials, and the answer to who has none. Does not own: the list of users, which Python reads.
//! Follows Envoy's page "Basic Auth" and RFC 7617.

use std::collections::{BTreeMap, HashMap};

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::base64;
use crate::local_reply::LocalReply;
use crate::model::http_filters::basic_auth as model;
use crate::model::metadata::{Struct, Value};
use crate::route::own_url;
use crate::stats::{BasicAuthStat, BasicAuthStats, Scope};

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod sha1;

/// The filter.
#[derive(Debug)]
pub struct BasicAuth {
    users: Users,
    forward_username: Option<HeaderName>,
    authentication: HeaderName,
    allow_missing: bool,
    /// The namespace in which the name is told to others: that of the filter.
    told_in: Option<Box<str>>,
    stats: Scope<BasicAuthStats>,
}

/// By name, the password's SHA-1 in base64. A route may have its own.
pub struct Users {
    digests: HashMap<Box<[u8]>, Box<[u8]>>,
    realm: Option<Box<[u8]>>,
}

/// What an answer needs only to be compared with what a user that there is not might have.
const NO_DIGEST: &[u8] = b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

impl Users {
    pub(super) fn new(users: &[(String, String)], realm: Option<&str>) -> Self {
        let bytes = |text: &String| text.as_bytes().into();
        Users {
            digests: users.iter().map(|(name, digest)| (bytes(name), bytes(digest))).collect(),
            realm: realm.map(|realm| realm.as_bytes().into()),
        }
    }

    /// Takes the same time whoever asks.
    fn accepts(&self, name: &[u8], password: &[u8]) -> bool {
        let known = self.digests.get(name);
        let mut given = Vec::with_capacity(28);
        base64::encode(&sha1::digest(password), &mut given);
        let wanted = known.map_or(NO_DIGEST, |digest| digest);
        let difference = given.iter().zip(wanted).fold(0, |all, (one, other)| all | (one ^ other));
        difference == 0 && given.len() == wanted.len() && known.is_some()
    }
}

impl std::fmt::Debug for Users {
    /// Without names and digests: they are nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("count", &self.digests.len()).finish()
    }
}

/// What is wrong with a request's credentials: the body and the details of the answer.
type Denial = (&'static str, &'static str);

const NO_CREDENTIAL: Denial =
    ("User authentication failed. Missing username and password.", "no_credential_for_basic_auth");
const INVALID_SCHEME: Denial =
    ("User authentication failed. Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth");
const INVALID_FORMAT: Denial =
    ("User authentication failed. Invalid basic credential format.", "invalid_format_for_basic_auth");
const INVALID_CREDENTIAL: Denial = (
    "User authentication failed. Invalid username/password combination.",
    "invalid_credential_for_basic_auth",
);

impl BasicAuth {
    fn judge(&self, users: &Users, request: &HeaderBlock) -> Result<Vec<u8>, Denial> {
        let value = request.get_name(&self.authentication).ok_or(NO_CREDENTIAL)?;
        let (scheme, token) = value.split_at_checked(6).ok_or(INVALID_SCHEME)?;
        if scheme != b"Basic " {
            return Err(INVALID_SCHEME);
        }
        let mut decoded = base64::decode(token).ok_or(INVALID_FORMAT)?;
        let colon = decoded.iter().position(|&byte| byte == b':').ok_or(INVALID_FORMAT)?;
        let password = decoded.split_off(colon + 1);
        decoded.truncate(colon);
        if users.accepts(&decoded, &password) { Ok(decoded) } else { Err(INVALID_CREDENTIAL) }
    }

    fn deny(&self, users: &Users, request: &HeaderBlock, (body, details): Denial) -> Answer {
        let configured = users.realm.as_ref().or(self.users.realm.as_ref());
        let realm = configured.map_or_else(|| own_url(request), |realm| realm.to_vec());
        let value = [b"Basic realm=\"", &*realm, b"\""].concat();
        let mut headers = HeaderBlock::new();
        headers.set(KnownName::WwwAuthenticate, &value);
        Answer::Respond(LocalReply {
            status: 401,
            body: body.as_bytes().into(),
            details: details.into(),
            headers: Some(Box::new(headers)),
            ..LocalReply::default()
        })
    }
}

impl BuiltInFilter for BasicAuth {
    type Model = model::BasicAuth;
    type State = ();

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let name = |text: &String| crate::header_name::parse(text);
        let authentication = model.authentication_header.as_deref().unwrap_or("authorization");
        Ok(BasicAuth {
            users: Users::new(&model.users, model.realm.as_deref()),
            allow_missing: model.allow_missing,
            forward_username: model.forward_username_header.as_ref().map(name).transpose()?,
            authentication: crate::header_name::parse(authentication)?,
            told_in: model.emit_dynamic_metadata.then(|| context.name.into()),
            stats: context.process.registry.filter(&context.stats_scope("basic_auth")),
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        phase == Phase::RequestHeaders
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        let users = context.route_config().unwrap_or(&self.users);
        match self.judge(users, context.request) {
            Err(NO_CREDENTIAL) if self.allow_missing => Answer::Continue,
            Ok(name) => {
                self.stats.inc_on(context.worker.index, BasicAuthStat::Allowed);
                if let Some(header) = &self.forward_username {
                    context.request.set_name(header, &name);
                }
                if let Some(namespace) = &self.told_in {
                    let fields = BTreeMap::from([("username".to_owned(), Value::String(name))]);
                    context.info.dynamic_metadata.set(namespace, Struct(fields));
                }
                Answer::Continue
            }
            Err(denial) => {
                self.stats.inc_on(context.worker.index, BasicAuthStat::Denied);
                self.deny(users, context.request, denial)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        base64::encode(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// RFC 4648 section 10.
    #[test]
    fn base64_there_and_back() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(base64::decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["Zh==", "Z===", "Z", "Zg==Zg==", "Zm9v\n", "Zm9-"] {
            assert_eq!(base64::decode(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_the_right_password_is_let_in() {
        let users = Users::new(&[("user1".to_owned(), encoded(&sha1::digest(b"test1")))], None);
        assert!(users.accepts(b"user1", b"test1"));
        assert!(!users.accepts(b"user1", b"test2") && !users.accepts(b"user2", b"test1"));
        assert!(!users.accepts(b"user1", b""));
        assert!(!format!("{users:?}").contains("user1"));
    }
}
