use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use consign_core::evidence::PublicKey;

use crate::{
    BoxError,
    admin::{self, Request},
    evidence,
    options::Folder,
};

#[derive(Args, Debug)]
pub(crate) struct Audit {
    #[command(flatten)]
    folder: Folder,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Look whether any entry was edited, removed or moved: exits with 1 if so
    Verify {
        /// Verify a file that `audit export` has written, with nothing else at hand
        #[arg(long, value_name = "FILE", requires = "keys")]
        export: Option<PathBuf>,
        /// See that the trail goes on from the checkpoints of an earlier export
        #[arg(long, value_name = "FILE", conflicts_with = "export")]
        against: Option<PathBuf>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Write the trail to standard output
    Export {
        /// JSON Lines can be verified again; CSV is for spreadsheets
        #[arg(long, default_value = "jsonl")]
        format: Format,
    },
    /// Write the public key that signs checkpoints and receipts, and those before it
    Key,
}

#[derive(Args, Debug)]
pub(crate) struct Receipt {
    #[command(flatten)]
    folder: Folder,
    #[command(subcommand)]
    command: ReceiptCommand,
}

#[derive(Debug, Subcommand)]
enum ReceiptCommand {
    /// Say what a receipt certifies: exits with 1 if it was changed, or never issued
    Verify {
        /// The receipt
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
}

#[derive(Args, Debug)]
#[group(id = "keys", multiple = false)]
struct Keys {
    /// The public key that must have signed; without one it is that of the data folder
    #[arg(long)]
    key: Option<PublicKey>,
    /// A file of public keys: one a line, or the answer of GET /evidence-key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

impl Audit {
    pub(crate) async fn run(self) -> Result<(), BoxError> {
        let request = match self.command {
            AuditCommand::Verify {
                export: Some(export),
                keys,
                ..
            } => {
                let keys = keys.given()?.ok_or("an export is verified by a key")?;
                return evidence::verify_export(&export, keys);
            }
            AuditCommand::Verify { against, keys, .. } => {
                if keys.given()?.is_some() {
                    return Err("a key is given to verify an export: name it by --export".into());
                }
                let known = against.map(|against| evidence::checkpoints_of(&against));
                Request::AuditVerify {
                    known: known.transpose()?.unwrap_or_default(),
                }
            }
            AuditCommand::Export { format } => Request::AuditExport {
                csv: matches!(format, Format::Csv),
            },
            AuditCommand::Key => Request::AuditKey,
        };
        admin::run(self.folder, request).await
    }
}

impl Receipt {
    pub(crate) async fn run(self) -> Result<(), BoxError> {
        let ReceiptCommand::Verify { file, keys } = self.command;
        match keys.given()? {
            Some(keys) => evidence::verify_receipt(&file, &keys),
            None => {
                let receipt = evidence::read(&file)?;
                admin::run(self.folder, Request::ReceiptVerify { receipt }).await
            }
        }
    }
}

impl Keys {
    fn given(&self) -> Result<Option<Vec<PublicKey>>, BoxError> {
        match (&self.key, &self.key_file) {
            (Some(key), _) => Ok(Some(vec![*key])),
            (None, Some(file)) => evidence::keys_of(file).map(Some),
            (None, None) => Ok(None),
        }
    }
}
