//! Mail that waits.

use consign_core::{
    id::MailId,
    mail::{Mail, Text},
    outbox::Queued,
    store::Outcome,
    time::Timestamp,
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    batch::{Batch, Made},
    column::{Columns, Id, rows},
    fault::Fault,
};

impl Batch<'_> {
    pub(crate) async fn look_up_mails(&mut self) -> Result<(), Fault> {
        let mails: Vec<_> = self
            .needs
            .mails
            .iter()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        if mails.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM mails WHERE id = ANY($1)";
        for row in query(sql)
            .bind(mails)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let queued = queued(&Columns(&row))?;
            self.mails.found(queued.mail.id, queued);
        }
        Ok(())
    }

    pub(crate) fn try_mail(&mut self, id: MailId, attempts: u32, at: Timestamp) -> Made {
        let queued = self.mails.get(id).ok_or(Outcome::Missing)?;
        if queued.attempts != attempts {
            return Err(Outcome::Stale);
        }
        let queued = queued.tried(at);
        self.mails.set(id, queued.clone());
        Ok(Outcome::MailSet(queued))
    }

    pub(crate) fn drop_mail(&mut self, id: MailId) -> Made {
        let queued = self.mails.remove(id).ok_or(Outcome::Missing)?;
        Ok(Outcome::MailSet(queued))
    }

    pub(crate) async fn write_mails(&mut self) -> Result<bool, Fault> {
        if !self.mails.is_changed() {
            return Ok(false);
        }
        let sql = "WITH gone AS (DELETE FROM mails WHERE id = ANY($1)) \
            INSERT INTO mails SELECT * FROM jsonb_populate_recordset(NULL::mails, $2) \
            ON CONFLICT (id) DO UPDATE SET due = excluded.due, attempts = excluded.attempts";
        let gone: Vec<_> = self
            .mails
            .to_take_out()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        let mails = self
            .mails
            .to_write()
            .map(|(_, queued)| row(queued))
            .collect();
        let written = query(sql).bind(gone).bind(rows(mails));
        written.execute(&mut *self.connection).await?;
        Ok(true)
    }
}

pub(crate) fn row(queued: &Queued) -> Value {
    json!({
        "id": queued.mail.id,
        "recipient": queued.mail.to,
        "subject": queued.mail.subject,
        "body": queued.mail.text.expose(),
        "due": queued.due,
        "attempts": queued.attempts,
        "until": queued.until,
    })
}

pub(crate) fn queued(row: &Columns<'_>) -> Result<Queued, Fault> {
    Ok(Queued {
        mail: Mail {
            id: MailId::from_bytes(row.id("id")?),
            to: row.parsed("recipient")?,
            subject: row.parsed("subject")?,
            text: Text::new(row.get("body")?),
        },
        due: row.time("due")?,
        attempts: row.small("attempts")?,
        until: row.time("until")?,
    })
}
