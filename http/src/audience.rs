//! Whom a file is for, as requests say it and answers show it.

use std::collections::{BTreeSet, HashMap, hash_map::Entry};

use consign_core::{
    Actor, Error, ErrorKind, File,
    audience::{Audience, AudienceTooLarge, Principal},
    id::{GroupId, UserId},
    policy::{self, Action},
    user::{Role, User, Username},
};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    api::Inner,
    files::FileObject,
    openapi::Id,
    problem::{Failure, Problem},
};

const EVERYBODY: &str = "everybody";
const NOBODY: &str = "nobody";

/// Whom a request wants a file to be for, by names that are perhaps nobody's.
#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    Everybody,
    These {
        users: BTreeSet<String>,
        groups: BTreeSet<String>,
    },
}

/// An audience as the API shows it: `everybody`, `nobody`, or clients by their usernames and groups by
/// their ids.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Audience)]
pub(crate) enum AudienceObject {
    Word(AudienceWord),
    These {
        #[schema(value_type = Vec<String>)]
        users: Vec<Username>,
        #[schema(value_type = Vec<Id>)]
        groups: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AudienceWord {
    /// Every client, also those who register later.
    Everybody,
    Nobody,
}

/// What was looked up of users and groups for one answer.
#[derive(Default)]
pub(crate) struct Names {
    users: HashMap<UserId, Option<Username>>,
    groups: HashMap<GroupId, bool>,
}

impl Wanted {
    /// As the body of a request has it.
    pub(crate) fn of_json(value: Value) -> Result<Self, Failure> {
        let invalid = || {
            invalid(
                "it is \"everybody\", \"nobody\", or an object of the lists \"users\" and \"groups\"",
            )
        };
        let mut lists = match value {
            Value::String(word) if word == EVERYBODY => return Ok(Self::Everybody),
            Value::String(word) if word == NOBODY => return Ok(Self::nobody()),
            Value::Object(lists) => lists,
            _ => return Err(invalid()),
        };
        let mut list = |name| match lists.remove(name) {
            None | Some(Value::Null) => Some(BTreeSet::new()),
            Some(Value::Array(list)) => list.into_iter().map(text).collect(),
            Some(_) => None,
        };
        match (list("users"), list("groups")) {
            (Some(users), Some(groups)) if lists.is_empty() => Self::these(users, groups),
            _ => Err(invalid()),
        }
    }

    /// As the query of an upload has it, if it has any.
    pub(crate) fn of_query(query: &str) -> Result<Option<Self>, Failure> {
        let invalid =
            || invalid("it is everybody, nobody, or any number of user:<username> and group:<id>");
        let (mut words, mut users, mut groups) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // However it is written: one that were overlooked could give the file to everybody.
            if !percent_decode_str(name).eq(*b"audience") {
                continue;
            }
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| invalid())?;
            match value.split_once(':') {
                Some(("user", name)) => drop(users.insert(name.to_owned())),
                Some(("group", id)) => drop(groups.insert(id.to_owned())),
                None if value == EVERYBODY => words.push(Self::Everybody),
                None if value == NOBODY => words.push(Self::nobody()),
                _ => return Err(invalid()),
            }
        }
        match (words.pop(), users.is_empty() && groups.is_empty()) {
            (word, true) if words.is_empty() => Ok(word),
            (None, _) => Self::these(users, groups).map(Some),
            _ => Err(invalid()),
        }
    }

    fn nobody() -> Self {
        Self::These {
            users: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    /// Counted before any of them is looked up.
    fn these(users: BTreeSet<String>, groups: BTreeSet<String>) -> Result<Self, Failure> {
        match users.len() + groups.len() {
            0..=Audience::MAX => Ok(Self::These { users, groups }),
            _ => Err(too_large(AudienceTooLarge)),
        }
    }
}

impl Inner {
    /// The audience that is wanted, if there is everybody whom it names.
    pub(crate) async fn audience(
        &self,
        actor: &Actor,
        wanted: Wanted,
    ) -> Result<Audience, Failure> {
        let Wanted::These { users, groups } = wanted else {
            return Ok(Audience::everybody());
        };
        let mut principals = Vec::with_capacity(users.len() + groups.len());
        for name in users {
            let user = self.client(actor, &name).await.map_err(|error| {
                naming(error, ErrorKind::UserNotFound, "no client is called", &name)
            })?;
            principals.push(Principal::User(user.id));
        }
        for id in groups {
            let group = self.group_of(actor, &id).await.map_err(|error| {
                naming(error, ErrorKind::GroupNotFound, "no group has the id", &id)
            })?;
            principals.push(Principal::Group(group));
        }
        Audience::of(principals).map_err(too_large)
    }

    /// A file as it is shown to this caller: it is no client's business who else has it.
    pub(crate) async fn file_object<'f>(
        &self,
        actor: &Actor,
        file: &'f File,
    ) -> Result<FileObject<'f>, Failure> {
        let object = FileObject::of(file);
        if !sees_audiences(actor) {
            return Ok(object);
        }
        let audience = &file.entry.audience;
        let mut names = Names::default();
        let shown = self.audience_object(actor, audience, &mut names).await?;
        Ok(object.with_audience(shown))
    }

    /// An audience without those who are no more. Everybody is shown without a look at any store.
    pub(crate) async fn audience_object(
        &self,
        actor: &Actor,
        audience: &Audience,
        names: &mut Names,
    ) -> Result<AudienceObject, Failure> {
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for principal in audience.principals() {
            match principal {
                Principal::Everybody => return Ok(AudienceObject::Word(AudienceWord::Everybody)),
                Principal::User(id) => {
                    let name = match names.users.entry(*id) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(unknown) => {
                            let user = there(self.consign.user(actor, *id).await)?;
                            unknown.insert(user.map(|user| user.username))
                        }
                    };
                    users.extend(name.clone());
                }
                Principal::Group(id) => {
                    let is_there = match names.groups.entry(*id) {
                        Entry::Occupied(known) => *known.get(),
                        Entry::Vacant(unknown) => {
                            let group = there(self.consign.group(actor, *id).await)?;
                            *unknown.insert(group.is_some())
                        }
                    };
                    groups.extend(is_there.then(|| id.to_string()));
                }
            }
        }
        if users.is_empty() && groups.is_empty() {
            return Ok(AudienceObject::Word(AudienceWord::Nobody));
        }
        users.sort_unstable();
        Ok(AudienceObject::These { users, groups })
    }

    async fn client(&self, actor: &Actor, name: &str) -> Result<User, Error> {
        let name: Username = name.parse().map_err(|_| ErrorKind::UserNotFound)?;
        let user = self.consign.user_named(actor, &name).await?;
        match user.role {
            Role::Client => Ok(user),
            Role::Operations => Err(ErrorKind::UserNotFound.into()),
        }
    }

    async fn group_of(&self, actor: &Actor, id: &str) -> Result<GroupId, Error> {
        let id = id.parse().map_err(|_| ErrorKind::GroupNotFound)?;
        Ok(self.consign.group(actor, id).await?.id)
    }
}

/// Who may say whom files are for is told.
pub(crate) fn sees_audiences(actor: &Actor) -> bool {
    policy::allows(actor.user(), Action::Share)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// What is not found is no error here.
fn there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            ErrorKind::UserNotFound | ErrorKind::GroupNotFound => Ok(None),
            _ => Err(error),
        },
    }
}

fn invalid(detail: impl Into<String>) -> Failure {
    let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid audience");
    problem.with_detail(detail).into()
}

fn too_large(error: AudienceTooLarge) -> Failure {
    invalid(error.to_string())
}

/// The error, with what was not found.
fn naming(error: Error, kind: ErrorKind, words: &str, name: &str) -> Failure {
    if error.kind() != kind {
        return error.into();
    }
    let name: String = name.chars().take(Username::MAX_CHARS).collect();
    error.with_detail(format!("{words} {name:?}")).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn these(users: &[&str], groups: &[&str]) -> Wanted {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Wanted::These {
            users: set(users),
            groups: set(groups),
        }
    }

    #[test]
    fn bodies_say_it_in_one_way() {
        for (value, wanted) in [
            (json!("everybody"), Wanted::Everybody),
            (json!("nobody"), these(&[], &[])),
            (json!({}), these(&[], &[])),
            (json!({"users": [], "groups": null}), these(&[], &[])),
            (json!({"users": ["b", "a", "b"]}), these(&["a", "b"], &[])),
            (
                json!({"groups": ["x"], "users": [""]}),
                these(&[""], &["x"]),
            ),
        ] {
            let read = Wanted::of_json(value.clone()).expect("it is one");
            assert_eq!(read, wanted, "{value}");
        }
        let many: Vec<_> = (0..=Audience::MAX).map(|at| at.to_string()).collect();
        let most = &many[1..];
        assert!(Wanted::of_json(json!({"users": most})).is_ok());
        for value in [
            json!(1),
            json!(true),
            json!([]),
            json!(["everybody"]),
            json!("Everybody"),
            json!("everybody "),
            json!("carl"),
            json!("user:carl"),
            json!({"everybody": null}),
            json!({"user": ["carl"]}),
            json!({"users": ["carl"], "nobody": []}),
            json!({"users": "carl"}),
            json!({"users": {"carl": true}}),
            json!({"users": [1]}),
            json!({"users": [null]}),
            json!({"users": [["carl"]]}),
            json!({"groups": 1}),
            json!({"users": many}),
            json!({"users": most, "groups": ["x"]}),
        ] {
            assert!(Wanted::of_json(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn queries_say_it_in_one_way() {
        for (query, wanted) in [
            ("", None),
            ("x=y&audiences=nobody&&=", None),
            ("audience=everybody", Some(Wanted::Everybody)),
            ("a=b&audience=nobody&c", Some(these(&[], &[]))),
            ("%61udience=nobody", Some(these(&[], &[]))),
            (
                "audience=user:carl&audience=user:dora&audience=group:x",
                Some(these(&["carl", "dora"], &["x"])),
            ),
            (
                "audience=user%3AAnn%20%26%20Co&audience=user:a:b+c=d",
                Some(these(&["Ann & Co", "a:b+c=d"], &[])),
            ),
        ] {
            let read = Wanted::of_query(query).expect("it is one");
            assert_eq!(read, wanted, "{query}");
        }
        let many = "&audience=user:x".to_owned();
        let many: String = (0..=Audience::MAX)
            .map(|at| format!("{many}{at}"))
            .collect();
        for query in [
            "audience",
            "audience=",
            "audience=all",
            "audience=Nobody",
            "audience=carl",
            "audience=users:carl",
            "audience=user",
            "audience=%FF",
            "audience=user:%FF",
            "%61udience",
            "audience=everybody&audience=everybody",
            "audience=everybody&audience=nobody",
            "audience=nobody&audience=user:carl",
            "audience=group:x&audience=everybody",
            "audience=user:carl&audience=",
            &many,
        ] {
            assert!(Wanted::of_query(query).is_err(), "{query}");
        }
    }
}
