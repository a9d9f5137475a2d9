//! Managed links, their leases and their codes.

use std::num::NonZeroU32;

use consign_core::{
    code::{CodeHash, Codes, GoodCode},
    id::{FileId, LeaseId, LinkId, UserId},
    link::{Lease, LinkEdit, ManagedLink, SecretHash},
    outbox::Queued,
    store::{FORGET_AT_ONCE, Outcome},
    time::Timestamp,
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    batch::{Batch, Made},
    column::{Columns, Id, Number, damaged, hex, rows},
    fault::Fault,
    page,
};

impl Batch<'_> {
    pub(crate) async fn look_up_links(&mut self) -> Result<(), Fault> {
        let needs = &self.needs;
        if needs.links.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM links WHERE id = ANY($1) OR secret = ANY($2)";
        let ids: Vec<_> = needs.links.iter().map(|id| Id(*id.as_bytes())).collect();
        let secrets: Vec<_> = needs
            .secrets
            .iter()
            .map(|secret| secret.0.to_vec())
            .collect();
        let found = query(sql).bind(ids).bind(secrets);
        for row in found.fetch_all(&mut *self.connection).await? {
            let link = link(&Columns(&row))?;
            self.links.found(link.id, link);
        }
        Ok(())
    }

    pub(crate) async fn look_up_leases(&mut self) -> Result<(), Fault> {
        let leases: Vec<_> = self
            .needs
            .leases
            .iter()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        if leases.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM leases WHERE id = ANY($1)";
        for row in query(sql)
            .bind(leases)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let lease = lease(&Columns(&row))?;
            self.leases.found(lease.id, lease);
        }
        Ok(())
    }

    pub(crate) async fn look_up_codes(&mut self) -> Result<(), Fault> {
        let links: Vec<_> = self
            .needs
            .codes
            .iter()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        if links.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM codes WHERE link = ANY($1)";
        for row in query(sql)
            .bind(links)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let (link, codes) = codes(&Columns(&row))?;
            self.codes.found(link, codes);
        }
        Ok(())
    }

    pub(crate) fn add_link(&mut self, link: &ManagedLink) -> Made {
        let shares = |other: &ManagedLink| other.secret == link.secret;
        if self.links.has(link.id) || self.links.all().any(shares) {
            return Err(Outcome::Exists);
        }
        if let Some(file) = link.files.iter().find(|id| self.file(**id).is_none()) {
            return Err(Outcome::NoSuchFile(*file));
        }
        self.set_link(link.clone())
    }

    fn set_link(&mut self, link: ManagedLink) -> Made {
        self.links.set(link.id, link.clone());
        Ok(Outcome::LinkSet(link))
    }

    fn set_codes(&mut self, link: LinkId, before: &Codes, codes: Codes) {
        if codes != *before {
            self.codes.set(link, codes);
        }
    }

    pub(crate) fn edit_link(&mut self, id: LinkId, edit: &LinkEdit) -> Made {
        let link = self.links.get(id).ok_or(Outcome::Missing)?;
        let edited = link.edited(edit);
        if edited.recipient != link.recipient
            && let Some(codes) = self.codes.get(id)
        {
            let codes = codes.clone();
            let after = codes.withdrawn();
            self.set_codes(id, &codes, after);
        }
        self.set_link(edited)
    }

    pub(crate) fn revoke_link(&mut self, id: LinkId, at: Timestamp) -> Made {
        let link = self.links.get(id).ok_or(Outcome::Missing)?;
        let revoked = link.revoked(at).ok_or(Outcome::Exists)?;
        self.set_link(revoked)
    }

    pub(crate) fn open_lease(
        &mut self,
        lease: &Lease,
        revision: u32,
        code: Option<CodeHash>,
    ) -> Made {
        let link = self.links.get(lease.link).ok_or(Outcome::Missing)?;
        if link.revision != revision {
            return Err(Outcome::Stale);
        }
        let leased = link.leased(lease.opened_at).ok_or(Outcome::NotOpen)?;
        if self.leases.has(lease.id) {
            return Err(Outcome::Exists);
        }
        if let Some(code) = code {
            let codes = self.codes.get(lease.link).cloned().unwrap_or_default();
            let (right, after) = codes.tried(code, lease.opened_at);
            // A wrong one is counted where there is one that is good, and is no event.
            self.set_codes(lease.link, &codes, after);
            if !right {
                return Err(Outcome::WrongCode);
            }
        }
        self.leases.set(lease.id, lease.clone());
        self.set_link(leased)
    }

    pub(crate) fn send_code(
        &mut self,
        link: LinkId,
        revision: u32,
        code: CodeHash,
        mail: &Queued,
        at: Timestamp,
    ) -> Made {
        let found = self.links.get(link).ok_or(Outcome::Missing)?;
        if found.revision != revision {
            return Err(Outcome::Stale);
        }
        if !found.is_open(at) {
            return Err(Outcome::NotOpen);
        }
        if self.mails.has(mail.mail.id) {
            return Err(Outcome::Exists);
        }
        let codes = self.codes.get(link).cloned().unwrap_or_default();
        let codes = codes.with(code, at).map_err(Outcome::NoCode)?;
        self.codes.set(link, codes);
        self.mails.set(mail.mail.id, mail.clone());
        Ok(Outcome::CodeSent)
    }

    /// Alone in its batch.
    pub(crate) async fn forget_leases(&mut self, ended_before: Timestamp) -> Result<Made, Fault> {
        let sql =
            "DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE expires_at < $1 LIMIT $2)";
        let ended = query(sql)
            .bind(Number::from(ended_before))
            .bind(page::most(FORGET_AT_ONCE));
        let ended = ended.execute(&mut *self.connection).await?.rows_affected();
        Ok(self.forgotten(ended))
    }

    pub(crate) fn forgotten(&mut self, count: u64) -> Made {
        if count == 0 {
            return Err(Outcome::Missing);
        }
        self.wrote = true;
        Ok(Outcome::Forgotten(
            usize::try_from(count).unwrap_or(usize::MAX),
        ))
    }

    pub(crate) async fn write_links(&mut self) -> Result<bool, Fault> {
        if !self.links.is_changed() {
            return Ok(false);
        }
        let sql = "INSERT INTO links SELECT * FROM jsonb_populate_recordset(NULL::links, $1) \
            ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, \
            max_downloads = excluded.max_downloads, downloads = excluded.downloads, \
            password = excluded.password, recipient = excluded.recipient, note = excluded.note, \
            revoked_at = excluded.revoked_at, revision = excluded.revision";
        let links = self
            .links
            .to_write()
            .map(|(_, link)| link_row(link))
            .collect();
        query(sql)
            .bind(rows(links))
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }

    pub(crate) async fn write_leases(&mut self) -> Result<bool, Fault> {
        if !self.leases.is_changed() {
            return Ok(false);
        }
        let sql = "INSERT INTO leases SELECT * FROM jsonb_populate_recordset(NULL::leases, $1)";
        let leases = self
            .leases
            .to_write()
            .map(|(_, lease)| lease_row(lease))
            .collect();
        query(sql)
            .bind(rows(leases))
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }

    pub(crate) async fn write_codes(&mut self) -> Result<bool, Fault> {
        if !self.codes.is_changed() {
            return Ok(false);
        }
        let sql = "INSERT INTO codes SELECT * FROM jsonb_populate_recordset(NULL::codes, $1) \
            ON CONFLICT (link) DO UPDATE SET good = excluded.good, \
            good_until = excluded.good_until, wrong = excluded.wrong, sent = excluded.sent";
        let codes = self
            .codes
            .to_write()
            .map(|(link, codes)| codes_row(link, codes))
            .collect();
        query(sql)
            .bind(rows(codes))
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }
}

pub(crate) fn link_row(link: &ManagedLink) -> Value {
    json!({
        "id": link.id,
        "secret": hex(&link.secret.0),
        "files": &*link.files,
        "made_by": link.made_by,
        "made_at": link.made_at,
        "expires_at": link.expires_at,
        "max_downloads": link.max_downloads,
        "downloads": link.downloads,
        "password": link.password.as_ref().map(|password| password.expose()),
        "recipient": link.recipient,
        "note": link.note.as_ref().map(|note| note.as_str()),
        "revoked_at": link.revoked_at,
        "revision": link.revision,
    })
}

pub(crate) fn link(row: &Columns<'_>) -> Result<ManagedLink, Fault> {
    let max_downloads: Option<u32> = row.small_or_null("max_downloads")?;
    Ok(ManagedLink {
        id: LinkId::from_bytes(row.id("id")?),
        secret: SecretHash(row.bytes("secret")?),
        files: row
            .ids("files")?
            .into_iter()
            .map(FileId::from_bytes)
            .collect(),
        made_by: UserId::from_bytes(row.id("made_by")?),
        made_at: row.time("made_at")?,
        expires_at: row.time("expires_at")?,
        max_downloads: max_downloads.and_then(NonZeroU32::new),
        downloads: row.small("downloads")?,
        password: row.parsed_or_null("password")?,
        recipient: row.parsed_or_null("recipient")?,
        note: row.parsed_or_null("note")?,
        revoked_at: row.time_or_null("revoked_at")?,
        revision: row.small("revision")?,
    })
}

pub(crate) fn lease_row(lease: &Lease) -> Value {
    json!({
        "id": lease.id,
        "link": lease.link,
        "opened_at": lease.opened_at,
        "expires_at": lease.expires_at,
        "recipient": lease.recipient,
    })
}

pub(crate) fn lease(row: &Columns<'_>) -> Result<Lease, Fault> {
    Ok(Lease {
        id: LeaseId::from_bytes(row.id("id")?),
        link: LinkId::from_bytes(row.id("link")?),
        opened_at: row.time("opened_at")?,
        expires_at: row.time("expires_at")?,
        recipient: row.parsed_or_null("recipient")?,
    })
}

pub(crate) fn codes_row(link: LinkId, codes: &Codes) -> Value {
    let good = codes.good.as_ref();
    json!({
        "link": link,
        "good": good.map(|good| hex(&good.hash.0)),
        "good_until": good.map(|good| good.until),
        "wrong": good.map(|good| good.wrong),
        "sent": codes.sent,
    })
}

pub(crate) fn codes(row: &Columns<'_>) -> Result<(LinkId, Codes), Fault> {
    let good = match row.get::<Option<&[u8]>>("good")? {
        None => None,
        Some(hash) => {
            let wrong: i16 = row.get("wrong")?;
            Some(GoodCode {
                hash: CodeHash(hash.try_into().map_err(|_| damaged("good"))?),
                until: row.time("good_until")?,
                wrong: u8::try_from(wrong).map_err(|_| damaged("wrong"))?,
            })
        }
    };
    let sent: Vec<Number> = row.get("sent")?;
    let sent = sent.into_iter().map(|number| {
        let millis = u64::try_from(number.0).map_err(|_| damaged("sent"))?;
        Ok::<_, Fault>(Timestamp::from_millis(millis))
    });
    let sent = sent.collect::<Result<_, _>>()?;
    Ok((LinkId::from_bytes(row.id("link")?), Codes { good, sent }))
}
