//! Receipts: signed statements that a file was downloaded, which anybody can check who has the public key.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Download, Recorded},
    evidence::{EvidenceSigner, KeyId, PublicKey, Signature},
    file::FileName,
    time::Timestamp,
    trail::{EntryHash, WriterId},
    user::User,
};

const FORMAT: &str = "consign receipt 1";

/// A statement and its signature, which is JSON: `{"receipt":{…},"signature":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What is stated.
    #[serde(rename = "receipt")]
    pub statement: Statement,
    /// Of [`Statement::signed_text`].
    pub signature: Signature,
}

/// That a file was handed out whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Bytes of it that were handed out.
    pub bytes: u64,
    /// To whom.
    pub client: Client,
    /// How often it was handed out whole.
    pub completed: u64,
    /// When that was, the last time: RFC 3339, in UTC.
    pub completed_at: String,
    /// The entry of the trail that tells of it.
    pub entry: Entry,
    /// What.
    pub file: FileSeen,
    /// `consign receipt 1`.
    pub format: String,
    /// When the receipt was made: RFC 3339, in UTC.
    pub issued_at: String,
    /// Who made it: an address or a name.
    pub issuer: String,
    /// The key that signs.
    pub key: KeyId,
}

/// Who had a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The lease, where it was by one.
    pub lease: Option<String>,
    /// The managed link, where it was by one.
    pub link: Option<String>,
    /// Whom the managed link was for, who had proved that it is they.
    pub recipient: Option<String>,
    /// The id of the user whose download link it was.
    pub user: Option<String>,
    /// That user's name.
    pub username: Option<String>,
}

/// What a file was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSeen {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: FileName,
    /// Its SHA-256 digest.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its hash.
    pub hash: EntryHash,
    /// Its number.
    pub number: u64,
    /// Whose chain it is in.
    pub writer: WriterId,
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReceipt {
    /// It is none.
    #[error("it is not a receipt")]
    Shape(#[source] serde_json::Error),
    /// It is one of another form.
    #[error("it is a receipt of a form that this program does not know")]
    Format,
    /// None of the keys signed it.
    #[error("it is signed by the key {0}, which is not the one that is asked for")]
    Key(KeyId),
    /// What it says is not what was signed.
    #[error("its signature is wrong: it was changed, or never issued")]
    Signature,
}

impl Receipt {
    pub(crate) fn sign(
        entry: &Recorded,
        download: &Download,
        client: Client,
        issuer: &str,
        now: Timestamp,
        signer: &dyn EvidenceSigner,
    ) -> Self {
        let statement = Statement {
            bytes: download.transfers.bytes,
            client,
            completed: download.transfers.completed,
            completed_at: rfc3339(entry.event.at),
            entry: Entry {
                hash: entry.hash,
                number: entry.number,
                writer: entry.writer,
            },
            file: FileSeen {
                id: download.file.to_string(),
                name: download.name.clone(),
                sha256: download.sha256.to_string(),
                size: download.size,
            },
            format: FORMAT.to_owned(),
            issued_at: rfc3339(now),
            issuer: issuer.to_owned(),
            key: signer.key().id(),
        };
        let signature = signer.sign(statement.signed_text().as_bytes());
        Self {
            statement,
            signature,
        }
    }

    /// A receipt that one of these keys has signed.
    ///
    /// # Errors
    /// When it is none.
    pub fn verified(text: &str, keys: &[PublicKey]) -> Result<Self, InvalidReceipt> {
        let receipt: Self = serde_json::from_str(text).map_err(InvalidReceipt::Shape)?;
        let statement = &receipt.statement;
        if statement.format != FORMAT {
            return Err(InvalidReceipt::Format);
        }
        let key = keys.iter().find(|key| key.id() == statement.key);
        let key = key.ok_or(InvalidReceipt::Key(statement.key))?;
        match key.verifies(statement.signed_text().as_bytes(), &receipt.signature) {
            true => Ok(receipt),
            false => Err(InvalidReceipt::Signature),
        }
    }

    /// The receipt as it is handed over.
    pub fn text(&self) -> String {
        json(self)
    }
}

impl Statement {
    /// What is signed: a line that says what it is, and the statement as JSON, all members in the order of
    /// their names and without white space.
    pub fn signed_text(&self) -> String {
        format!("{FORMAT}\n{}", json(self))
    }
}

impl Client {
    /// Whoever had a download by this user's download link, or by a lease.
    pub fn of(download: &Download, user: Option<&User>) -> Self {
        let by = download.by_lease.as_ref();
        Self {
            lease: by.map(|by| by.lease.to_string()),
            link: by.map(|by| by.link.to_string()),
            recipient: by.and_then(|by| Some(by.recipient.as_ref()?.to_string())),
            user: user.map(|user| user.id.to_string()),
            username: user.map(|user| user.username.to_string()),
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers are JSON")
}

fn rfc3339(time: Timestamp) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    time.to_string()
}

#[cfg(test)]
mod tests;
