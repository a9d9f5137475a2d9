use serde_json::{Value, json};

use super::{
    Bounds,
    call::{Call, OPERATIONS, Who},
};
use crate::{
    files::{DownloadUrl, FileList, OneFile},
    lifetimes::Changed,
    removed::RemovedFiles,
    upload::Uploaded,
};

pub(super) const DOCX: &str =
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// What the types that the server takes are called in words. A host application may take others.
const OFFICE: &str = ".pptx, .docx, and .xlsx";

const NOBODY_THERE: &str = "of those whom it is to be for; `detail` names one";

pub(super) fn calls(bounds: &Bounds<'_>) -> Vec<Call> {
    let cursor = json!({"type": "integer", "minimum": 0});
    let list = |path, id| {
        Call::new("GET", path, id, "List the files")
            .describe("Newest first: clients the files that are for them, operations users all.")
            .by(Who::User)
            .paged(cursor.clone())
            .in_query(
                "search",
                json!({"type": "string", "maxLength": 255}),
                "Those whose names contain it; the case of letters makes no difference. 255 bytes at most. A page can come \
                 short, or empty, with another after it.",
            )
            .refuses(400, "Invalid search", "")
            .gives::<FileList<'_>>(200, "A page.", json!({"files": [file()], "next": null}))
    };
    let audience = json!({"required": ["audience"], "properties": {"audience": {"not": {"enum": [null, ""]}}}});
    let one_of = json!({"anyOf": [audience, {"required": ["expires_in"]}]});
    let mut calls = vec![
        upload(bounds),
        list("/files", "listFiles"),
        list("/files/", "listFilesToo"),
        Call::new("GET", "/files/{file}", "getFile", "Show a file")
            .by(Who::User)
            .gives::<OneFile<'_>>(200, "The file.", json!({"file": file()}))
            .refuses(404, "File not found", ""),
        Call::new("PATCH", "/files/{file}", "changeFile", "Change for whom a file is, or how long")
            .describe(
                "It takes effect at the next request: who is not in the audience any more has the file no more, by a link \
                 of before neither.",
            )
            .by(OPERATIONS)
            .takes::<Changed>(one_of, json!({"audience": {"users": ["carl"]}, "expires_in": 86400}))
            .says::<OneFile<'_>>(200, "The file.", said("File updated"))
            .refuses(400, "Missing required parameters: audience or expires_in is required.", "")
            .refuses(400, "Invalid audience", "`detail` says why")
            .refuses(400, "Invalid expiry", "`detail` says why")
            .refuses(404, "File not found", "")
            .refuses(404, "User not found", NOBODY_THERE)
            .refuses(404, "Group not found", NOBODY_THERE),
        Call::new("DELETE", "/files/{file}", "removeFile", "Remove a file")
            .describe("It is not there for anybody any more, and links to it open nothing. For a while it can be had back.")
            .by(OPERATIONS)
            .says::<OneFile<'_>>(200, "The file that was.", said("File removed"))
            .refuses(404, "File not found", ""),
    ];
    calls.extend(removed(cursor));
    calls
}

fn upload(bounds: &Bounds<'_>) -> Call {
    let audience = json!({
        "type": "array",
        "items": {"type": "string", "pattern": "^(everybody|nobody|user:.*|group:.*)$"},
        "maxItems": 100,
    });
    let seconds = json!({"type": "integer", "minimum": 1, "maximum": 3_153_600_000_u64});
    let form = json!({
        "type": "object",
        "properties": {"file": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "With a file name. The first such part counts.",
        }},
        "required": ["file"],
    });
    let most = bounds.max_upload();
    Call::new("POST", "/upload", "uploadFile", "Upload a file")
        .describe(
            "When this is answered the file survives a power cut. Several uploads of one name keep all versions. Of a path \
             only the last segment is the name.",
        )
        .by(Who::UserBut(
            "You are not authorized to upload files. Only operation users can upload.",
        ))
        .in_query(
            "audience",
            audience,
            "For whom the file is: `everybody`, `nobody`, or any number of `user:<username>` and `group:<group id>`. \
             Without it the settings decide.",
        )
        .in_query(
            "expires_in",
            seconds,
            "In how many seconds the file ends. Without it the settings decide.",
        )
        .once_for_what_it_asks()
        .body(json!({"required": true, "content": {"multipart/form-data": {"schema": form}}}))
        .gives::<Uploaded<'_>>(
            200,
            "The file.",
            json!({"msg": "File report.docx uploaded successfully", "file": file()}),
        )
        .leads(200, "getFile", "file", "/file/id")
        .leads(200, "changeFile", "file", "/file/id")
        .leads(200, "removeFile", "file", "/file/id")
        .leads(200, "makeDownloadUrl", "file", "/file/id")
        .leads(200, "listFileDownloads", "file", "/file/id")
        .refuses(400, "key name should be file", "no such part, or no multipart body")
        .refuses(400, "No selected file", "the file name is empty")
        .refuses(400, "Invalid file name", "`detail` says why")
        .refuses(
            400,
            format!("Invalid file type. Only {} are allowed.", bounds.accepted_types),
            "by name or by content; `detail` says why",
        )
        .refuses(400, "Invalid audience", "`detail` says why; told before the body is read")
        .refuses(400, "Invalid expiry", "`detail` says why; told before the body is read")
        .refuses(404, "File not found", "it was made by this Idempotency-Key, and is gone since")
        .refuses(404, "User not found", NOBODY_THERE)
        .refuses(404, "Group not found", NOBODY_THERE)
        .refuses(413, format!("The file is too large. At most {most} bytes are allowed."), "")
        .refuses(413, "Your quota has no room left for this file", "")
}

fn removed(cursor: Value) -> [Call; 3] {
    let mut removed = file();
    removed["removed_at"] = json!("2026-11-23T08:00:00Z");
    removed["reason"] = json!("removed");
    removed["removed_by"] = json!("olivia");
    removed["gone_at"] = json!("2026-11-30T08:00:00Z");
    [
        Call::new("GET", "/removed-files", "listRemovedFiles", "List what can be had back")
            .describe("The files that were removed, by somebody or by their end: newest upload first.")
            .by(OPERATIONS)
            .paged(cursor)
            .gives::<RemovedFiles<'_>>(200, "A page.", json!({"files": [removed], "next": null})),
        Call::new("POST", "/removed-files/{file}/restore", "restoreFile", "Have a removed file back")
            .describe(
                "It is there again as it was, and links to it that have not ended are good again. One that has expired has \
                 no end then, or the one that the settings give a new file.",
            )
            .by(OPERATIONS)
            .says::<OneFile<'_>>(200, "The file.", said("File restored"))
            .refuses(404, "File not found", ""),
        Call::new("DELETE", "/removed-files/{file}", "purgeFile", "Remove a file for good")
            .by(OPERATIONS)
            .says::<OneFile<'_>>(200, "The file that was.", said("File removed for good"))
            .refuses(404, "File not found", ""),
    ]
}

pub(super) fn downloads(bounds: &Bounds<'_>) -> Vec<Call> {
    let url = bounds.public_url.join("/download_file/", "eyJ0eXAi…");
    let text = json!({"type": "string"});
    let download = Call::new("GET", "/download_file/{token}", "download", "Download")
        .describe(
            "Conditions and ranges are those of RFC 9110. One file is sent as it is; several, of a managed link, as one \
             archive, `files.zip`, which has the same bytes as long as it has the same files. Up to 16 ranges that do not \
             overlap are sent as parts; others are answered with the whole file.",
        )
        .by(Who::Anyone)
        .limited()
        .in_query("file", text.clone(), "The id of one of several files, to have it as it is.");
    let download = CONDITIONS.iter().fold(download, |call, (name, told)| {
        call.in_header(name, text.clone(), told)
    });
    let mut types = match bounds.accepted_types == OFFICE {
        true => vec![DOCX, XLSX, PPTX, "application/zip"],
        false => vec!["*/*"],
    };
    let download = types.iter().fold(download, |call, media_type| {
        call.content(200, "The file.", media_type, json!({}))
    });
    types.push("multipart/byteranges");
    let download = types.iter().fold(download, |call, media_type| {
        call.content(206, "What was asked for of it.", media_type, json!({}))
    });
    let download = download
        .nothing(304, "The caller has it.")
        .refuses(
            401,
            "Invalid or expired token",
            "expired, forged, revoked, for something else; its maker is disabled, or the file is gone or not for them any \
             more",
        )
        .refuses(404, "File not found", "`file` names none of the files")
        .refuses(412, "The file is not the one that was asked for", "")
        .refuses(416, "The file has none of the bytes that were asked for", "")
        .header(416, "Content-Range", text.clone(), "How many bytes there are.");
    let download = [200, 206, 304].into_iter().fold(download, |call, status| {
        call.header(status, "ETag", text.clone(), "Strong.")
            .header(
                status,
                "Last-Modified",
                text.clone(),
                "When the file was uploaded.",
            )
            .header(
                status,
                "Cache-Control",
                json!({"const": "private, no-store"}),
                "Nobody may store it.",
            )
    });
    let download = [200, 206].into_iter().fold(download, |call, status| {
        call.header(status, "Accept-Ranges", json!({"const": "bytes"}), "")
            .header(
                status,
                "Content-Disposition",
                json!({"type": "string", "pattern": "^attachment"}),
                "With the name in any script (RFC 6266, RFC 8187).",
            )
    });
    vec![
        Call::new("GET", "/generate_download_url/{file}", "makeDownloadUrl", "Get a link to a file")
            .describe("The link stays bound to the version that it was made for.")
            .by(Who::UserBut("only client user can download the file"))
            .gives::<DownloadUrl>(
                200,
                "A link for whoever holds it.",
                json!({"download_url": url, "message": "Success", "expires_at": "2026-11-22T15:10:03Z"}),
            )
            .refuses(404, "File not found", ""),
        download,
    ]
}

const CONDITIONS: &[(&str, &str)] = &[
    ("Range", "Parts of it, in bytes."),
    (
        "If-Range",
        "An `ETag` or a date: the parts are sent where it is still that one.",
    ),
    ("If-Match", "It is sent where it is one of these."),
    ("If-None-Match", "It is sent where it is none of these."),
    ("If-Modified-Since", "It is sent where it is newer."),
    ("If-Unmodified-Since", "It is sent where it is not newer."),
];

fn file() -> Value {
    json!({
        "id": "7d8e6f3a2b1c0d9e8f5f2c4f0e9a1b4c", "filename": "report.docx", "size": 36624, "content_type": DOCX,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "uploaded_at": "2026-11-22T14:55:03Z", "uploaded_by": "olivia", "expires_at": null,
        "audience": "everybody",
    })
}

fn said(msg: &str) -> Value {
    json!({"msg": msg, "file": file()})
}
