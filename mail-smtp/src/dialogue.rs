//! What is said to a server, and what it answers.

use std::{error::Error, fmt, time::Duration};

use consign_core::mail::{BoxError, DeliveryError};
use lettre::{
    Address,
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Quit, Rcpt},
        extension::{Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time;

use crate::{
    message::{Written, is_ascii},
    relay::Login,
};

/// How long a server is waited for that has taken the mail, until it says goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// A connection is made; TLS begins; the server and the courier greet each other.
    Connect,
    /// `STARTTLS`, and the greeting anew.
    StartTls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The mail itself, and whether it was taken.
    Content,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "the mail",
        })
    }
}

/// Why a mail was not taken.
///
/// It tells the server's words only where the server has not heard a secret yet: a filter repeats
/// the links that it dislikes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// The server refused (RFC 5321, section 4.2).
    #[error("the server refused {stage}: {code}{}{words}", if words.is_empty() { "" } else { " " })]
    Refused {
        /// What it refused.
        stage: Stage,
        /// Its reply code.
        code: u16,
        /// What else it said, as far as that is told: all, the enhanced status code (RFC 3463), or
        /// nothing.
        words: String,
    },
    /// The server did not answer in time.
    #[error("no answer in time: {0}")]
    TimedOut(Stage),
    /// The connection could not be made, was cut or not encrypted.
    #[error("no connection: {0}")]
    Broken(Stage, #[source] BoxError),
    /// The server said nothing that is an answer, or not all of one.
    #[error("no answer: {0}")]
    Nonsense(Stage),
    /// The server lacks what is needed.
    #[error("the server cannot do it: {0}: {1}")]
    Lacking(Stage, String),
    /// The mail cannot be sent to anybody's server.
    #[error("the mail is not fit to be sent: {0}")]
    Unfit(&'static str),
    /// Only a server that has SMTPUTF8 (RFC 6531) takes the recipient's address, and this has not.
    #[error("the server takes no address that is not ASCII")]
    NotAscii,
}

impl SmtpError {
    /// Whether it lies with the recipient or the mail, and not with the server or how it is reached.
    fn is_permanent(&self) -> bool {
        match self {
            // 530, 534, 535 and 538 ask for another login (RFC 4954, section 6).
            Self::Refused { stage, code, .. } => {
                matches!(stage, Stage::Rcpt | Stage::Data | Stage::Content)
                    && matches!(code, 500..=599)
                    && !matches!(code, 530 | 534 | 535 | 538)
            }
            Self::Unfit(_) | Self::NotAscii => true,
            _ => false,
        }
    }
}

impl From<SmtpError> for DeliveryError {
    fn from(error: SmtpError) -> Self {
        if error.is_permanent() {
            Self::Permanent(error.into())
        } else {
            Self::Temporary(error.into())
        }
    }
}

/// A connection to a server that was greeted.
pub(crate) struct Dialogue {
    connection: AsyncSmtpConnection,
    /// How long a command may take.
    command: Duration,
}

impl Dialogue {
    pub(crate) fn new(connection: AsyncSmtpConnection, command: Duration) -> Self {
        Self {
            connection,
            command,
        }
    }

    pub(crate) async fn sign_in(&mut self, login: &Login) -> Result<(), SmtpError> {
        let login = Credentials::new(login.user.clone(), login.password.to_string());
        let signed_in = self.connection.auth(DEFAULT_MECHANISMS, &login);
        within(self.command, Stage::Auth, signed_in).await?;
        Ok(())
    }

    /// Hands a mail over; `accept` bounds how long the server looks at it.
    pub(crate) async fn send(
        &mut self,
        from: &Address,
        mail: &Written,
        accept: Duration,
    ) -> Result<(), SmtpError> {
        let parameters = self.parameters(mail)?;
        let connection = &mut self.connection;
        let said = connection.command(Mail::new(Some(from.clone()), parameters));
        within(self.command, Stage::Mail, said).await?;
        let said = connection.command(Rcpt::new(mail.to.clone(), Vec::new()));
        within(self.command, Stage::Rcpt, said).await?;
        let said = connection.command(Data);
        within(self.command, Stage::Data, said).await?;
        let said = connection.message(&mail.bytes);
        within(accept, Stage::Content, said).await?;
        Ok(())
    }

    fn parameters(&self, mail: &Written) -> Result<Vec<MailParameter>, SmtpError> {
        if mail.bytes.is_ascii() && is_ascii(&mail.to) {
            return Ok(Vec::new());
        }
        let server = self.connection.server_info();
        let has = |extension| server.supports_feature(extension);
        // RFC 6531, section 3.1: who has SMTPUTF8 has 8BITMIME.
        if has(Extension::SmtpUtfEight) && has(Extension::EightBitMime) {
            let body = MailParameter::Body(MailBodyParameter::EightBitMime);
            Ok(vec![MailParameter::SmtpUtfEight, body])
        } else {
            Err(SmtpError::NotAscii)
        }
    }

    /// Says goodbye. Whether the server does so changes nothing.
    pub(crate) async fn end(mut self) {
        let _ = time::timeout(self.command.min(GOODBYE), self.connection.command(Quit)).await;
    }
}

/// Bounds a part of the conversation: lettre does so only for making the connection
/// (<https://github.com/lettre/lettre/issues/1027>).
pub(crate) async fn within<T>(
    limit: Duration,
    stage: Stage,
    part: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, SmtpError> {
    match time::timeout(limit, part).await {
        Ok(said) => said.map_err(|error| understood(stage, error)),
        Err(_) => Err(SmtpError::TimedOut(stage)),
    }
}

fn understood(stage: Stage, error: smtp::Error) -> SmtpError {
    if let Some(code) = error.status() {
        let words = error.source().map(ToString::to_string);
        return SmtpError::Refused {
            stage,
            code: code.into(),
            words: told(stage, &words.unwrap_or_default()),
        };
    }
    // What it fails to read is in the error.
    if error.is_response() {
        return SmtpError::Nonsense(stage);
    }
    if error.is_client() {
        let reason = error.source().map(ToString::to_string);
        return SmtpError::Lacking(stage, reason.unwrap_or_default());
    }
    if error.is_timeout() {
        return SmtpError::TimedOut(stage);
    }
    SmtpError::Broken(stage, innermost(error))
}

/// How much of the server's words is told, in one line.
fn told(stage: Stage, words: &str) -> String {
    const MOST: usize = 200;
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let knows_secrets = matches!(stage, Stage::Auth | Stage::Content);
    let words = if knows_secrets {
        let first = words.split(' ').next().unwrap_or_default();
        if is_enhanced_code(first) { first } else { "" }
    } else {
        &words
    };
    let shown = words.chars().filter(|c| !c.is_control());
    shown.take(MOST).collect()
}

/// RFC 3463, section 2: `class.subject.detail`.
fn is_enhanced_code(text: &str) -> bool {
    let is_number = |part: &str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

/// What lies below lettre's own errors, which repeat it.
fn innermost(error: smtp::Error) -> BoxError {
    let mut cause: &(dyn Error + 'static) = &error;
    while let (true, Some(source)) = (cause.is::<smtp::Error>(), cause.source()) {
        cause = source;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(io) => std::io::Error::new(io.kind(), io.to_string()).into(),
        None => cause.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_until_the_server_has_heard_a_secret() {
        for (stage, words, expected) in [
            (
                Stage::Rcpt,
                "5.1.1 <ann@example.org>: unknown",
                "5.1.1 <ann@example.org>: unknown",
            ),
            (
                Stage::Rcpt,
                "5.1.1 no\r\nsuch\tuser\x1b",
                "5.1.1 no such user",
            ),
            (Stage::Content, "5.7.1 https://secret is bad", "5.7.1"),
            (Stage::Content, "https://secret is bad", ""),
            (Stage::Content, "5.7.secret", ""),
            (Stage::Content, "5.7.1.2", ""),
            (Stage::Auth, "5.7.8 secret", "5.7.8"),
            (Stage::Auth, "", ""),
        ] {
            assert_eq!(told(stage, words), expected, "{stage}: {words}");
        }
        assert_eq!(told(Stage::Mail, &"ä".repeat(300)).chars().count(), 200);
    }
}
