//! `/groups` and what is below it: groups of clients, and who is in them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::{
    Actor, ErrorKind,
    group::{Group, GroupEdit, GroupName, Retention},
    id::{GroupId, UserId},
    link::Edit,
    policy::Action,
    user::{Status, User},
};
use http::{HeaderMap, Method, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    api::Inner,
    body::Body,
    files::{rfc3339, text},
    json::{self, Done, given},
    openapi::{Id, Time},
    paging::page,
    problem::{Failure, Problem},
    request::RequestBody,
    route::id_of,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = GroupProperties)]
pub(crate) struct Wanted {
    /// White space around it is no part of it. No control characters or overrides of the writing
    /// direction.
    #[schema(pattern = "a name among white space, or nothing")]
    name: Option<String>,
    /// For how many days after their uploads files for the group are there; null: for ever.
    #[serde(default, deserialize_with = "json::nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 36500)]
    retention_days: Option<Value>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewMember {
    /// A client's.
    #[schema(value_type = String, min_length = 1)]
    username: Option<String>,
}

/// A group as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub(crate) struct GroupObject<'g> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: GroupId,
    name: &'g str,
    #[schema(value_type = Time)]
    created_at: String,
    /// Null where files for it are there for ever.
    #[schema(required)]
    retention_days: Option<u32>,
}

/// A member of a group as the API shows them.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberObject<'u> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: UserId,
    username: &'u str,
    email: &'u str,
    #[schema(value_type = String, pattern = "^(active|disabled)$")]
    status: Status,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Groups<'g> {
    groups: Vec<GroupObject<'g>>,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OneGroup<'g> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    msg: Option<&'static str>,
    group: GroupObject<'g>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Members<'u> {
    members: Vec<MemberObject<'u>>,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OneMember<'u> {
    msg: &'static str,
    member: MemberObject<'u>,
}

impl<'g> GroupObject<'g> {
    fn of(group: &'g Group) -> Self {
        Self {
            id: group.id,
            name: group.name.as_str(),
            created_at: rfc3339(group.created_at),
            retention_days: group.retention.map(Retention::days),
        }
    }
}

impl<'u> MemberObject<'u> {
    fn of(user: &'u User) -> Self {
        Self {
            id: user.id,
            username: user.username.as_str(),
            email: user.email.as_str(),
            status: user.status,
        }
    }
}

impl Inner {
    /// `GET` and `POST /groups`.
    pub(crate) async fn groups(
        &self,
        head: &request::Parts,
        query: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.manager(&head.headers).await?;
        if head.method == Method::POST {
            let key = json::idempotency_key(&head.headers)?;
            let wanted = wanted(&head.headers, body).await?;
            let missing = || Failure::bad_request("Missing required parameters: name is required.");
            let Edit::Set(name) = wanted.name else {
                return Err(missing());
            };
            let retention = wanted.retention.or(None);
            let group = self
                .consign
                .add_group(&actor, name, retention, key.as_ref())
                .await?;
            return Ok(one(StatusCode::CREATED, Some("Group created"), &group));
        }
        let (after, limit) = page(query, name_of_cursor)?;
        let page = self.consign.groups(&actor, after.as_ref(), limit).await?;
        let groups = Groups {
            groups: page.items.iter().map(GroupObject::of).collect(),
            next: page.next.map(|name| URL_SAFE_NO_PAD.encode(name.as_str())),
        };
        Ok(json::response(StatusCode::OK, &groups))
    }

    /// `GET`, `PATCH` and `DELETE /groups/{group}`.
    pub(crate) async fn group(
        &self,
        head: &request::Parts,
        segment: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.manager(&head.headers).await?;
        let (msg, group) = match head.method {
            Method::PATCH => {
                let edit = wanted(&head.headers, body).await?;
                if edit == GroupEdit::default() {
                    let msg = "Missing required parameters: name or retention_days is required.";
                    return Err(Failure::bad_request(msg));
                }
                let group = self.consign.edit_group(&actor, id(segment)?, edit).await?;
                (Some("Group updated"), group)
            }
            Method::DELETE => {
                let group = self.consign.remove_group(&actor, id(segment)?).await?;
                (Some("Group removed"), group)
            }
            _ => (None, self.consign.group(&actor, id(segment)?).await?),
        };
        Ok(one(StatusCode::OK, msg, &group))
    }

    /// `GET` and `POST /groups/{group}/members`.
    pub(crate) async fn members(
        &self,
        head: &request::Parts,
        segment: &str,
        query: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.manager(&head.headers).await?;
        if head.method == Method::POST {
            let request: NewMember = json::read(&head.headers, body).await?;
            let username = given(request.username).ok_or_else(|| {
                Failure::bad_request("Missing required parameters: username is required.")
            })?;
            let user = self.add_member(&actor, id(segment)?, &username).await?;
            let added = OneMember {
                msg: "Member added",
                member: MemberObject::of(&user),
            };
            return Ok(json::response(StatusCode::CREATED, &added));
        }
        let (after, limit) = page(query, |cursor| cursor.parse().ok())?;
        let group = id(segment)?;
        let page = self.consign.members(&actor, group, after, limit).await?;
        let members = Members {
            members: page.items.iter().map(MemberObject::of).collect(),
            next: page.next.map(|id| id.to_string()),
        };
        Ok(json::response(StatusCode::OK, &members))
    }

    /// `DELETE /groups/{group}/members/{user}`.
    pub(crate) async fn remove_member(
        &self,
        head: &request::Parts,
        segment: &str,
        user: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.manager(&head.headers).await?;
        // Which of the two is not there is told in the order of the path.
        let group = self.consign.group(&actor, id(segment)?).await?.id;
        let user = percent_decode_str(user).decode_utf8();
        let user = user.map_err(|_| ErrorKind::UserNotFound)?;
        let by_id = match user.parse() {
            Ok(id) => self.consign.remove_member(&actor, group, id).await,
            Err(_) => Err(ErrorKind::UserNotFound.into()),
        };
        match by_id {
            // A name may look like an id.
            Err(error) if error.kind() == ErrorKind::UserNotFound => {
                let name = user.parse().map_err(|_| ErrorKind::UserNotFound)?;
                let user = self.consign.user_named(&actor, &name).await?;
                self.consign.remove_member(&actor, group, user.id).await?;
            }
            by_id => by_id?,
        }
        let removed = Done::of("Member removed");
        Ok(json::response(StatusCode::OK, &removed))
    }

    async fn add_member(
        &self,
        actor: &Actor,
        group: GroupId,
        username: &str,
    ) -> Result<User, Failure> {
        let Ok(username) = username.parse() else {
            self.consign.group(actor, group).await?;
            return Err(ErrorKind::UserNotFound.into());
        };
        Ok(self.consign.add_member(actor, group, &username).await?)
    }

    async fn manager(&self, headers: &HeaderMap) -> Result<Actor, Failure> {
        self.permitted(headers, Action::ManageGroups).await
    }
}

fn one(status: StatusCode, msg: Option<&'static str>, group: &Group) -> Response<Body> {
    let group = GroupObject::of(group);
    json::response(status, &OneGroup { msg, group })
}

/// What is no id is no group's.
fn id(segment: &str) -> Result<GroupId, ErrorKind> {
    id_of(segment).ok_or(ErrorKind::GroupNotFound)
}

async fn wanted(headers: &HeaderMap, body: &mut RequestBody) -> Result<GroupEdit, Failure> {
    let request: Wanted = json::read(headers, body).await?;
    let name = match given(request.name) {
        None => Edit::Keep,
        Some(name) => Edit::Set(GroupName::parse(&name).map_err(|error| {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid group name");
            problem.with_detail(error.to_string())
        })?),
    };
    let retention = match request.retention_days {
        None => Edit::Keep,
        Some(Value::Null) => Edit::Set(None),
        Some(days) => Edit::Set(Some(retention(&days)?)),
    };
    Ok(GroupEdit { name, retention })
}

fn retention(days: &Value) -> Result<Retention, Failure> {
    let days = json::whole(days).and_then(|days| u32::try_from(days).ok());
    Retention::of_days(days.unwrap_or_default()).map_err(|error| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid retention");
        problem.with_detail(error.to_string()).into()
    })
}

fn name_of_cursor(cursor: &str) -> Option<GroupName> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    String::from_utf8(bytes).ok()?.try_into().ok()
}
