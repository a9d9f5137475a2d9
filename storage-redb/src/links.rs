//! Managed links and their leases.

use std::ops::Bound::{Excluded, Included};

use consign_core::{
    code::CodeHash,
    id::{FileId, LeaseId, LinkId, UserId},
    link::{Lease, LinkEdit, ManagedLink, SecretHash},
    store::{FORGET_AT_ONCE, Outcome, Page},
    time::Timestamp,
};
use redb::{ReadTransaction, ReadableTable};

use crate::{
    fault::Fault,
    record,
    schema::{self, LINK_MAKERS, LINK_SECRETS, LINKS, Tables},
    writer::Verdict,
};

pub(crate) fn of_secret(
    snapshot: &ReadTransaction,
    secret: SecretHash,
) -> Result<Option<ManagedLink>, Fault> {
    match snapshot.open_table(LINK_SECRETS)?.get(&secret.0)? {
        Some(id) => {
            let id = LinkId::from_bytes(*id.value());
            schema::indexed_link(&snapshot.open_table(LINKS)?, id).map(Some)
        }
        None => Ok(None),
    }
}

pub(crate) fn list(
    snapshot: &ReadTransaction,
    made_by: UserId,
    before: Option<LinkId>,
    limit: usize,
) -> Result<Page<ManagedLink, LinkId>, Fault> {
    let (makers, links) = (
        snapshot.open_table(LINK_MAKERS)?,
        snapshot.open_table(LINKS)?,
    );
    let maker = made_by.as_bytes();
    let before = before.map(|link| *link.as_bytes());
    let to = match &before {
        Some(before) => Excluded((maker, before)),
        None => Included((maker, &[u8::MAX; 16])),
    };
    let mut items = Vec::new();
    for entry in makers
        .range::<(&[u8; 16], &[u8; 16])>((Included((maker, &[0; 16])), to))?
        .rev()
        .take(limit.saturating_add(1))
    {
        let id = LinkId::from_bytes(*entry?.0.value().1);
        items.push(schema::indexed_link(&links, id)?);
    }
    Ok(Page::cut(items, limit, |link: &ManagedLink| link.id))
}

impl Tables<'_> {
    pub(crate) fn add_link(&mut self, link: &ManagedLink) -> Result<Verdict<Outcome>, Fault> {
        let id = link.id.as_bytes();
        if self.links.get(id)?.is_some() || self.link_secrets.get(&link.secret.0)?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        if let Some(file) = self.missing_file(&link.files)? {
            return Ok(Verdict::Unchanged(Outcome::NoSuchFile(file)));
        }
        self.link_secrets.insert(&link.secret.0, id)?;
        self.link_makers.insert((link.made_by.as_bytes(), id), ())?;
        self.set_link(link.clone())
    }

    fn missing_file(&self, files: &[FileId]) -> Result<Option<FileId>, Fault> {
        for file in files {
            if self.file_ids.get(file.as_bytes())?.is_none() {
                return Ok(Some(*file));
            }
        }
        Ok(None)
    }

    fn set_link(&mut self, link: ManagedLink) -> Result<Verdict<Outcome>, Fault> {
        let record = record::link(&link)?;
        self.links.insert(link.id.as_bytes(), record.as_slice())?;
        Ok(Verdict::Changed(Outcome::LinkSet(link)))
    }

    pub(crate) fn edit_link(
        &mut self,
        id: LinkId,
        edit: &LinkEdit,
    ) -> Result<Verdict<Outcome>, Fault> {
        let Some(link) = schema::link(&self.links, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        let edited = link.edited(edit);
        if edited.recipient != link.recipient {
            self.withdraw_code(id)?;
        }
        self.set_link(edited)
    }

    pub(crate) fn revoke_link(
        &mut self,
        id: LinkId,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let Some(link) = schema::link(&self.links, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        match link.revoked(at) {
            Some(revoked) => self.set_link(revoked),
            None => Ok(Verdict::Unchanged(Outcome::Exists)),
        }
    }

    pub(crate) fn open_lease(
        &mut self,
        lease: &Lease,
        revision: u32,
        code: Option<CodeHash>,
    ) -> Result<Verdict<Outcome>, Fault> {
        let Some(link) = schema::link(&self.links, lease.link)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        if link.revision != revision {
            return Ok(Verdict::Unchanged(Outcome::Stale));
        }
        let Some(leased) = link.leased(lease.opened_at) else {
            return Ok(Verdict::Unchanged(Outcome::NotOpen));
        };
        let id = lease.id.as_bytes();
        if self.leases.get(id)?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        if let Some(code) = code
            && let Some(wrong) = self.try_code(lease.link, code, lease.opened_at)?
        {
            return Ok(wrong);
        }
        self.leases.insert(id, record::lease(lease)?.as_slice())?;
        self.set_link(leased)
    }

    /// Looks through all leases, until it has found enough.
    pub(crate) fn forget_leases(
        &mut self,
        ended_before: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let mut ended = Vec::new();
        for entry in self.leases.iter()? {
            let (id, bytes) = entry?;
            let id = LeaseId::from_bytes(*id.value());
            let lease = schema::lease(id, bytes.value())?;
            if lease.expires_at < ended_before {
                ended.push(id);
            }
            if ended.len() == FORGET_AT_ONCE {
                break;
            }
        }
        for id in &ended {
            self.leases.remove(id.as_bytes())?;
        }
        Ok(match ended.len() {
            0 => Verdict::Unchanged(Outcome::Missing),
            count => Verdict::Changed(Outcome::Forgotten(count)),
        })
    }
}
