//! Users.

use async_trait::async_trait;
use consign_core::{
    event::Event,
    id::UserId,
    store::{Insert, InsertGuard, Page, StoreError, Update, UserStore},
    user::{Email, Role, Status, User, UserChange, Username},
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    PgStore,
    batch::Batch,
    column::{Columns, Id, damaged, rows},
    fault::Fault,
    page,
    writer::{Answer, Ask},
};

#[async_trait]
impl UserStore for PgStore {
    async fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = "SELECT * FROM users WHERE id = $1";
        let row = self.row(|| query(sql).bind(Id(*id.as_bytes()))).await?;
        page::one(row, user)
    }

    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        let sql = "SELECT * FROM users WHERE username = $1";
        let row = self.row(|| query(sql).bind(username.as_str())).await?;
        page::one(row, user)
    }

    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let (sql, key) = (
            "SELECT * FROM users WHERE email_key = $1",
            email.unique_key(),
        );
        let row = self.row(|| query(sql).bind(&key)).await?;
        page::one(row, user)
    }

    async fn list(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, StoreError> {
        // No name is empty.
        let sql = "SELECT * FROM users WHERE username > $1 ORDER BY username LIMIT $2";
        let after = after.map_or("", Username::as_str);
        let found = self
            .rows(|| query(sql).bind(after).bind(page::with_next(limit)))
            .await?;
        page::cut(found, limit, user, |user: &User| user.username.clone())
    }

    async fn has_operations_user(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM users WHERE role = 'operations' LIMIT 1";
        Ok(self.row(|| query(sql)).await?.is_some())
    }

    async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        match self.write(Ask::Insert(user, guard, events)).await? {
            Answer::Insert(insert) => Ok(insert),
            other => Err(page::unexpected(&other)),
        }
    }

    async fn update(
        &self,
        id: UserId,
        change: UserChange,
        events: Vec<Event>,
    ) -> Result<Update, StoreError> {
        match self.write(Ask::Update(id, change, events)).await? {
            Answer::Update(update) => Ok(update),
            other => Err(page::unexpected(&other)),
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answers().await
    }
}

impl Batch<'_> {
    pub(crate) async fn look_up_users(&mut self) -> Result<(), Fault> {
        let needs = &self.needs;
        if needs.users.is_empty() {
            return Ok(());
        }
        let sql =
            "SELECT * FROM users WHERE id = ANY($1) OR username = ANY($2) OR email_key = ANY($3)";
        let ids: Vec<_> = needs.users.iter().map(|id| Id(*id.as_bytes())).collect();
        let names: Vec<_> = needs.usernames.iter().map(Username::as_str).collect();
        let emails: Vec<_> = needs.emails.iter().map(String::as_str).collect();
        let found = query(sql).bind(ids).bind(names).bind(emails);
        for row in found.fetch_all(&mut *self.connection).await? {
            let user = user(&Columns(&row))?;
            self.users.found(user.id, user);
        }
        if needs.operations_users {
            let sql = "SELECT count(*) AS count FROM users WHERE role = 'operations'";
            let row = query(sql).fetch_one(&mut *self.connection).await?;
            self.operations_users = Columns(&row).small("count")?;
        }
        Ok(())
    }

    pub(crate) fn insert_user(
        &mut self,
        user: &User,
        guard: InsertGuard,
        events: &[Event],
    ) -> Answer {
        if self.users.has(user.id) {
            return Answer::Exists;
        }
        if guard == InsertGuard::NoOperationsUser && self.operations_users > 0 {
            return Answer::Insert(Insert::GuardFailed);
        }
        if self
            .users
            .all()
            .any(|other| other.username == user.username)
        {
            return Answer::Insert(Insert::UsernameTaken);
        }
        let key = user.email.unique_key();
        if self
            .users
            .all()
            .any(|other| other.email.unique_key() == key)
        {
            return Answer::Insert(Insert::EmailTaken);
        }
        if user.role == Role::Operations {
            self.operations_users += 1;
        }
        self.users.set(user.id, user.clone());
        self.record(events);
        Answer::Insert(Insert::Done)
    }

    pub(crate) fn update_user(
        &mut self,
        id: UserId,
        change: &UserChange,
        events: &[Event],
    ) -> Update {
        let Some(before) = self.users.get(id) else {
            return Update::Missing;
        };
        let Some(after) = before.changed(change) else {
            return Update::Stale;
        };
        match (before.role, after.role) {
            (Role::Operations, Role::Client) if self.operations_users <= 1 => {
                return Update::LastOperationsUser;
            }
            (Role::Operations, Role::Client) => self.operations_users -= 1,
            (Role::Client, Role::Operations) => self.operations_users += 1,
            (Role::Operations, Role::Operations) | (Role::Client, Role::Client) => {}
        }
        self.users.set(id, after.clone());
        self.record(events);
        Update::Done(after)
    }

    pub(crate) async fn write_users(&mut self) -> Result<bool, Fault> {
        if !self.users.is_changed() {
            return Ok(false);
        }
        // No change touches the username or the e-mail address.
        let sql = "INSERT INTO users SELECT * FROM jsonb_populate_recordset(NULL::users, $1) \
            ON CONFLICT (id) DO UPDATE SET role = excluded.role, status = excluded.status, \
            password = excluded.password, session_epoch = excluded.session_epoch, \
            confined = excluded.confined, address_proved = excluded.address_proved, owner = excluded.owner";
        let users = self.users.to_write().map(|(_, user)| row(user)).collect();
        query(sql)
            .bind(rows(users))
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }
}

pub(crate) fn row(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "email_key": user.email.unique_key(),
        "role": user.role,
        "status": user.status,
        "password": user.password.expose(),
        "session_epoch": user.session_epoch,
        "created_at": user.created_at,
        "confined": user.confined,
        "address_proved": user.address_proved,
        "owner": user.owner,
    })
}

pub(crate) fn user(row: &Columns<'_>) -> Result<User, Fault> {
    let owner: Option<Id> = row.get("owner")?;
    Ok(User {
        id: UserId::from_bytes(row.id("id")?),
        username: row.parsed("username")?,
        email: row.parsed("email")?,
        role: match row.get("role")? {
            "operations" => Role::Operations,
            "client" => Role::Client,
            _ => return Err(damaged("role")),
        },
        status: match row.get("status")? {
            "active" => Status::Active,
            "disabled" => Status::Disabled,
            _ => return Err(damaged("status")),
        },
        password: row.parsed("password")?,
        session_epoch: row.small("session_epoch")?,
        created_at: row.time("created_at")?,
        confined: row.get("confined")?,
        address_proved: row.get("address_proved")?,
        owner: owner.map(|owner| UserId::from_bytes(owner.0)),
    })
}
