//! Users.

use consign_core::{
    id::UserId,
    password::PasswordHash,
    store::StoreError,
    time::Timestamp,
    user::{Email, Role, Status, User, Username},
};
use serde::{Deserialize, Serialize};

use super::{Undecodable, pack_as, parse, unpack, unpack_as};

/// A user as they are written now: how far they reach, and whose they are, follows what version 1 has.
const REACHING: u8 = 2;

#[derive(Serialize, Deserialize)]
struct UserRecord<'a> {
    username: &'a str,
    email: &'a str,
    role: RoleRecord,
    status: StatusRecord,
    password: &'a str,
    session_epoch: u32,
    created_at: u64,
}

/// What follows that in version 2.
#[derive(Default, Serialize, Deserialize)]
struct ReachRecord {
    confined: bool,
    address_proved: bool,
    owner: Option<[u8; 16]>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum RoleRecord {
    Operations,
    Client,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum StatusRecord {
    Active,
    Disabled,
}

pub(crate) fn user(user: &User) -> Result<Vec<u8>, StoreError> {
    let record = UserRecord {
        username: user.username.as_str(),
        email: user.email.as_str(),
        role: user.role.into(),
        status: user.status.into(),
        password: user.password.expose(),
        session_epoch: user.session_epoch,
        created_at: user.created_at.as_millis(),
    };
    let reach = ReachRecord {
        confined: user.confined,
        address_proved: user.address_proved,
        owner: user.owner.map(|id| *id.as_bytes()),
    };
    pack_as(REACHING, &(record, reach))
}

pub(crate) fn to_user(id: UserId, bytes: &[u8]) -> Result<User, Undecodable> {
    let (record, reach): (UserRecord<'_>, ReachRecord) = match bytes.first() {
        Some(&REACHING) => unpack_as(REACHING, bytes)?,
        _ => (unpack(bytes)?, ReachRecord::default()),
    };
    Ok(User {
        id,
        username: parse(record.username, "username", Username::try_from)?,
        email: parse(record.email, "e-mail address", Email::try_from)?,
        role: record.role.into(),
        status: record.status.into(),
        password: PasswordHash::new(record.password.to_owned()),
        session_epoch: record.session_epoch,
        created_at: Timestamp::from_millis(record.created_at),
        confined: reach.confined,
        address_proved: reach.address_proved,
        owner: reach.owner.map(UserId::from_bytes),
    })
}

impl From<Role> for RoleRecord {
    fn from(role: Role) -> Self {
        match role {
            Role::Operations => Self::Operations,
            Role::Client => Self::Client,
        }
    }
}

impl From<RoleRecord> for Role {
    fn from(role: RoleRecord) -> Self {
        match role {
            RoleRecord::Operations => Self::Operations,
            RoleRecord::Client => Self::Client,
        }
    }
}

impl From<Status> for StatusRecord {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Disabled => Self::Disabled,
        }
    }
}

impl From<StatusRecord> for Status {
    fn from(status: StatusRecord) -> Self {
        match status {
            StatusRecord::Active => Self::Active,
            StatusRecord::Disabled => Self::Disabled,
        }
    }
}
