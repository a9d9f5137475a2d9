use serde_json::json;
use utoipa::ToSchema;

use super::{
    Bounds, Digest, Id, Time,
    call::{Call, OPERATIONS, Who},
};
use crate::audit::{DownloadList, Entries, Keys};

/// A statement that a file was handed out whole, and its signature.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `consign_core::receipt::Receipt` is written")]
struct Receipt {
    receipt: Statement,
    signature: String,
}

#[derive(ToSchema)]
#[schema(as = ReceiptStatement)]
#[expect(dead_code, reason = "as above")]
struct Statement {
    /// Bytes of it that were handed out.
    bytes: u64,
    client: Client,
    /// How often it was handed out whole.
    completed: u64,
    completed_at: Time,
    entry: Entry,
    file: FileSeen,
    #[schema(pattern = "^consign receipt 1$")]
    format: String,
    issued_at: Time,
    /// The public URL.
    issuer: String,
    /// The id of the key that signs.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    key: String,
}

/// Who had the file.
#[derive(ToSchema)]
#[schema(as = ReceiptClient)]
#[expect(dead_code, reason = "as above")]
struct Client {
    #[schema(required)]
    lease: Option<Id>,
    #[schema(required)]
    link: Option<Id>,
    #[schema(required)]
    recipient: Option<String>,
    #[schema(required)]
    user: Option<Id>,
    #[schema(required)]
    username: Option<String>,
}

/// The entry of the trail that tells of it.
#[derive(ToSchema)]
#[schema(as = ReceiptEntry)]
#[expect(dead_code, reason = "as above")]
struct Entry {
    hash: Digest,
    number: u64,
    writer: u32,
}

/// What the file was.
#[derive(ToSchema)]
#[schema(as = ReceiptFile)]
#[expect(dead_code, reason = "as above")]
struct FileSeen {
    id: Id,
    name: String,
    sha256: Digest,
    /// Bytes.
    size: u64,
}

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const FILE: &str = "7d8e6f3a2b1c0d9e8f5f2c4f0e9a1b4c";
const USER: &str = "c0de4f0e9a1b4c7d8e6f3a2b1c0d9e8f";
const KEY: &str = "9f86d081884c7d65";

pub(super) fn calls(bounds: &Bounds<'_>) -> Vec<Call> {
    let cursor = json!({"type": "integer", "minimum": 0});
    let example = json!({
        "downloads": [{
            "id": 42, "at": "2026-11-22T15:01:03Z",
            "file": {"id": FILE, "filename": "report.docx", "size": 36624, "sha256": SHA256},
            "username": "carl", "link": null, "lease": null, "recipient": null,
            "started": 1, "completed": 1, "bytes": 36624,
        }],
        "completed": true, "total": {"started": 1, "completed": 1, "bytes": 36624}, "next": null,
    });
    let told = "Oldest first. Each is what one credential had within about a second; `completed` counts how often all of \
                the file was handed out. `completed` and `total` at the end are of all downloads, whatever is on the \
                page.";
    let downloads = |path, id, summary, missing| {
        Call::new("GET", path, id, summary)
            .describe(told)
            .by(Who::User)
            .paged(cursor.clone())
            .gives::<DownloadList<'_>>(200, "A page.", example.clone())
            .refuses(404, missing, "")
    };
    vec![
        downloads(
            "/files/{file}/downloads",
            "listFileDownloads",
            "List a file's downloads",
            "File not found",
        ),
        downloads(
            "/links/{link}/downloads",
            "listLinkDownloads",
            "List a link's downloads",
            "Link not found",
        ),
        Call::new("GET", "/downloads/{download}/receipt", "getReceipt", "Get a receipt of a download")
            .describe(
                "For operations users, the maker of the link, and the client whose download it was. \
                 `consign receipt verify FILE --key KEY` checks it, offline.",
            )
            .by(Who::User)
            .gives::<Receipt>(
                200,
                "A signed statement.",
                json!({
                    "receipt": {
                        "bytes": 36624,
                        "client": {
                            "lease": null, "link": null, "recipient": null, "user": USER, "username": "carl",
                        },
                        "completed": 1, "completed_at": "2026-11-22T15:01:03.512Z",
                        "entry": {"hash": SHA256, "number": 42, "writer": 0},
                        "file": {"id": FILE, "name": "report.docx", "sha256": SHA256, "size": 36624},
                        "format": "consign receipt 1", "issued_at": "2026-11-23T08:00:00Z",
                        "issuer": bounds.public_url.to_string(), "key": KEY,
                    },
                    "signature": "hgyY0il4MGCjP0JzlnLWG1PPOt7…",
                }),
            )
            .refuses(404, "Download not found", "or not completed, or not for whoever asks")
            .refuses(404, "Nothing is signed here", "the server has no key"),
        Call::new("GET", "/audit", "readTrail", "Read the trail")
            .describe("All that happened, oldest first.")
            .by(OPERATIONS)
            .paged(cursor)
            .gives::<Entries<'_>>(
                200,
                "A page.",
                json!({
                    "entries": [{
                        "id": 3, "writer": 0, "number": 3, "at": "2026-11-22T14:55:03Z", "by": USER,
                        "username": "olivia", "whom": null, "kind": "file added",
                        "fields": {"file": FILE, "name": "report.docx", "sha256": SHA256}, "hash": SHA256,
                    }],
                    "next": null,
                }),
            ),
        Call::new("GET", "/evidence-key", "getEvidenceKey", "Get the key that signs")
            .describe("What checkpoints and receipts are signed with, and what signed them before.")
            .by(Who::Anyone)
            .gives::<Keys>(
                200,
                "Public keys.",
                json!({
                    "id": KEY, "algorithm": "Ed25519",
                    "key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "retired": [],
                }),
            )
            .refuses(404, "Nothing is signed here", ""),
    ]
}
