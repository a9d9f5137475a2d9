//! For whom files are, and the groups of clients.

use std::borrow::Cow;

use crate::{
    audience::{Audience, Scope},
    error::{Error, ErrorKind},
    event::Author,
    file::{File, FileEntry},
    group::{Group, GroupEdit, GroupName, Retention},
    id::{FileId, GroupId, UserId},
    link::Edit,
    once::{IdempotencyKey, Made},
    policy::{self, Action},
    service::{Actor, Consign, lifetimes::FileChanges, once::Repeatable},
    store::{Change, Outcome, Page},
    user::{Role, User, Username},
};

/// Groups that are looked at in one go, where those of others are passed over.
const LOOKED_AT: usize = 1000;

impl Consign {
    /// A file that the actor sees.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound): also for one
    /// that is not for them.
    pub async fn file(&self, actor: &Actor, id: FileId) -> Result<File, Error> {
        self.seen(actor, Action::List, id).await
    }

    /// Has a file be for others. It takes effect at the next request for the file.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound), then
    /// [`UserNotFound`](ErrorKind::UserNotFound) or [`GroupNotFound`](ErrorKind::GroupNotFound) for
    /// those it was to be for.
    pub async fn share(
        &self,
        actor: &Actor,
        id: FileId,
        audience: Audience,
    ) -> Result<File, Error> {
        let changes = FileChanges {
            audience: Edit::Set(audience),
            ..FileChanges::default()
        };
        self.edit_file(actor, id, changes).await
    }

    /// The user of this id, for one who may have files be for others.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`UserNotFound`](ErrorKind::UserNotFound).
    pub async fn user(&self, actor: &Actor, id: UserId) -> Result<User, Error> {
        actor.demand(Action::Share)?;
        let user = self.parts().users.by_id(id).await?;
        let user = user.filter(|user| policy::may_name(actor.user(), user));
        user.ok_or_else(|| ErrorKind::UserNotFound.into())
    }

    /// As [`user`](Self::user), by name.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`UserNotFound`](ErrorKind::UserNotFound).
    pub async fn user_named(&self, actor: &Actor, username: &Username) -> Result<User, Error> {
        actor.demand(Action::Share)?;
        let user = self.parts().users.by_username(username).await?;
        let user = user.filter(|user| policy::may_name(actor.user(), user));
        user.ok_or_else(|| ErrorKind::UserNotFound.into())
    }

    /// Makes a group that nobody is in, and whose files are there for so long after their uploads, or for ever; with a key
    /// once, however often it is asked for within a day.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNameTaken`](ErrorKind::GroupNameTaken),
    /// [`OtherRequest`](ErrorKind::OtherRequest); [`GroupNotFound`](ErrorKind::GroupNotFound) when it
    /// was made before and is gone.
    pub async fn add_group(
        &self,
        actor: &Actor,
        name: GroupName,
        retention: Option<Retention>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Group, Error> {
        actor.demand(Action::ManageGroups)?;
        let (maker, asked) = (actor.user().id, name.clone());
        let days = retention.map_or(0, Retention::days).to_le_bytes();
        let asked = [asked.as_str().as_bytes(), &days];
        let repeatable = Repeatable::new(key, maker.as_bytes(), "group", &asked);
        let group = Group {
            id: GroupId::random(&*self.parts().entropy),
            name,
            created_by: actor.user().id,
            created_at: self.parts().clock.now(),
            retention,
        };
        match self.apply_once(repeatable, Change::AddGroup(group)).await? {
            Outcome::Repeated(Made::Group(id)) => self.group(actor, id).await,
            outcome => group_of(outcome),
        }
    }

    /// The group of this id.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNotFound`](ErrorKind::GroupNotFound).
    pub async fn group(&self, actor: &Actor, id: GroupId) -> Result<Group, Error> {
        actor.demand(Action::ManageGroups)?;
        let group = self.parts().files.group(id).await?;
        let group = group.filter(|group| policy::may_manage(actor.user(), group));
        group.ok_or_else(|| ErrorKind::GroupNotFound.into())
    }

    /// At most `limit` groups that the actor may manage, ordered by name, after the name `after`.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden).
    pub async fn groups(
        &self,
        actor: &Actor,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Page<Group, GroupName>, Error> {
        actor.demand(Action::ManageGroups)?;
        let (files, limit) = (&self.parts().files, limit.max(1));
        let (mut items, mut after) = (Vec::new(), after.cloned());
        // Those of others are passed over: of these there may be whole pages.
        loop {
            let page = files.groups(after.as_ref(), limit.max(LOOKED_AT)).await?;
            let own = page.items.into_iter();
            let own = own.filter(|group| policy::may_manage(actor.user(), group));
            items.extend(own);
            after = page.next;
            if after.is_none() || items.len() > limit {
                let mut page = Page::cut(items, limit, |group: &Group| group.name.clone());
                page.next = page.next.or(after);
                return Ok(page);
            }
        }
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNotFound`](ErrorKind::GroupNotFound),
    /// [`GroupNameTaken`](ErrorKind::GroupNameTaken).
    pub async fn rename_group(
        &self,
        actor: &Actor,
        id: GroupId,
        name: GroupName,
    ) -> Result<Group, Error> {
        self.edit_group(actor, id, GroupEdit::named(name)).await
    }

    /// Changes a group, all at once. What is for it and is over by a shorter retention
    /// [is removed](crate::Administration::end_lifetimes) soon.
    ///
    /// # Errors
    /// As [`rename_group`](Self::rename_group).
    pub async fn edit_group(
        &self,
        actor: &Actor,
        id: GroupId,
        edit: GroupEdit,
    ) -> Result<Group, Error> {
        self.group(actor, id).await?;
        let (by, at) = self.by(actor);
        self.set_group(Change::EditGroup { id, edit, by, at }).await
    }

    /// Removes a group. What was for it is not for those who were in it any more.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNotFound`](ErrorKind::GroupNotFound).
    pub async fn remove_group(&self, actor: &Actor, id: GroupId) -> Result<Group, Error> {
        self.group(actor, id).await?;
        let (by, at) = self.by(actor);
        self.set_group(Change::RemoveGroup { id, by, at }).await
    }

    /// At most `limit` members of a group, ordered by id, after `after`.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNotFound`](ErrorKind::GroupNotFound).
    pub async fn members(
        &self,
        actor: &Actor,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Page<User, UserId>, Error> {
        self.group(actor, group).await?;
        let parts = self.parts();
        let page = parts.files.members(group, after, limit.max(1)).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for id in page.items {
            // A host's store of users may have lost one.
            items.extend(parts.users.by_id(id).await?);
        }
        let next = page.next;
        Ok(Page { items, next })
    }

    /// Takes a client into a group. One who is in it already stays there.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNotFound`](ErrorKind::GroupNotFound),
    /// [`UserNotFound`](ErrorKind::UserNotFound) when there is no client of this name,
    /// [`TooManyGroups`](ErrorKind::TooManyGroups).
    pub async fn add_member(
        &self,
        actor: &Actor,
        group: GroupId,
        username: &Username,
    ) -> Result<User, Error> {
        self.group(actor, group).await?;
        let user = self.parts().users.by_username(username).await?;
        let user =
            user.filter(|user| user.role == Role::Client && policy::may_name(actor.user(), user));
        let user = user.ok_or(ErrorKind::UserNotFound)?;
        let (by, at) = self.by(actor);
        let change = Change::AddMember {
            group,
            user: user.id,
            by,
            at,
        };
        match self.parts().files.apply(change).await? {
            Outcome::MembersSet | Outcome::Exists => Ok(user),
            Outcome::Missing => Err(ErrorKind::GroupNotFound.into()),
            Outcome::TooManyGroups => Err(ErrorKind::TooManyGroups.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// Takes a user out of a group. It takes effect at their next request.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`GroupNotFound`](ErrorKind::GroupNotFound),
    /// [`UserNotFound`](ErrorKind::UserNotFound) when they are not in it.
    pub async fn remove_member(
        &self,
        actor: &Actor,
        group: GroupId,
        user: UserId,
    ) -> Result<(), Error> {
        self.group(actor, group).await?;
        let (by, at) = self.by(actor);
        let change = Change::RemoveMember {
            group,
            user,
            by,
            at,
        };
        match self.parts().files.apply(change).await? {
            Outcome::MembersSet => Ok(()),
            Outcome::Missing => Err(ErrorKind::UserNotFound.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// Which files a user sees. What is read by it was theirs at one moment if it
    /// [is still so](Self::is_still) afterwards.
    pub(super) async fn scope(&self, user: &User) -> Result<Scope, Error> {
        let groups = match user.role {
            Role::Operations => Vec::new(),
            Role::Client => self.parts().files.groups_of(user.id).await?,
        };
        Ok(policy::scope(user, groups))
    }

    /// Whether a user still sees what they did; `scope` is what they see now.
    pub(super) async fn is_still(&self, user: &User, scope: &mut Scope) -> Result<bool, Error> {
        let now = self.scope(user).await?;
        let is_still = now == *scope;
        *scope = now;
        Ok(is_still)
    }

    /// Whether a user may do something with a file that was read a moment ago. Which groups they are in
    /// is asked only where it decides that, and then whether the file is still for the same: both
    /// are so at one moment.
    pub(super) async fn may(
        &self,
        user: &User,
        action: Action,
        file: &FileEntry,
    ) -> Result<bool, Error> {
        let files = &self.parts().files;
        let mut file = Cow::Borrowed(file);
        loop {
            if policy::may(user, [], action, &file) {
                return Ok(true);
            }
            if user.role == Role::Operations || file.audience.groups().next().is_none() {
                return Ok(false);
            }
            let groups = files.groups_of(user.id).await?;
            let Some(now) = self.there(file.id).await? else {
                return Ok(false);
            };
            if now.entry.audience == file.audience {
                return Ok(policy::may(user, groups, action, &file));
            }
            file = Cow::Owned(now.entry);
        }
    }

    /// The file, if the actor may do this at all and sees it.
    pub(super) async fn seen(
        &self,
        actor: &Actor,
        action: Action,
        id: FileId,
    ) -> Result<File, Error> {
        actor.demand(action)?;
        let file = self.there(id).await?;
        let file = file.ok_or(ErrorKind::FileNotFound)?;
        match self.may(actor.user(), action, &file.entry).await? {
            true => Ok(file),
            false => Err(ErrorKind::FileNotFound.into()),
        }
    }

    /// Sees that there is each client and each group whom an audience names, as far as `by` may know. The
    /// catalogue asks for the groups again.
    pub(super) async fn check_audience(&self, by: &User, audience: &Audience) -> Result<(), Error> {
        if *audience == Audience::everybody() && !policy::may_share_with_all(by) {
            return Err(ErrorKind::Forbidden(Action::Share).into());
        }
        for id in audience.users() {
            let user = self.parts().users.by_id(id).await?;
            let client =
                user.filter(|user| user.role == Role::Client && policy::may_name(by, user));
            client.ok_or(ErrorKind::UserNotFound)?;
        }
        for id in audience.groups() {
            let group = self.parts().files.group(id).await?;
            let group = group.filter(|group| policy::may_manage(by, group));
            group.ok_or(ErrorKind::GroupNotFound)?;
        }
        Ok(())
    }

    async fn set_group(&self, change: Change) -> Result<Group, Error> {
        group_of(self.parts().files.apply(change).await?)
    }

    fn by(&self, actor: &Actor) -> (Author, crate::time::Timestamp) {
        (Author::User(actor.user().id), self.parts().clock.now())
    }
}

fn group_of(outcome: Outcome) -> Result<Group, Error> {
    match outcome {
        Outcome::GroupSet(group) | Outcome::GroupRemoved(group) => Ok(group),
        Outcome::Missing => Err(ErrorKind::GroupNotFound.into()),
        Outcome::NameTaken => Err(ErrorKind::GroupNameTaken.into()),
        outcome => Err(outcome.unexpected()),
    }
}
