//! Who may have what, told from the tokens that were issued and from the store, not from the API.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use consign_core::{
    File,
    audience::{Audience, Principal, Scope},
    group::Group,
    id::{FileId, UserId},
    store::{FileStore, UserStore},
    user::{Role, Status, User},
};
use http::{HeaderMap, Method, header, request};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{find, split};
use crate::site::{Answer, PUBLIC_URL, Site};

/// A token that the service gave somebody.
pub struct Issued {
    pub text: String,
    pub file: Option<FileId>,
    user: UserId,
    epoch: u64,
    expires_at: u64,
}

pub struct Judge {
    pub site: Site,
    pub issued: Vec<Issued>,
}

impl Issued {
    /// What the token itself says, without a look at its signature.
    pub fn of(text: String) -> Self {
        let claims = text.split('.').nth(1).expect("three parts");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let id = |name: &str| claims[name].as_str().map(str::to_owned);
        Self {
            file: id("file").map(|file| file.parse().expect("an id")),
            user: id("sub").expect("a user").parse().expect("an id"),
            epoch: claims["epoch"].as_u64().expect("a number"),
            expires_at: claims["exp"].as_u64().expect("a time"),
            text,
        }
    }
}

impl Site {
    pub async fn newest(&self) -> Option<File> {
        let page = FileStore::list(
            &self.store,
            &Scope::All,
            consign_core::time::Timestamp::default(),
            None,
            1,
        )
        .await;
        page.expect("memory answers").items.pop()
    }

    /// The group whose name is last.
    pub async fn last_group(&self) -> Option<Group> {
        let page = self.store.groups(None, 1000).await;
        page.expect("memory answers").items.pop()
    }

    async fn user(&self, id: UserId) -> User {
        let user = UserStore::by_id(&self.store, id).await;
        user.expect("memory answers").expect("nobody is removed")
    }
}

impl Judge {
    /// Asks, and judges the answer; gives the token that was issued with it.
    pub async fn ask(&self, head: request::Parts, body: Bytes) -> Option<Issued> {
        let path = head.uri.path().to_owned();
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let caller = self.caller(&headers).await;
        let held = self.link(&path).await;
        let (mut first, mut rest) = (body.clone(), Bytes::new());
        if body.len() > 1 {
            rest = first.split_off(body.len() / 2);
        }
        let answer = self.site.ask(head, vec![first, rest]).await;
        let done = answer.status.is_success();
        match path.as_str() {
            "/files" | "/files/" | "/upload" => {
                let may = |user: &User| path != "/upload" || user.role == Role::Operations;
                assert!(!done || caller.as_ref().is_some_and(may), "{answer:?}");
                self.is_believed(&headers, caller.as_ref(), &answer);
                if done && method == Method::GET {
                    let answer = answer.json();
                    let shown = answer["files"].as_array().expect("a list");
                    self.may_be_shown(caller.as_ref(), shown).await;
                }
            }
            _ if path == "/groups" || path.starts_with("/groups/") => {
                let operations = |user: &User| user.role == Role::Operations;
                assert!(
                    !done || caller.as_ref().is_some_and(operations),
                    "{answer:?}"
                );
                if answer.status != http::StatusCode::NOT_FOUND {
                    self.is_believed(&headers, caller.as_ref(), &answer);
                }
            }
            _ if segment(&path, "/files/").is_some() => {
                let reads = method == Method::GET || method == Method::HEAD;
                let may = |user: &User| reads || user.role == Role::Operations;
                assert!(!done || caller.as_ref().is_some_and(may), "{answer:?}");
                self.is_believed(&headers, caller.as_ref(), &answer);
                if done && method == Method::GET {
                    let shown = [answer.json()["file"].clone()];
                    self.may_be_shown(caller.as_ref(), &shown).await;
                }
            }
            "/register" if done => {
                let invited = caller.is_some_and(|user| user.role == Role::Operations);
                let wanted = |asked: Value| asked["is_operation_user"] == true;
                assert!(invited || !asked(&body).is_some_and(wanted), "{answer:?}");
            }
            "/login" if done => {
                let given = answer.json()["access_token"].as_str().map(str::to_owned);
                let given = Issued::of(given.expect("a token"));
                let user = self.site.user(given.user).await;
                if let Some(asked) = asked(&body) {
                    assert_eq!(asked["username"], user.username.as_str());
                }
                assert_eq!(user.status, Status::Active);
                return Some(given);
            }
            _ if segment(&path, "/generate_download_url/").is_some() => {
                let client = caller
                    .as_ref()
                    .is_some_and(|user| user.role == Role::Client);
                assert!(!done || client, "{answer:?}");
                self.is_believed(&headers, caller.as_ref(), &answer);
                if done && method == Method::GET {
                    let given = answer.json()["download_url"].as_str().map(str::to_owned);
                    let given = given.expect("a link");
                    let token = given.strip_prefix(PUBLIC_URL).expect("our address");
                    let token = token.strip_prefix("/download_file/").expect("our path");
                    return Some(Issued::of(token.to_owned()));
                }
            }
            _ if segment(&path, "/download_file/").is_some() => {
                let status = answer.status.as_u16();
                let told = matches!(status, 200 | 206 | 304 | 412 | 416);
                assert!(!told || held.is_some(), "{answer:?}");
                let reads = method == Method::GET || method == Method::HEAD;
                assert!(!reads || told || held.is_none(), "{answer:?}");
                if let Some((content, size)) = held.filter(|_| method == Method::GET) {
                    sent(&answer, &content, size);
                }
            }
            _ => {}
        }
        None
    }

    /// Whose access token the request has, if it is one that is in force.
    async fn caller(&self, headers: &HeaderMap) -> Option<User> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, text) = value.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        let mut issued = self.issued.iter();
        let token = issued.find(|token| token.file.is_none() && token.text == text.trim())?;
        self.maker(token).await.filter(|_| bearer)
    }

    /// The content that the link in the path leads to, if it is one that is in force.
    async fn link(&self, path: &str) -> Option<(Bytes, u64)> {
        let text = segment(path, "/download_file/")?;
        let mut issued = self.issued.iter();
        let token = issued.find(|token| token.text == text && token.file.is_some())?;
        self.maker(token)
            .await
            .filter(|user| user.role == Role::Client)?;
        let file = FileStore::by_id(&self.site.store, token.file?).await;
        let file = file.expect("memory answers")?;
        let is_for = self.is_for(token.user, &file.entry.audience).await;
        let file = is_for.then_some(file)?;
        let opened = self.site.consign.open(text).await.expect("it is in force");
        let content = opened.read_all(u64::MAX).await.expect("memory answers");
        Some((content, file.entry.size))
    }

    /// Whether a client is in an audience, by the lists of members.
    async fn is_for(&self, client: UserId, audience: &Audience) -> bool {
        for principal in audience.principals() {
            let is_in = match principal {
                Principal::Everybody => true,
                Principal::User(id) => *id == client,
                Principal::Group(id) => {
                    let members = self.site.store.members(*id, None, 1000).await;
                    members.expect("memory answers").items.contains(&client)
                }
            };
            if is_in {
                return true;
            }
        }
        false
    }

    /// Whoever sees these files is in their audience, and is not told of it, or has the operations role.
    async fn may_be_shown(&self, caller: Option<&User>, shown: &[Value]) {
        let caller = caller.expect("nobody is shown files");
        for shown in shown {
            let operations = caller.role == Role::Operations;
            assert_eq!(shown.get("audience").is_some(), operations, "{shown}");
            let id = shown["id"].as_str().expect("an id").parse().expect("an id");
            let file = FileStore::by_id(&self.site.store, id).await;
            let file = file.expect("memory answers").expect("it is there");
            let is_for = self.is_for(caller.id, &file.entry.audience).await;
            assert!(operations || is_for, "{shown}");
        }
    }

    async fn maker(&self, token: &Issued) -> Option<User> {
        let user = self.site.user(token.user).await;
        let in_force = user.status == Status::Active
            && u64::from(user.session_epoch) == token.epoch
            && self.now() < token.expires_at;
        in_force.then_some(user)
    }

    /// A good token is never called a bad one, nor a bad one good.
    fn is_believed(&self, headers: &HeaderMap, caller: Option<&User>, answer: &Answer) {
        let status = answer.status.as_u16();
        assert!(
            status == 405 || (status == 401) == caller.is_none(),
            "{headers:?} {answer:?}"
        );
    }
}

/// The one segment that follows.
fn segment<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (!rest.is_empty() && !rest.contains('/')).then_some(rest)
}

/// The file or the parts of it that a download sent are the file's.
fn sent(answer: &Answer, content: &[u8], size: u64) {
    assert_eq!(content.len() as u64, size);
    let digest: String = Sha256::digest(content)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    if matches!(answer.status.as_u16(), 200 | 206 | 304) {
        assert_eq!(answer.header("etag"), format!("\"{digest}\""));
    }
    let range = |text: &str| {
        let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        assert_eq!(whole, size.to_string());
        content.get(first.parse().ok()?..=last.parse().ok()?)
    };
    match answer.status.as_u16() {
        200 => assert_eq!(answer.body, content),
        206 => {
            let content_type = answer.header("content-type");
            match content_type.strip_prefix("multipart/byteranges; boundary=") {
                None => assert_eq!(Some(&*answer.body), range(answer.header("content-range"))),
                Some(boundary) => parts(&answer.body, boundary, range),
            }
        }
        416 => assert_eq!(answer.header("content-range"), format!("bytes */{size}")),
        _ => {}
    }
}

/// What a body that was taken says, unless there is a number or half a character in it that no value
/// can have, in a member that nobody asks for.
fn asked(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).expect("JSON is UTF-8");
    serde_json::from_str(text).ok()
}

fn parts<'c>(body: &[u8], boundary: &str, range: impl Fn(&str) -> Option<&'c [u8]>) {
    let body = [b"\r\n", body].concat();
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = split(&body, delimiter.as_bytes());
    assert_eq!(parts.pop(), Some(&b"--\r\n"[..]));
    assert_eq!(parts.remove(0), b"");
    assert!((2..=16).contains(&parts.len()));
    for part in parts {
        let at = find(part, b"\r\n\r\n").expect("a part has a head");
        let head = std::str::from_utf8(&part[..at]).expect("a head is text");
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Range: "));
        assert_eq!(Some(&part[at + 4..]), range(line.expect("it says which")));
    }
}
