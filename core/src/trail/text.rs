use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    audience::Principal,
    event::{Author, Event, EventKind, Transfers},
    time::Timestamp,
};

/// What is told of an event, by name.
pub type Fields = Vec<(&'static str, Value)>;

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Number(u64),
    /// A text: ids and digests are their digits.
    Text(String),
    /// Several texts, in order.
    List(Vec<String>),
}

impl Event {
    /// The event as it is hashed and exported: JSON without white space, its members in the order of their
    /// names, times in milliseconds since the Unix epoch. No two events have one text.
    pub fn text(&self) -> String {
        let at = Value::Number(self.at.as_millis());
        let by = of(self.by);
        let kind = of(self.kind.name());
        let members = [("at", at), ("by", by), ("kind", kind)];
        let members: BTreeMap<_, _> = members.into_iter().chain(self.kind.fields()).collect();
        serde_json::to_string(&members).expect("texts and numbers are JSON")
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(id) => id.fmt(f),
            Self::Administrator => f.write_str("administrator"),
            Self::Sweeper => f.write_str("sweeper"),
        }
    }
}

impl EventKind {
    /// What the kind is called, for ever.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UserRegistered { .. } => "user registered",
            Self::StatusChanged { .. } => "status changed",
            Self::RoleChanged { .. } => "role changed",
            Self::PasswordChanged { .. } => "password changed",
            Self::SessionsEnded { .. } => "sessions ended",
            Self::ConfinedChanged { .. } => "confinement changed",
            Self::OwnerChanged { .. } => "owner changed",
            Self::AddressProved { .. } => "address proved",
            Self::FileAdded { .. } => "file added",
            Self::FileRemoved { .. } => "file removed",
            Self::FileRestored { .. } => "file restored",
            Self::FilePurged { .. } => "file purged",
            Self::AudienceChanged { .. } => "audience changed",
            Self::ExpiryChanged { .. } => "expiry changed",
            Self::GroupAdded { .. } => "group added",
            Self::GroupRenamed { .. } => "group renamed",
            Self::RetentionChanged { .. } => "retention changed",
            Self::GroupRemoved { .. } => "group removed",
            Self::MemberAdded { .. } => "member added",
            Self::MemberRemoved { .. } => "member removed",
            Self::LinkMade { .. } => "link made",
            Self::LinkEdited { .. } => "link edited",
            Self::LinkRevoked { .. } => "link revoked",
            Self::LinkLeased { .. } => "link leased",
            Self::SignedIn { .. } => "signed in",
            Self::SignInFailed { .. } => "sign-in failed",
            Self::Download(_) => "download",
            Self::Crowded { .. } => "crowded",
        }
    }

    /// What is told of it besides. None is called `at`, `by` or `kind`.
    pub fn fields(&self) -> Fields {
        match self {
            Self::UserRegistered { user, role } | Self::RoleChanged { user, role } => {
                vec![("user", of(user)), ("role", of(role))]
            }
            Self::StatusChanged { user, status } => {
                vec![("user", of(user)), ("status", of(status))]
            }
            Self::PasswordChanged { user }
            | Self::SessionsEnded { user }
            | Self::AddressProved { user } => {
                vec![("user", of(user))]
            }
            Self::ConfinedChanged { user, confined } => {
                vec![
                    ("user", of(user)),
                    ("confined", Value::Number((*confined).into())),
                ]
            }
            Self::OwnerChanged { user, owner } => {
                vec![("user", of(user)), ("owner", Value::some(owner.as_ref()))]
            }
            Self::FileAdded { file, name, sha256 } => vec![
                ("file", of(file)),
                ("name", of(name)),
                ("sha256", of(sha256)),
            ],
            Self::FileRemoved {
                file,
                why,
                kept_until,
            } => vec![
                ("file", of(file)),
                ("reason", of(why)),
                ("kept_until", time(*kept_until)),
            ],
            Self::FileRestored { file } | Self::FilePurged { file } => vec![("file", of(file))],
            Self::AudienceChanged { file, audience } => {
                let principals = audience.principals().iter().map(principal);
                let audience = Value::List(principals.collect());
                vec![("file", of(file)), ("audience", audience)]
            }
            Self::ExpiryChanged { file, expires_at } => {
                vec![("file", of(file)), ("expires_at", time(*expires_at))]
            }
            Self::GroupAdded { group, name } | Self::GroupRenamed { group, name } => {
                vec![("group", of(group)), ("name", of(name.as_str()))]
            }
            Self::RetentionChanged { group, retention } => {
                let days = retention.map(|retention| Value::Number(retention.days().into()));
                let days = days.unwrap_or(Value::Null);
                vec![("group", of(group)), ("retention_days", days)]
            }
            Self::GroupRemoved { group } => vec![("group", of(group))],
            Self::MemberAdded { group, user } | Self::MemberRemoved { group, user } => {
                vec![("group", of(group)), ("user", of(user))]
            }
            Self::LinkMade { link, files } => {
                let files = files.iter().map(ToString::to_string).collect();
                vec![("link", of(link)), ("files", Value::List(files))]
            }
            Self::LinkEdited { link } | Self::LinkRevoked { link } => vec![("link", of(link))],
            Self::LinkLeased {
                link,
                lease,
                recipient,
            } => vec![
                ("link", of(link)),
                ("lease", of(lease)),
                ("recipient", Value::some(recipient.as_ref())),
            ],
            Self::SignedIn { user, times } => {
                vec![("user", of(user)), ("times", Value::Number(*times))]
            }
            Self::SignInFailed { user, times } => vec![
                ("user", Value::some(user.as_ref())),
                ("times", Value::Number(*times)),
            ],
            Self::Download(download) => {
                let by_lease = download.by_lease.as_ref();
                let recipient = by_lease.and_then(|by| by.recipient.as_ref());
                let mut fields = vec![
                    ("file", of(download.file)),
                    ("name", of(&download.name)),
                    ("sha256", of(download.sha256)),
                    ("size", Value::Number(download.size)),
                    ("link", Value::some(by_lease.map(|by| by.link))),
                    ("lease", Value::some(by_lease.map(|by| by.lease))),
                    ("recipient", Value::some(recipient)),
                ];
                fields.extend(transferred(download.transfers));
                fields
            }
            Self::Crowded {
                signed_in,
                failed,
                downloads,
            } => {
                let mut fields = vec![
                    ("signed_in", Value::Number(*signed_in)),
                    ("failed", Value::Number(*failed)),
                ];
                fields.extend(transferred(*downloads));
                fields
            }
        }
    }
}

impl Value {
    fn some(text: Option<impl ToString>) -> Self {
        text.map_or(Self::Null, of)
    }
}

fn of(text: impl ToString) -> Value {
    Value::Text(text.to_string())
}

/// Milliseconds since the Unix epoch.
fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| Value::Number(time.as_millis()))
}

fn transferred(transfers: Transfers) -> Fields {
    vec![
        ("started", Value::Number(transfers.started)),
        ("completed", Value::Number(transfers.completed)),
        ("bytes", Value::Number(transfers.bytes)),
    ]
}

fn principal(principal: &Principal) -> String {
    match principal {
        Principal::Everybody => "everybody".to_owned(),
        Principal::User(id) => format!("user {id}"),
        Principal::Group(id) => format!("group {id}"),
    }
}
