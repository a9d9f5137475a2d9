use serde_json::{Value, json};

use super::{
    Bounds,
    call::{Call, Who},
};
use crate::{
    managed::{LinkEdits, Links, NewLink, OneLink},
    open::{DescribedObject, Opened, Shown},
};

pub(super) fn calls(bounds: &Bounds<'_>) -> Vec<Call> {
    let id = json!({"$ref": "#/components/schemas/Id"});
    let link = json!({
        "id": "01a2b3c4d5e6f708192a3b4c5d6e7f80",
        "files": [{"id": "7d8e6f3a2b1c0d9e8f5f2c4f0e9a1b4c", "filename": "report.docx"}],
        "made_at": "2026-11-22T14:55:03Z", "expires_at": "2026-11-29T14:55:03Z",
        "max_downloads": 3, "downloads": 0, "has_password": false,
        "recipient": null, "note": null, "revoked": false,
    });
    let mut new = link.clone();
    new["url"] = json!(bounds.public_url.join("/l/", "8f3a…"));
    let said = |msg| json!({"msg": msg, "link": link});
    let passwords = |call: Call| {
        let told = bounds.of_password().into_iter();
        told.fold(call, |call, msg| {
            call.refuses(400, msg, "of a link's password")
        })
    };
    let mut calls = vec![
        Call::new("GET", "/links", "listLinks", "List one's own links")
            .describe("Newest first, also those that have ended.")
            .by(Who::User)
            .paged(id)
            .gives::<Links>(200, "A page.", json!({"links": [link], "next": null})),
        passwords(
            Call::new("POST", "/links", "makeLink", "Make a link")
                .describe(
                    "It hands files to whoever holds it, who need not have an account. It is its maker's: nobody else \
                     lists, sees or changes it. Clients make links to files that are for them.",
                )
                .by(Who::User)
                .once_for_what_it_asks()
                .takes::<NewLink>(Value::Null, json!({"files": ["report.docx"], "max_downloads": 3}))
                .says::<OneLink>(
                    201,
                    "The link, with its `url`, which is told now and never again.",
                    json!({"msg": "Link created", "link": new}),
                )
                .leads(201, "getLink", "link", "/link/id")
                .leads(201, "changeLink", "link", "/link/id")
                .leads(201, "revokeLink", "link", "/link/id")
                .leads(201, "listLinkDownloads", "link", "/link/id")
                .refuses(400, "Missing required parameters: files is required.", "absent or null")
                .refuses(400, "Invalid link", "`detail` names the member, and says what is taken")
                .refuses(404, "File not found", "`detail` names one")
                .refuses(404, "Link not available", "it was made by this Idempotency-Key, and is gone since"),
        ),
        Call::new("GET", "/links/{link}", "getLink", "Show a link")
            .describe("To its maker. The link's id is not its secret.")
            .by(Who::User)
            .gives::<OneLink>(200, "The link.", json!({"link": link}))
            .refuses(404, "Link not found", ""),
        passwords(
            Call::new("PATCH", "/links/{link}", "changeLink", "Change a link's bounds")
                .describe(
                    "What is not given stays; null takes it away. `expires_in` counts from now on, and a link that has \
                     ended begins again by it; `max_downloads` counts the leases that there were. All takes effect at \
                     the next request.",
                )
                .by(Who::User)
                .takes::<LinkEdits>(Value::Null, json!({"expires_in": 86400, "note": "for the auditors"}))
                .says::<OneLink>(200, "The link.", said("Link updated"))
                .refuses(400, "Invalid link", "`detail` names the member, and says what is taken")
                .refuses(404, "Link not found", ""),
        ),
        Call::new("DELETE", "/links/{link}", "revokeLink", "Revoke a link")
            .describe("It ends with its leases, for ever; it is still listed.")
            .by(Who::User)
            .says::<OneLink>(200, "The link, also where it was revoked before.", said("Link revoked"))
            .refuses(404, "Link not found", ""),
    ];
    calls.extend(opening(bounds));
    calls
}

fn opening(bounds: &Bounds<'_>) -> [Call; 2] {
    let file = json!({
        "id": "7d8e6f3a2b1c0d9e8f5f2c4f0e9a1b4c", "filename": "report.docx", "size": 36624,
        "content_type": super::files::DOCX,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    });
    let proof = json!({"$ref": "#/components/schemas/LinkProof"});
    let url = bounds.public_url.join("/download_file/", "eyJ0eXAi…");
    let not_available = "unknown, spent, revoked, at its end; its maker or its recipient is disabled, none of its files \
                         is there for its maker: always the same";
    [
        Call::new("GET", "/l/{secret}", "describeLink", "Tell what a link is")
            .describe(
                "It counts nothing: programs that look at links in mail open none. Who accepts `text/html` gets a page.",
            )
            .by(Who::Anyone)
            .limited()
            .has_pages()
            .gives::<DescribedObject<'_>>(
                200,
                "What it is.",
                json!({
                    "expires_at": "2026-11-29T14:55:03Z", "password_required": false,
                    "recipient_required": false, "files": [file],
                }),
            )
            .header(200, "Vary", json!({"const": "Accept"}), "")
            .refuses(404, "Link not available", not_available),
        Call::new("POST", "/l/{secret}", "openLink", "Open a link")
            .describe(
                "Opens a lease, which counts as one download. A link with a recipient opens for them: where they have an \
                 account, an access token proves it. Without one, the first `POST` mails them a code of eight digits and \
                 is answered with 401; the next, with the code, opens. Who accepts `text/html` gets a page, and 303 to \
                 the download, or of several files a page that leads to all of them and to each.",
            )
            .by(Who::AnyoneOrUser)
            .limited()
            .once()
            .has_pages()
            .schema::<Shown>()
            .body(json!({"required": false, "content": {
                "application/json": {"schema": proof, "example": {"password": "correct horse battery"}},
                "application/x-www-form-urlencoded": {"schema": proof, "example": {"code": "1234 5678"}},
            }}))
            .reads_json()
            .gives::<Opened<'_>>(
                201,
                "A lease: its `download_url` can be fetched as often as it takes, until it ends.",
                json!({"download_url": url, "expires_at": "2026-11-23T14:55:03Z", "files": [file]}),
            )
            .nothing(303, "To the download, for who accepts `text/html`.")
            .header(303, "Location", json!({"type": "string", "format": "uri"}), "")
            .refuses(400, "Invalid form", "not UTF-8")
            .refuses(401, "The link needs a password", "")
            .refuses(401, "Wrong password", "")
            .refuses(401, "A code was sent to the recipient", "")
            .refuses(401, "Wrong code", "wrong, used, at its end, of another link or no code at all")
            .refuses(401, "The link is for its recipient, who has to sign in", "where no mail is sent")
            .refuses(404, "Link not available", not_available)
            .refuses(429, "Too many failed attempts, try again later", "after 100 wrong passwords in a row for one link")
            .refuses(429, "Too many codes were sent, try again later", ""),
    ]
}
