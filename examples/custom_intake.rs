//! An intake of one's own: PDF documents and images are accepted, by their content.
//!
//! `cargo run -p consign-examples --bin custom_intake`

use std::{
    borrow::Cow,
    error::Error,
    io::{Read, SeekFrom},
    sync::Arc,
};

use bytes::Bytes;
use consign_core::{
    Actor, Consign, Parts, Registration, Settings,
    file::{FileName, MediaType},
    intake::{Content, HEAD_LEN, Intake, IntakeError, Refusal},
    memory::{MemoryBlobs, MemoryStore},
    password::Password,
    random::OsEntropy,
    time::{Clock, SystemClock},
    token::{JwtSigner, KeyRing},
    user::Role,
};
use futures_util::stream;

/// Accepts PDF documents and images.
///
/// It looks for signatures, which tell what a program will take a file for. That is enough for files
/// that are handed on and never opened here; it is no search for malware.
#[derive(Debug)]
struct PdfAndImages;

/// An accepted kind of file.
struct Kind {
    extension: &'static str,
    media_type: MediaType,
    /// What the content ends with.
    end: &'static [u8],
}

const fn kind(extension: &'static str, media_type: &'static str, end: &'static [u8]) -> Kind {
    Kind {
        extension,
        media_type: MediaType::from_static(media_type),
        end,
    }
}

static KINDS: [Kind; 4] = [
    kind("pdf", "application/pdf", b"%%EOF"),
    kind("png", "image/png", b"IEND\xAE\x42\x60\x82"),
    kind("jpg", "image/jpeg", b"\xFF\xD9"),
    kind("jpeg", "image/jpeg", b"\xFF\xD9"),
];

/// How near to its end a file has to show it: many programs append a few bytes.
const TAIL: u64 = 1024;

impl Intake for PdfAndImages {
    fn accepts(&self) -> Cow<'static, str> {
        ".pdf, .png, .jpg and .jpeg".into()
    }

    // Before anything of the file is stored.
    fn check_name(&self, name: &FileName) -> Result<(), Refusal> {
        kind_of(name).map(drop)
    }

    // While the rest is still on its way.
    fn check_head(&self, name: &FileName, head: &[u8]) -> Result<(), Refusal> {
        let expected = kind_of(name)?.media_type.as_str();
        match infer::get(head).map(|found| found.mime_type()) {
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(Refusal::new(format!("it is {found}, not {expected}"))),
            None => Err(Refusal::new(format!("it is not {expected}"))),
        }
    }

    // The verdict, over the whole file. It rests on nothing that was said before.
    fn inspect(
        &self,
        name: &FileName,
        content: &mut dyn Content,
    ) -> Result<MediaType, IntakeError> {
        let head = read_at(content, 0, HEAD_LEN as u64)?;
        self.check_head(name, &head)?;
        let kind = kind_of(name)?;
        let size = content.seek(SeekFrom::End(0)).map_err(IntakeError::Io)?;
        let tail = read_at(content, size.saturating_sub(TAIL), TAIL)?;
        if !tail.windows(kind.end.len()).any(|part| part == kind.end) {
            return Err(Refusal::new("its end is missing").into());
        }
        Ok(kind.media_type.clone())
    }
}

fn kind_of(name: &FileName) -> Result<&'static Kind, Refusal> {
    let extension = name.extension().unwrap_or_default();
    let mut kinds = KINDS.iter();
    kinds
        .find(|kind| kind.extension.eq_ignore_ascii_case(extension))
        .ok_or_else(|| Refusal::new(format!("the extension is \"{extension}\"")))
}

/// At most `len` bytes, so that memory stays bounded however large the file is.
fn read_at(content: &mut dyn Content, start: u64, len: u64) -> Result<Vec<u8>, IntakeError> {
    let mut bytes = Vec::new();
    content
        .seek(SeekFrom::Start(start))
        .and_then(|_| content.take(len).read_to_end(&mut bytes))
        .map_err(IntakeError::Io)?;
    Ok(bytes)
}

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\0IEND\xAE\x42\x60\x82";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::new();
    let keys = KeyRing::generate(&OsEntropy, SystemClock.now());
    let signer = JwtSigner::new(&keys, "custom-intake");
    let parts = Parts {
        intake: Arc::new(PdfAndImages),
        ..Parts::new(store.clone(), store, MemoryBlobs::new(), signer)
    };
    let consign = Consign::new(parts, Settings::default());
    let olivia = sign_up(&consign, "olivia").await?;

    println!("accepted: {}", consign.accepted_types());
    for (name, content) in [
        ("contract.pdf", PDF),
        ("logo.png", PNG),
        ("a picture.pdf", PNG),
        ("cut off.pdf", &PDF[..40]),
        ("report.docx", PDF),
    ] {
        let permit = consign.permit_upload(&olivia)?;
        let body = stream::iter([Ok(Bytes::from_static(content))]);
        match consign.upload(permit, FileName::parse(name)?, body).await {
            Ok(file) => println!("{name}: accepted as {}", file.entry.media_type.as_str()),
            // The detail is fit for the one who sent the file; the HTTP API shows it as well.
            Err(error) => println!("{name}: {error}: {}", error.detail().unwrap_or_default()),
        }
    }
    Ok(())
}

/// Registers an operations user, who may upload, and signs them in.
async fn sign_up(consign: &Consign, username: &str) -> Result<Actor, consign_core::Error> {
    let password = Password::new(format!("the password of {username}"));
    let registration = Registration {
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        password: password.clone(),
        role: Role::Operations,
    };
    consign.register(registration, None).await?;
    let session = consign.login(username, password).await?;
    consign.authenticate(&session.token).await
}
