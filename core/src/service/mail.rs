//! Codes for recipients, and the mail that brings them.

use std::{num::NonZeroU32, time::Duration};

use futures_util::{StreamExt, stream};

use super::{Administration, Consign};
use crate::{
    code::{Code, Codes, NoCode},
    error::{Error, ErrorKind},
    id::MailId,
    limit::{LimitKey, Rate},
    link::ManagedLink,
    mail::{Courier, DeliveryError, Mail, Text},
    outbox::Queued,
    store::{Change, Outcome, StoreError},
    time::Timestamp,
    user::Email,
};

/// Mails that are carried at once.
const AT_ONCE: usize = 8;

/// Mails that are looked at in one go.
const BATCH: usize = 64;

/// What became of the mail that was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailReport {
    /// Mails that were taken.
    pub delivered: u64,
    /// Mails that are tried again.
    pub failed: u64,
    /// Mails that were given up: they will never be taken, or are of no use any more.
    pub dropped: u64,
    /// When the next is due, if any waits.
    pub next: Option<Timestamp>,
}

/// Codes that are sent to one address, by whatever links: links are easily made, and nobody is to be flooded. Within an
/// hour never more than ten.
const TO_ONE: Rate = Rate::new(SEVEN, Duration::from_secs(20 * 60));

const SEVEN: NonZeroU32 = NonZeroU32::new(7).expect("seven is not 0");

enum Delivery {
    Delivered,
    Failed,
    Dropped,
    /// It is another's to deliver.
    Passed,
}

impl Consign {
    /// Sends the recipient of a link a code, unless one was sent just now.
    ///
    /// # Errors
    /// [`CodeSent`](ErrorKind::CodeSent) when all is well: a code is what is asked for next. `Ok` says
    /// that the link was edited since.
    pub(super) async fn send_code(&self, link: &ManagedLink, to: &Email) -> Result<(), Error> {
        if self.parts().courier.is_none() {
            return Err(ErrorKind::RecipientNeeded.into());
        }
        // Whoever asks may go away: what is taken for a code that is not sent is given back all the same.
        let (consign, link, to) = (self.clone(), link.clone(), to.clone());
        let sent = tokio::spawn(async move { consign.count_code(&link, &to).await });
        let sent = sent.await;
        match sent.map_err(|failure| Error::new(ErrorKind::Internal, failure))?? {
            Outcome::CodeSent | Outcome::NoCode(NoCode::JustSent) => {
                Err(ErrorKind::CodeSent.into())
            }
            Outcome::NoCode(NoCode::TooMany { until }) => {
                let retry_after = until.saturating_since(self.now());
                Err(ErrorKind::TooManyCodes { retry_after }.into())
            }
            Outcome::Stale => Ok(()),
            Outcome::Missing | Outcome::NotOpen => Err(ErrorKind::LinkNotAvailable.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// Queues a code, and counts it unless it is known that it is not on its way.
    async fn count_code(&self, link: &ManagedLink, to: &Email) -> Result<Outcome, Error> {
        let (limits, address) = (&self.0.limits, to.unique_key());
        let key = LimitKey::of(&[b"code", address.as_bytes()]);
        // First of all, so that those who ask at the same time are not all sent one.
        let now = self.parts().clock.now();
        if let Some(retry_after) = limits.take(key, TO_ONE, now).await? {
            return Err(ErrorKind::TooManyCodes { retry_after }.into());
        }
        let queued = self.queue_code(link, to).await;
        match &queued {
            Ok(Outcome::CodeSent) => self.0.mail_queued.notify_one(),
            Err(StoreError::Unavailable(_) | StoreError::Damaged(_)) => {}
            Ok(_) | Err(_) => {
                if let Err(error) = limits.give_back(key, TO_ONE).await {
                    tracing::warn!(%error, "a code that was not sent counts as sent");
                }
            }
        }
        Ok(queued?)
    }

    async fn queue_code(&self, link: &ManagedLink, to: &Email) -> Result<Outcome, StoreError> {
        let parts = self.parts();
        let (code, at) = (Code::random(&*parts.entropy), self.now());
        let mail = mail(MailId::random(&*parts.entropy), to, &code);
        let change = Change::SendCode {
            link: link.id,
            revision: link.revision,
            code: code.hash(link.id, to),
            mail: Queued::new(mail, at, at + Codes::LASTS),
            at,
        };
        parts.files.apply(change).await
    }
}

impl Administration {
    /// Waits until a mail is to be delivered that was not before: [`deliver_mail`](Self::deliver_mail)
    /// is called then, and when the next is due.
    pub async fn mail_queued(&self) {
        self.consign.0.mail_queued.notified().await;
    }

    /// Delivers the mail that is due, by the [courier](crate::Parts::courier). A mail that fails is tried
    /// again after a while, which grows; one that is being delivered when the process ends, too, so that
    /// it may come twice.
    pub async fn deliver_mail(&self) -> Result<MailReport, Error> {
        let mut report = MailReport::default();
        let Some(courier) = self.consign.parts().courier.clone() else {
            return Ok(report);
        };
        loop {
            let (files, now) = (&self.consign.parts().files, self.consign.now());
            let waiting = files.mails(BATCH).await?;
            report.next = waiting
                .iter()
                .map(|queued| queued.due)
                .find(|due| *due > now);
            let due = waiting.into_iter().filter(|queued| queued.due <= now);
            let deliveries = due.map(|queued| self.deliver(&*courier, queued));
            let deliveries: Vec<_> = deliveries.collect();
            if deliveries.is_empty() {
                return Ok(report);
            }
            let mut deliveries = stream::iter(deliveries).buffer_unordered(AT_ONCE);
            let meters = &self.consign.0.meters;
            while let Some(delivery) = deliveries.next().await {
                let (count, meter) = match delivery? {
                    Delivery::Delivered => (&mut report.delivered, &meters.delivered),
                    Delivery::Failed => (&mut report.failed, &meters.failed),
                    Delivery::Dropped => (&mut report.dropped, &meters.dropped),
                    Delivery::Passed => continue,
                };
                *count += 1;
                meter.increment(1);
            }
        }
    }

    /// Drops mail that is of no use any more, which nobody may be there to carry.
    pub(super) async fn drop_useless_mail(&self) -> Result<(), StoreError> {
        let (files, now) = (&self.consign.parts().files, self.consign.now());
        loop {
            let waiting = files.mails(BATCH).await?;
            let useless = waiting.into_iter().filter(|queued| queued.until <= now);
            let mut dropped = 0;
            for queued in useless {
                files.apply(Change::DropMail { id: queued.mail.id }).await?;
                dropped += 1;
            }
            if dropped == 0 {
                return Ok(());
            }
        }
    }

    async fn deliver(&self, courier: &dyn Courier, queued: Queued) -> Result<Delivery, StoreError> {
        let at = self.consign.now();
        let files = &self.consign.parts().files;
        let (id, attempts) = (queued.mail.id, queued.attempts);
        if queued.until <= at {
            tracing::warn!(mail = %id, attempts, "a mail was given up: it is of no use any more");
            files.apply(Change::DropMail { id }).await?;
            return Ok(Delivery::Dropped);
        }
        // First of all: whoever finds it meanwhile leaves it alone.
        let tried = files.apply(Change::TryMail { id, attempts, at }).await?;
        let Outcome::MailSet(_) = tried else {
            return Ok(Delivery::Passed);
        };
        match courier.deliver(&queued.mail).await {
            Ok(()) => {
                files.apply(Change::DropMail { id }).await?;
                Ok(Delivery::Delivered)
            }
            Err(DeliveryError::Temporary(error)) => {
                tracing::warn!(mail = %id, attempts, %error, "a mail is tried again later");
                Ok(Delivery::Failed)
            }
            Err(error) => {
                tracing::warn!(mail = %id, attempts, %error, "a mail was given up");
                files.apply(Change::DropMail { id }).await?;
                Ok(Delivery::Dropped)
            }
        }
    }
}

fn mail(id: MailId, to: &Email, code: &Code) -> Mail {
    let (first, second) = code.expose().split_at(Code::LEN / 2);
    let minutes = Codes::LASTS.as_secs() / 60;
    let text = format!(
        "Somebody wants to open files that were sent to you.\n\n\
         If it is you, this is your code: {first} {second}\n\n\
         It is good for {minutes} minutes and for one download. If it is not you, there is nothing \
         that you need to do: without the code nobody opens them.\n"
    );
    Mail {
        id,
        to: to.clone(),
        subject: "Your code for the files that were sent to you"
            .parse()
            .expect("it is a subject"),
        text: Text::new(text),
    }
}
