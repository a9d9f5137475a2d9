//! A few requests and acts of the administrator, one after another, on one service.
//!
//! Input: steps, with a line `====` between two. A step that begins with `!` is an act (`!disable
//! carl`, `!remove`, `!wait 900`, …), any other a request: its line, lines of headers, an empty line, a
//! body. `{olga}` and `{carl}` stand for access tokens, `{link}` for a link of Carl's, `{file}` for
//! the id of the first file, `{group}` for that of a group, `{token}` and `{url}`
//! for the access token and the link's token that were given last.

mod judge;

use std::time::Duration;

use bytes::Bytes;
use consign_core::{
    time::Clock,
    user::{Role, Status},
};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use self::judge::{Issued, Judge};
use crate::site::{FILE, Site, access_token, block_on, link_token};

const STEPS: usize = 12;

const LIMIT: u64 = 4096;

pub fn run(bytes: &[u8]) {
    block_on(async {
        let mut session = Session::new().await;
        for step in split(bytes, b"\n====\n").into_iter().take(STEPS) {
            match step.strip_prefix(b"!") {
                Some(act) => session.act(&String::from_utf8_lossy(act)).await,
                None => session.request(step).await,
            }
            session.judge.site.is_tidy().await;
        }
    });
}

struct Session {
    judge: Judge,
    /// What stands in a step, and what it stands for.
    words: Vec<(&'static [u8], String)>,
}

impl Session {
    async fn new() -> Self {
        let site = Site::with_file(LIMIT).await;
        let file = site.newest().await.expect("it was added").entry;
        assert_eq!(file.size, FILE.len() as u64);
        let (olga, carl, link) = (access_token(1), access_token(2), link_token(2, file.id));
        let words = vec![
            (&b"{olga}"[..], olga.clone()),
            (b"{carl}", carl.clone()),
            (b"{link}", link.clone()),
            (b"{file}", file.id.to_string()),
            (b"{group}", String::new()),
            (b"{token}", String::new()),
            (b"{url}", String::new()),
        ];
        let issued = vec![Issued::of(olga), Issued::of(carl), Issued::of(link)];
        let judge = Judge { site, issued };
        Self { judge, words }
    }

    async fn act(&mut self, act: &str) {
        let site = &self.judge.site;
        let administration = site.consign.administration();
        let (verb, whom) = act.split_once(' ').unwrap_or((act, ""));
        if verb == "wait" {
            let secs = whom.trim().parse::<u16>().unwrap_or_default();
            site.clock.advance(Duration::from_secs(secs.into()));
            return;
        }
        if verb == "remove" {
            if let Some(file) = site.newest().await {
                let removed = administration.remove_file(file.entry.id).await;
                removed.expect("it is there");
            }
            return;
        }
        let Ok(name) = whom.trim_end().parse() else {
            return;
        };
        // Refused for one who is not there, and for the last of the operations users.
        let _ = match verb {
            "disable" => administration.set_status(&name, Status::Disabled).await,
            "enable" => administration.set_status(&name, Status::Active).await,
            "operations" => administration.set_role(&name, Role::Operations).await,
            "client" => administration.set_role(&name, Role::Client).await,
            "logout" => administration.end_sessions(&name).await,
            _ => return,
        };
    }

    async fn request(&mut self, step: &[u8]) {
        let (head, body) = match find(step, b"\n\n") {
            Some(at) => (&step[..at], &step[at + 2..]),
            None => (step, &b""[..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let line = self.filled(lines.next().unwrap_or_default());
        let mut words = line.splitn(2, |byte| *byte == b' ');
        let method = Method::from_bytes(words.next().unwrap_or_default());
        let target = Uri::try_from(words.next().unwrap_or_default());
        let (Ok(method), Ok(target)) = (method, target) else {
            return;
        };
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = target;
        for line in lines.take(32) {
            let line = self.filled(line);
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                request.headers_mut().append(name, value);
            }
        }
        let body = Bytes::from(self.filled(body));
        let given = self.judge.ask(request.into_parts().0, body).await;
        if let Some(given) = given {
            let word: &[u8] = if given.is_link() {
                b"{url}"
            } else {
                b"{token}"
            };
            self.put(word, given.text.clone());
            self.judge.issued.push(given);
        }
        if let Some(group) = self.judge.site.last_group().await {
            self.put(b"{group}", group.id.to_string());
        }
    }

    fn put(&mut self, word: &[u8], text: String) {
        let mut words = self.words.iter_mut();
        if let Some((_, value)) = words.find(|(name, _)| *name == word) {
            *value = text;
        }
    }

    fn filled(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for (word, value) in &self.words {
            if let Some(at) = find(&text, word) {
                text.splice(at..at + word.len(), value.bytes());
            }
        }
        text
    }
}

impl Issued {
    fn is_link(&self) -> bool {
        self.file.is_some()
    }
}

impl Judge {
    fn now(&self) -> u64 {
        self.site.clock.now().as_secs()
    }
}

fn split<'a>(text: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut parts) = (text, Vec::new());
    while let Some(at) = find(rest, by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|bytes| bytes == what)
}
