//! Groups and their members.

use consign_core::{
    group::{Group, GroupEdit, GroupName, Retention},
    id::{GroupId, UserId},
    store::{MAX_GROUPS, Outcome},
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    batch::{Batch, Made},
    column::{Columns, Id, damaged, rows},
    fault::Fault,
};

impl Batch<'_> {
    pub(crate) async fn look_up_groups(&mut self) -> Result<(), Fault> {
        let needs = &self.needs;
        if needs.groups.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM groups WHERE id = ANY($1) OR name = ANY($2)";
        let ids: Vec<_> = needs.groups.iter().map(|id| Id(*id.as_bytes())).collect();
        let names: Vec<_> = needs.group_names.iter().map(String::as_str).collect();
        let found = query(sql).bind(ids).bind(names);
        for row in found.fetch_all(&mut *self.connection).await? {
            let group = group(&Columns(&row))?;
            self.groups.found(group.id, group);
        }
        Ok(())
    }

    pub(crate) async fn look_up_members(&mut self) -> Result<(), Fault> {
        let users: Vec<_> = self
            .needs
            .members
            .iter()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        if users.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM members WHERE user_id = ANY($1)";
        for row in query(sql)
            .bind(users)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let row = Columns(&row);
            let (group, user) = (row.id("group_id")?, row.id("user_id")?);
            let groups = self.members.entry(UserId::from_bytes(user)).or_default();
            groups.insert(GroupId::from_bytes(group));
        }
        Ok(())
    }

    pub(crate) fn add_group(&mut self, group: &Group) -> Made {
        if self.groups.has(group.id) {
            return Err(Outcome::Exists);
        }
        self.set_group(group.clone())
    }

    pub(crate) fn edit_group(&mut self, id: GroupId, edit: &GroupEdit) -> Made {
        let group = self.groups.get(id).ok_or(Outcome::Missing)?.edited(edit);
        self.set_group(group)
    }

    fn set_group(&mut self, group: Group) -> Made {
        let has_it = |other: &Group| other.id != group.id && other.name == group.name;
        if self.groups.all().any(has_it) {
            return Err(Outcome::NameTaken);
        }
        self.groups.set(group.id, group.clone());
        Ok(Outcome::GroupSet(group))
    }

    /// Alone in its batch: whoever is in the group is not looked up.
    pub(crate) async fn remove_group(&mut self, id: GroupId) -> Result<Made, Fault> {
        let Some(group) = self.groups.remove(id) else {
            return Ok(Err(Outcome::Missing));
        };
        let sql = "DELETE FROM members WHERE group_id = $1";
        let members = query(sql).bind(Id(*id.as_bytes()));
        members.execute(&mut *self.connection).await?;
        Ok(Ok(Outcome::GroupRemoved(group)))
    }

    pub(crate) fn add_member(&mut self, group: GroupId, user: UserId) -> Made {
        if !self.groups.has(group) {
            return Err(Outcome::Missing);
        }
        let groups = self.members.entry(user).or_default();
        if groups.contains(&group) {
            return Err(Outcome::Exists);
        }
        if groups.len() >= MAX_GROUPS {
            return Err(Outcome::TooManyGroups);
        }
        groups.insert(group);
        self.moved_members.insert((group, user), true);
        Ok(Outcome::MembersSet)
    }

    pub(crate) fn remove_member(&mut self, group: GroupId, user: UserId) -> Made {
        let was_in = self
            .members
            .get_mut(&user)
            .is_some_and(|groups| groups.remove(&group));
        if !was_in {
            return Err(Outcome::Missing);
        }
        self.moved_members.insert((group, user), false);
        Ok(Outcome::MembersSet)
    }

    pub(crate) async fn write_groups(&mut self) -> Result<bool, Fault> {
        if !self.groups.is_changed() {
            return Ok(false);
        }
        let gone: Vec<_> = self
            .groups
            .to_take_out()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        if !gone.is_empty() {
            let sql = "DELETE FROM groups WHERE id = ANY($1)";
            query(sql).bind(gone).execute(&mut *self.connection).await?;
        }
        let sql = "INSERT INTO groups SELECT * FROM jsonb_populate_recordset(NULL::groups, $1) \
            ON CONFLICT (id) DO UPDATE SET name = excluded.name, retention_days = excluded.retention_days";
        let groups = self
            .groups
            .to_write()
            .map(|(_, group)| row(group))
            .collect();
        query(sql)
            .bind(rows(groups))
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }

    pub(crate) async fn write_members(&mut self) -> Result<bool, Fault> {
        if self.moved_members.is_empty() {
            return Ok(false);
        }
        let sql = "WITH moved AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) \
                AS moved (group_id, user_id, is_in)), \
            gone AS (DELETE FROM members USING moved WHERE NOT is_in \
                AND members.group_id = moved.group_id AND members.user_id = moved.user_id) \
            INSERT INTO members SELECT group_id, user_id FROM moved WHERE is_in \
            ON CONFLICT DO NOTHING";
        let pairs = self.moved_members.keys();
        let groups: Vec<_> = pairs
            .clone()
            .map(|(group, _)| Id(*group.as_bytes()))
            .collect();
        let users: Vec<_> = pairs.map(|(_, user)| Id(*user.as_bytes())).collect();
        let is_in: Vec<_> = self.moved_members.values().copied().collect();
        let moved = query(sql).bind(groups).bind(users).bind(is_in);
        moved.execute(&mut *self.connection).await?;
        Ok(true)
    }
}

pub(crate) fn row(group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "created_by": group.created_by,
        "created_at": group.created_at,
        "retention_days": group.retention,
    })
}

pub(crate) fn group(row: &Columns<'_>) -> Result<Group, Fault> {
    let retention: Option<i32> = row.get("retention_days")?;
    let retention = retention.map(|days| {
        let days = u32::try_from(days).ok();
        days.and_then(|days| Retention::of_days(days).ok())
            .ok_or_else(|| damaged("retention_days"))
    });
    Ok(Group {
        id: GroupId::from_bytes(row.id("id")?),
        name: row.parsed::<GroupName>("name")?,
        created_by: UserId::from_bytes(row.id("created_by")?),
        created_at: row.time("created_at")?,
        retention: retention.transpose()?,
    })
}
