//! Who may do what: every route of [`ROUTES`], asked by everyone, about everything.
//!
//! A route without an entry fails: whoever adds one says here who may use it.

use bytes::Bytes;
use consign_core::user::{Role, Status};
use consign_http::ROUTES;
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

/// What each of [`WHO`] is answered, when nothing else is wrong with the request.
const ANSWERS: &[(&str, &str, [u16; WHO.len()])] = &[
    ("/", "", [200; 7]),
    ("/robots.txt", "", [200; 7]),
    ("/healthz", "", [200; 7]),
    ("/register", "client", [201; 7]),
    (
        "/register",
        "operations",
        [403, 401, 401, 403, 201, 401, 401],
    ),
    ("/login", "", [200; 7]),
    ("/upload", "", [401, 401, 401, 403, 200, 401, 401]),
    ("/files", "", [401, 401, 401, 200, 200, 401, 401]),
    ("/files/", "", [401, 401, 401, 200, 200, 401, 401]),
    (
        "/generate_download_url/{file}",
        "",
        [401, 401, 401, 200, 403, 401, 401],
    ),
    // The link is the whole proof: who else the caller is counts for nothing.
    ("/download_file/{token}", "", [200; 7]),
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
        let rows: Vec<_> = ANSWERS.iter().filter(|row| row.0 == route.path).collect();
        assert!(!rows.is_empty(), "nobody said who may use {}", route.path);
        for (path, what, answers) in rows {
            for (who, expected) in WHO.into_iter().zip(answers) {
                for method in METHODS {
                    let before = hall.events().await;
                    let answer = hall.ask(&method, path, what, who).await;
                    let came = hall.events().await - before;
                    let case = format!("{method} {path} {what} by {who}");
                    if !route.methods.contains(&method) {
                        assert_eq!(answer.status, 405, "{case}");
                        assert_eq!(came, 0, "{case}: what is refused does nothing");
                        continue;
                    }
                    assert_eq!(answer.status.as_u16(), *expected, "{case}: {answer:?}");
                    // Reading changes nothing, nor does signing in, nor what is refused.
                    let writes = matches!(*path, "/register" | "/upload") && *expected < 300;
                    assert_eq!(came, usize::from(writes), "{case}");
                }
            }
        }
    }
    for (path, ..) in ANSWERS {
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
    for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
        let fixed = route.path.split('{').next().unwrap();
        for (what, object, answers) in hall.objects(route.path).await {
            let target = format!("{fixed}{object}");
            for (at, expected) in answers.into_iter().enumerate() {
                let answer = hall.room.get(&target, &users[at]).await;
                let case = format!("{what} at {} by user {at}", route.path);
                assert_eq!(answer.status.as_u16(), expected, "{case}: {answer:?}");
                if expected >= 400 {
                    let never = hall.room.get(&format!("{fixed}never"), &users[at]).await;
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
        Self { room, tokens, link }
    }

    /// A request that is in order but, perhaps, for who makes it.
    async fn ask(&self, method: &Method, path: &str, what: &str, who: &str) -> Answer {
        let at = WHO.iter().position(|other| *other == who).unwrap();
        let token = &self.tokens[at];
        let target = match path {
            "/generate_download_url/{file}" => "/generate_download_url/a.docx",
            "/download_file/{token}" => &self.link,
            path => path,
        };
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
        let file = administration.files(None, 1).await.unwrap().items.remove(0);
        let (clients, nobody) = ([200, 200, 403, 403], [404, 404, 403, 403]);
        let (id, blob) = (file.entry.id.to_string(), file.entry.blob.to_string());
        let user = file.entry.uploaded_by.to_string();
        match path {
            "/generate_download_url/{file}" => vec![
                ("a file's name", "a.docx".to_owned(), clients),
                ("a file's id", id, clients),
                ("a removed file's name", "gone.docx".to_owned(), nobody),
                ("a removed file's id", gone.entry.id.to_string(), nobody),
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
            path => panic!("nobody said what can be asked for at {path}"),
        }
    }

    async fn dora(&self) -> String {
        self.room.login("dora").await
    }

    /// How much has happened.
    async fn events(&self) -> usize {
        let administration = self.room.consign.administration();
        administration
            .events(None, 10_000)
            .await
            .unwrap()
            .items
            .len()
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
