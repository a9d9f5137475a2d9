//! Codes for the recipients of links, and mails that wait.

use consign_core::{
    code::CodeHash, id::LinkId, mail::MailId, outbox::Queued, store::Outcome, time::Timestamp,
};
use redb::{ReadTransaction, ReadableTable};

use crate::{
    fault::Fault,
    record,
    schema::{self, MAILS, MAILS_DUE, Tables},
    writer::Verdict,
};

pub(crate) fn list(snapshot: &ReadTransaction, limit: usize) -> Result<Vec<Queued>, Fault> {
    let (due, mails) = (snapshot.open_table(MAILS_DUE)?, snapshot.open_table(MAILS)?);
    let mut items = Vec::new();
    for entry in due.iter()?.take(limit) {
        let id = MailId::from_bytes(*entry?.0.value().1);
        items.push(schema::indexed_mail(&mails, id)?);
    }
    Ok(items)
}

impl Tables<'_> {
    pub(crate) fn send_code(
        &mut self,
        link: LinkId,
        revision: u32,
        code: CodeHash,
        mail: &Queued,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let Some(found) = schema::link(&self.links, link)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        if found.revision != revision {
            return Ok(Verdict::Unchanged(Outcome::Stale));
        }
        if !found.is_open(at) {
            return Ok(Verdict::Unchanged(Outcome::NotOpen));
        }
        if self.mails.get(mail.mail.id.as_bytes())?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        let codes = match schema::codes(&self.codes, link)?.with(code, at) {
            Ok(codes) => record::codes(&codes)?,
            Err(none) => return Ok(Verdict::Unchanged(Outcome::NoCode(none))),
        };
        self.codes.insert(link.as_bytes(), codes.as_slice())?;
        self.set_mail(mail)?;
        Ok(Verdict::Changed(Outcome::CodeSent))
    }

    /// The code that is good was sent to somebody else.
    pub(crate) fn withdraw_code(&mut self, link: LinkId) -> Result<(), Fault> {
        let before = schema::codes(&self.codes, link)?;
        let after = before.withdrawn();
        if after != before {
            let after = record::codes(&after)?;
            self.codes.insert(link.as_bytes(), after.as_slice())?;
        }
        Ok(())
    }

    /// Tries a code; what is answered unless it is the one that is good.
    pub(crate) fn try_code(
        &mut self,
        link: LinkId,
        code: CodeHash,
        at: Timestamp,
    ) -> Result<Option<Verdict<Outcome>>, Fault> {
        let before = schema::codes(&self.codes, link)?;
        let (right, after) = before.tried(code, at);
        if after == before {
            return Ok(Some(Verdict::Unchanged(Outcome::WrongCode)));
        }
        let after = record::codes(&after)?;
        self.codes.insert(link.as_bytes(), after.as_slice())?;
        Ok((!right).then_some(Verdict::Counted(Outcome::WrongCode)))
    }

    pub(crate) fn try_mail(
        &mut self,
        id: MailId,
        attempts: u32,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let Some(queued) = schema::mail(&self.mails, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        if queued.attempts != attempts {
            return Ok(Verdict::Unchanged(Outcome::Stale));
        }
        self.mails_due
            .remove((queued.due.as_millis(), id.as_bytes()))?;
        let queued = queued.tried(at);
        self.set_mail(&queued)?;
        Ok(Verdict::Changed(Outcome::MailSet(queued)))
    }

    pub(crate) fn drop_mail(&mut self, id: MailId) -> Result<Verdict<Outcome>, Fault> {
        let Some(queued) = schema::mail(&self.mails, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        self.mails.remove(id.as_bytes())?;
        self.mails_due
            .remove((queued.due.as_millis(), id.as_bytes()))?;
        Ok(Verdict::Changed(Outcome::MailSet(queued)))
    }

    pub(crate) fn set_mail(&mut self, queued: &Queued) -> Result<(), Fault> {
        let id = queued.mail.id.as_bytes();
        self.mails.insert(id, record::mail(queued)?.as_slice())?;
        self.mails_due.insert((queued.due.as_millis(), id), ())?;
        Ok(())
    }
}
