//! Who may do what: every route of [`ROUTES`], asked by everyone, about everything.
//!
//! A route without an entry fails: whoever adds one says here who may use it.

use std::cell::Cell;

use bytes::Bytes;
use consign_core::{
    event::EventKind,
    user::{Role, Status},
};
use consign_http::{ROUTES, Route};
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Room, document, request, text, upload};

/// Who asks, and how they are called in the tables.
const WHO: [&str; 7] = [
    "nobody",
    "a stranger",
    "the holder of a link",
    "a client",
    "an operations user",
    "a client who was disabled",
    "an operations user who was demoted",
];

/// What each of [`WHO`] is answered, when nothing else is wrong with the request: by which of the
/// route's methods (any, where none is said), and for what. `HEAD` is as `GET`.
type Row = (&'static str, &'static str, &'static str, [u16; WHO.len()]);

const OPERATIONS: [u16; WHO.len()] = [401, 401, 401, 403, 200, 401, 401];
const ADDED: [u16; WHO.len()] = [401, 401, 401, 403, 201, 401, 401];
const SIGNED_IN: [u16; WHO.len()] = [401, 401, 401, 200, 200, 401, 401];

const ANSWERS: &[Row] = &[
    ("", "/", "", [200; 7]),
    ("", "/robots.txt", "", [200; 7]),
    ("", "/openapi.json", "", [200; 7]),
    ("", "/docs", "", [200; 7]),
    ("", "/healthz", "", [200; 7]),
    ("", "/register", "client", [201; 7]),
    (
        "",
        "/register",
        "operations",
        [403, 401, 401, 403, 201, 401, 401],
    ),
    ("", "/login", "", [200; 7]),
    ("GET", "/session", "", SIGNED_IN),
    // A cookie is asked for, and no token.
    ("POST", "/session", "", [401; 7]),
    ("DELETE", "/session", "", SIGNED_IN),
    // The new password is missing: it would end the sessions that the table is asked with.
    ("", "/password", "", [401, 401, 401, 400, 400, 401, 401]),
    ("", "/upload", "", OPERATIONS),
    ("", "/files", "", SIGNED_IN),
    ("", "/files/", "", SIGNED_IN),
    ("GET", "/files/{file}", "", SIGNED_IN),
    ("PATCH", "/files/{file}", "", OPERATIONS),
    ("DELETE", "/files/{file}", "", OPERATIONS),
    ("", "/removed-files", "", OPERATIONS),
    ("", "/removed-files/{file}", "", OPERATIONS),
    ("", "/removed-files/{file}/restore", "", OPERATIONS),
    (
        "",
        "/generate_download_url/{file}",
        "",
        [401, 401, 401, 200, 403, 401, 401],
    ),
    // The link is the whole proof: who else the caller is counts for nothing.
    ("", "/download_file/{token}", "", [200; 7]),
    ("GET", "/links", "", SIGNED_IN),
    ("POST", "/links", "", [401, 401, 401, 201, 201, 401, 401]),
    // It is an operations user's, and no client's.
    ("", "/links/{link}", "", [401, 401, 401, 404, 200, 401, 401]),
    ("GET", "/l/{secret}", "", [200; 7]),
    // Whoever says who they are has to be right.
    (
        "POST",
        "/l/{secret}",
        "",
        [201, 401, 401, 201, 201, 401, 401],
    ),
    ("", "/files/{file}/downloads", "", SIGNED_IN),
    // The maker of the link is an operations user.
    (
        "",
        "/links/{link}/downloads",
        "",
        [401, 401, 401, 404, 200, 401, 401],
    ),
    // The download is of a client's own link.
    ("", "/downloads/{download}/receipt", "", SIGNED_IN),
    ("", "/audit", "", OPERATIONS),
    ("", "/evidence-key", "", [200; 7]),
    ("GET", "/groups", "", OPERATIONS),
    ("POST", "/groups", "", ADDED),
    ("", "/groups/{group}", "", OPERATIONS),
    ("GET", "/groups/{group}/members", "", OPERATIONS),
    ("POST", "/groups/{group}/members", "", ADDED),
    ("", "/groups/{group}/members/{user}", "", OPERATIONS),
];

/// Methods that somebody might have forgotten to refuse.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

#[tokio::test]
async fn each_role_may_use_these_routes_and_no_others() {
    let hall = Hall::new().await;
    for route in ROUTES {
        for method in METHODS {
            let called = match &method {
                &Method::HEAD => "GET",
                method => method.as_str(),
            };
            let mut rows: Vec<_> = ANSWERS.iter().filter(|row| row.1 == route.path).collect();
            if route.methods.contains(&method) {
                rows.retain(|row| row.0.is_empty() || row.0 == called);
            }
            let path = route.path;
            assert!(!rows.is_empty(), "nobody said who may {method} {path}");
            for (_, path, what, answers) in rows {
                for (who, expected) in WHO.into_iter().zip(answers) {
                    let target = hall.target(path).await;
                    let before = hall.events().await;
                    let answer = hall.ask(&method, path, &target, what, who).await;
                    let came = hall.events().await - before;
                    let case = format!("{method} {path} {what} by {who}");
                    if !route.methods.contains(&method) {
                        assert_eq!(answer.status, 405, "{case}");
                        assert_eq!(came, 0, "{case}: what is refused does nothing");
                        continue;
                    }
                    assert_eq!(answer.status.as_u16(), *expected, "{case}: {answer:?}");
                    // Reading changes nothing, nor does signing in or out, nor what is refused.
                    let reads = called == "GET" || ["/login", "/session"].contains(path);
                    let writes = !reads && *expected < 300;
                    assert_eq!(came, usize::from(writes), "{case}");
                }
            }
        }
    }
    for (_, path, ..) in ANSWERS {
        assert!(
            ROUTES.iter().any(|route| route.path == *path),
            "{path} is no route"
        );
    }
}

/// What can be asked for at a route that takes a name for it, and what a client, another client, the
/// one who uploaded it and another operations user are answered.
type Objects = Vec<(&'static str, String, [u16; 4])>;

#[tokio::test]
async fn what_is_not_there_for_a_user_is_as_if_it_never_was() {
    let hall = Hall::new().await;
    let users = [
        hall.room.login("carl").await,
        hall.room.login("dora").await,
        hall.room.login("olga").await,
        hall.room.login("otto").await,
    ];
    let reads = |route: &&Route| route.methods.contains(&Method::GET);
    let open = ROUTES.iter().filter(|route| route.path.contains('{'));
    for route in open.filter(reads) {
        let (before, rest) = route.path.split_once('{').unwrap();
        let (_, after) = rest.split_once('}').unwrap();
        for (what, object, answers) in hall.objects(route.path).await {
            let target = format!("{before}{object}{after}");
            for (at, expected) in answers.into_iter().enumerate() {
                let answer = hall.room.get(&target, &users[at]).await;
                let case = format!("{what} at {} by user {at}", route.path);
                assert_eq!(answer.status.as_u16(), expected, "{case}: {answer:?}");
                if expected >= 400 {
                    let never = format!("{before}never{after}");
                    let never = hall.room.get(&never, &users[at]).await;
                    assert_eq!(answer, never, "{case} is like what never was");
                }
            }
        }
    }
}

/// A room with people in it, a file, and things that are no more.
struct Hall {
    room: Room,
    tokens: [String; WHO.len()],
    link: String,
    /// How many names were given so far.
    names: Cell<usize>,
}

impl Hall {
    async fn new() -> Self {
        let room = Room::new();
        let olga = room.sign_up("olga", true).await;
        for name in ["otto", "oda"] {
            let fields = person(name, true);
            assert_eq!(room.post_json("/register", &olga, fields).await.status, 201);
        }
        let [carl, _, dan] = [
            room.sign_up("carl", false).await,
            room.sign_up("dora", false).await,
            room.sign_up("dan", false).await,
        ];
        let oda = room.login("oda").await;
        assert_eq!(room.upload(&olga, "a.docx", &document()).await.status, 200);
        let link = room.link(&carl, "a.docx").await;
        let administration = room.consign.administration();
        let (dan_is, oda_is) = ("dan".parse().unwrap(), "oda".parse().unwrap());
        administration
            .set_status(&dan_is, Status::Disabled)
            .await
            .unwrap();
        administration
            .set_role(&oda_is, Role::Client)
            .await
            .unwrap();
        let holder = link.rsplit('/').next().unwrap().to_owned();
        let tokens = [
            String::new(),
            "a.b.c".to_owned(),
            holder,
            carl,
            olga,
            dan,
            oda,
        ];
        Self {
            room,
            tokens,
            link,
            names: Cell::new(0),
        }
    }

    /// A target of this path: what it names is there, and new where it could be changed.
    async fn target(&self, path: &str) -> String {
        let olga = &self.tokens[4];
        match path {
            "/generate_download_url/{file}" => "/generate_download_url/a.docx".to_owned(),
            "/download_file/{token}" => self.link.clone(),
            "/files/{file}" => {
                let answer = self.room.upload(olga, "new.docx", &document()).await;
                path.replace("{file}", &text(&answer.json()["file"]["id"]))
            }
            "/removed-files/{file}" | "/removed-files/{file}/restore" => {
                let answer = self.room.upload(olga, "new.docx", &document()).await;
                let id = text(&answer.json()["file"]["id"]);
                let actor = self.room.consign.authenticate(olga).await.unwrap();
                let file = id.parse().unwrap();
                self.room.consign.delete(&actor, file).await.unwrap();
                path.replace("{file}", &id)
            }
            "/files/{file}/downloads" => {
                let answer = self.room.upload(olga, "new.docx", &document()).await;
                path.replace("{file}", &text(&answer.json()["file"]["id"]))
            }
            "/downloads/{download}/receipt" => {
                path.replace("{download}", &self.downloaded(&self.link).await)
            }
            "/links/{link}/downloads" => self.managed(olga).await.0 + "/downloads",
            "/links/{link}" => self.managed(olga).await.0,
            "/l/{secret}" => self.managed(olga).await.1,
            path if path.contains("{group}") => {
                let id = self.group(olga).await;
                path.replace("{group}", &id).replace("{user}", "carl")
            }
            path => path.to_owned(),
        }
    }

    /// The path of a new managed link, for its maker and for whoever holds it.
    async fn managed(&self, token: &str) -> (String, String) {
        let to = json!({"files": ["a.docx"]});
        let answer = self.room.post_json("/links", token, to).await.json();
        let link = &answer["link"];
        let opened = last_segment(&text(&link["url"]));
        let path = format!("/links/{}", text(&link["id"]));
        (path, format!("/l/{opened}"))
    }

    /// A new group, in which a client is.
    async fn group(&self, token: &str) -> String {
        let name = json!({"name": self.new_name()});
        let answer = self.room.post_json("/groups", token, name).await;
        let id = text(&answer.json()["group"]["id"]);
        let (members, carl) = (format!("/groups/{id}/members"), json!({"username": "carl"}));
        let answer = self.room.post_json(&members, token, carl).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        id
    }

    /// Follows a link to the file that is downloaded, and gives the id of that download.
    async fn downloaded(&self, link: &str) -> String {
        assert_eq!(self.room.get(link, "").await.status, 200);
        self.room.consign.flush_events().await.unwrap();
        let administration = self.room.consign.administration();
        let trail = administration.events(None, 10_000).await.unwrap().items;
        let mut downloads = trail.iter().rev();
        let last = downloads.find(|entry| matches!(entry.event.kind, EventKind::Download(_)));
        last.unwrap().seq.to_string()
    }

    fn new_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("name {}", self.names.get())
    }

    /// A request that is in order but, perhaps, for who makes it.
    async fn ask(
        &self,
        method: &Method,
        path: &str,
        target: &str,
        what: &str,
        who: &str,
    ) -> Answer {
        let at = WHO.iter().position(|other| *other == who).unwrap();
        let token = &self.tokens[at];
        if path == "/upload" {
            let name = "b.docx";
            let form = consign_http::testing::Form::of_file(name, &document())
                .finish()
                .1;
            let mut request: Request<Full<Bytes>> = upload(token, form.into());
            *request.method_mut() = method.clone();
            if token.is_empty() {
                request.headers_mut().remove(header::AUTHORIZATION);
            }
            return self.room.call(request).await;
        }
        let body = match path {
            "/register" => person(&format!("{what} {at}"), what == "operations"),
            "/login" => json!({"username": "carl", "password": PASSWORD}),
            "/password" => json!({"current_password": PASSWORD}),
            "/files/{file}" => json!({"audience": "nobody"}),
            "/groups" | "/groups/{group}" => json!({"name": self.new_name()}),
            "/groups/{group}/members" => json!({"username": "dora"}),
            "/links" => json!({"files": ["a.docx"]}),
            "/links/{link}" => json!({"note": "sent"}),
            _ => {
                return self
                    .room
                    .call(request(method.clone(), target, token, ""))
                    .await;
            }
        };
        let mut request = request(method.clone(), target, token, body.to_string());
        let kind = "application/json".parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.room.call(request).await
    }

    async fn objects(&self, path: &str) -> Objects {
        let (room, administration) = (&self.room, self.room.consign.administration());
        let (olga, carl) = (room.login("olga").await, room.login("carl").await);
        room.upload(&olga, "gone.docx", &document()).await;
        let dead = last_segment(&room.link(&carl, "gone.docx").await);
        let gone = administration.files(None, 1).await.unwrap().items.remove(0);
        administration.remove_file(gone.entry.id).await.unwrap();
        let files = administration.files(None, 1000).await.unwrap().items;
        let mut files = files.into_iter();
        let file = files.find(|file| file.entry.name.as_str() == "a.docx");
        let file = file.unwrap();
        let target = "/upload?audience=user:dan";
        let mut others = upload::<Full<Bytes>>(&olga, {
            let form = consign_http::testing::Form::of_file("others.docx", &document());
            form.finish().1.into()
        });
        *others.uri_mut() = target.parse().unwrap();
        let others = text(&room.call(others).await.json()["file"]["id"]);
        let group = self.group(&olga).await;
        let (clients, nobody) = ([200, 200, 403, 403], [404, 404, 403, 403]);
        let (id, blob) = (file.entry.id.to_string(), file.entry.blob.to_string());
        let user = file.entry.uploaded_by.to_string();
        let (everyone, operations) = ([200; 4], [404, 404, 200, 200]);
        let (managers, no_group) = ([403, 403, 200, 200], [403, 403, 404, 404]);
        match path {
            "/generate_download_url/{file}" => vec![
                ("a file's name", "a.docx".to_owned(), clients),
                ("a file's id", id, clients),
                ("a removed file's name", "gone.docx".to_owned(), nobody),
                ("a removed file's id", gone.entry.id.to_string(), nobody),
                (
                    "the name of one for others",
                    "others.docx".to_owned(),
                    nobody,
                ),
                ("the id of one for others", others, nobody),
                ("a group", group, nobody),
                ("where a file's bytes are", blob, nobody),
                (
                    "where a removed file's were",
                    gone.entry.blob.to_string(),
                    nobody,
                ),
                ("a user", user, nobody),
                ("a position in the list", file.seq.to_string(), nobody),
                ("a link", last_segment(&self.link), nobody),
            ],
            "/download_file/{token}" => vec![
                ("a client's link", last_segment(&self.link), [200; 4]),
                (
                    "another's link",
                    last_segment(&room.link(&self.dora().await, "a.docx").await),
                    [200; 4],
                ),
                ("a link to a removed file", dead, [401; 4]),
                ("an access token", carl, [401; 4]),
                ("an operations user's", olga, [401; 4]),
                ("a file's id", id, [401; 4]),
                ("a file's name", "a.docx".to_owned(), [401; 4]),
                ("where a file's bytes are", blob, [401; 4]),
                ("a user", user, [401; 4]),
                ("a position in the list", file.seq.to_string(), [401; 4]),
            ],
            "/files/{file}" => vec![
                ("a file's id", id, everyone),
                ("the id of one for others", others, operations),
                ("a file's name", "a.docx".to_owned(), [404; 4]),
                ("a removed file's id", gone.entry.id.to_string(), [404; 4]),
                ("where a file's bytes are", blob, [404; 4]),
                ("a user", user, [404; 4]),
                ("a group", group, [404; 4]),
                ("a position in the list", file.seq.to_string(), [404; 4]),
                ("a link", last_segment(&self.link), [404; 4]),
            ],
            "/links/{link}" => {
                let (own, secret) = self.managed(&carl).await;
                let (other, _) = self.managed(&olga).await;
                vec![
                    ("a client's link", last_segment(&own), [200, 404, 404, 404]),
                    ("another's", last_segment(&other), [404, 404, 200, 404]),
                    ("what opens it", last_segment(&secret), [404; 4]),
                    ("a file's id", id, [404; 4]),
                    ("a user", user, [404; 4]),
                ]
            }
            "/l/{secret}" => {
                let (path, secret) = self.managed(&carl).await;
                let (revoked, dead) = self.managed(&olga).await;
                let request = request(Method::DELETE, &revoked, &olga, "");
                assert_eq!(room.call(request).await.status, 200);
                vec![
                    ("a link", last_segment(&secret), [200; 4]),
                    ("a revoked link", last_segment(&dead), [404; 4]),
                    ("a link's id", last_segment(&path), [404; 4]),
                    ("a signed link", last_segment(&self.link), [404; 4]),
                    ("an access token", carl, [404; 4]),
                    ("a file's id", id, [404; 4]),
                ]
            }
            "/files/{file}/downloads" => vec![
                ("a file's id", id, everyone),
                ("the id of one for others", others, operations),
                ("a file's name", "a.docx".to_owned(), [404; 4]),
                // Nobody has downloaded it.
                ("a removed file's id", gone.entry.id.to_string(), [404; 4]),
                ("a link", last_segment(&self.link), [404; 4]),
            ],
            "/links/{link}/downloads" => {
                let (own, secret) = self.managed(&carl).await;
                let (other, _) = self.managed(&olga).await;
                vec![
                    ("a client's link", last_segment(&own), [200, 404, 200, 200]),
                    ("another's", last_segment(&other), [404, 404, 200, 200]),
                    ("what opens it", last_segment(&secret), [404; 4]),
                    ("a file's id", id, [404; 4]),
                ]
            }
            "/downloads/{download}/receipt" => {
                let own = self.downloaded(&self.link).await;
                let link = room.link(&self.dora().await, "a.docx").await;
                let other = self.downloaded(&link).await;
                vec![
                    ("a download", own, [200, 404, 200, 200]),
                    ("another's", other, [404, 200, 200, 200]),
                    ("another entry", "1".to_owned(), [404; 4]),
                    ("none", "0".to_owned(), [404; 4]),
                    ("one to come", "99999".to_owned(), [404; 4]),
                    ("a file's id", id, [404; 4]),
                ]
            }
            "/groups/{group}" | "/groups/{group}/members" => vec![
                ("a group", group, managers),
                ("its name", "name%201".to_owned(), no_group),
                ("a file's id", id, no_group),
                ("a user", user, no_group),
            ],
            path => panic!("nobody said what can be asked for at {path}"),
        }
    }

    async fn dora(&self) -> String {
        self.room.login("dora").await
    }

    /// How much has happened.
    async fn events(&self) -> usize {
        let administration = self.room.consign.administration();
        let trail = administration.events(None, 10_000).await.unwrap().items;
        // What is told later than it happened, and changes nothing.
        let told_later = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::SignedIn { .. }
                    | EventKind::SignInFailed { .. }
                    | EventKind::Download(_)
            )
        };
        let changes = trail.iter().filter(|entry| !told_later(&entry.event.kind));
        changes.count()
    }
}

fn person(name: &str, operations: bool) -> Value {
    json!({
        "username": name,
        "email": format!("{}@example.org", name.replace(' ', ".")),
        "password": PASSWORD,
        "is_operation_user": operations,
    })
}

fn last_segment(link: &str) -> String {
    text(&json!(link.rsplit('/').next()))
}
