//! A server under test, and the people who use it.

use serde_json::{Value, json};

use super::{
    Setup, Start, Target,
    answer::Answer,
    client::{Connection, Request},
    forms::{DOCX, Form},
};

/// Everybody's password, so that a failure's output holds no other.
pub const PASSWORD: &str = "correct horse battery";

/// A server that was started for one scenario.
pub struct Site {
    target: Target,
}

impl Site {
    pub async fn new(start: &Start) -> Self {
        Self::with(start, Setup::default()).await
    }

    pub async fn with(start: &Start, setup: Setup) -> Self {
        Self {
            target: start.server(setup).await,
        }
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.target.address).await
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.target.address)
    }

    /// The bytes of a request up to its body.
    pub fn head_bytes(&self, request: &Request) -> Vec<u8> {
        request.head_bytes(self.target.address)
    }

    /// All bytes of a request.
    pub fn wire_bytes(&self, request: &Request) -> Vec<u8> {
        request.bytes(self.target.address)
    }

    /// Sends a request on a connection of its own.
    pub async fn call(&self, request: Request) -> Answer {
        self.connect().await.exchange(&request).await
    }

    /// Registers a user; `by` is the bearer of the request.
    pub async fn register(&self, name: &str, operations: bool, by: Option<&str>) -> Answer {
        let request = registration(json!({
            "username": name,
            "email": format!("{name}@example.org"),
            "password": PASSWORD,
            "is_operation_user": operations,
        }));
        self.call(match by {
            Some(token) => request.bearer(token),
            None => request,
        })
        .await
    }

    pub async fn login(&self, username: &str, password: &str) -> Answer {
        let request = json!({"username": username, "password": password});
        self.call(Request::post("/login").json(&request)).await
    }

    /// The access token of someone who has registered.
    pub async fn token(&self, username: &str) -> String {
        let answer = self.login(username, PASSWORD).await.is_json(200);
        text(&answer["access_token"])
    }

    /// The access token of `olga`, the first operations user.
    pub async fn operations(&self) -> String {
        self.register("olga", true, None).await.has_status(201);
        self.token("olga").await
    }

    /// The access token of `carl`, a client.
    pub async fn client(&self) -> String {
        self.register("carl", false, None).await.has_status(201);
        self.token("carl").await
    }

    /// Sends a request with a JSON body, or without one where it is null.
    pub async fn ask(&self, method: &str, target: &str, token: &str, body: Value) -> Answer {
        let request = Request::new(method, target).bearer(token);
        self.call(match body {
            Value::Null => request,
            body => request.json(&body),
        })
        .await
    }

    pub async fn get(&self, target: &str, token: &str) -> Answer {
        self.ask("GET", target, token, Value::Null).await
    }

    pub async fn post(&self, target: &str, token: &str, body: Value) -> Answer {
        self.ask("POST", target, token, body).await
    }

    pub async fn patch(&self, target: &str, token: &str, body: Value) -> Answer {
        self.ask("PATCH", target, token, body).await
    }

    pub async fn delete(&self, target: &str, token: &str) -> Answer {
        self.ask("DELETE", target, token, Value::Null).await
    }

    /// The path of a new group.
    pub async fn group(&self, token: &str, name: &str) -> String {
        let answer = self.post("/groups", token, json!({"name": name})).await;
        format!("/groups/{}", text(&answer.is_json(201)["group"]["id"]))
    }

    /// Takes a client into the group at this path, and gives their id.
    pub async fn join(&self, token: &str, group: &str, username: &str) -> String {
        let target = format!("{group}/members");
        let answer = self
            .post(&target, token, json!({"username": username}))
            .await;
        text(&answer.is_json(201)["member"]["id"])
    }

    /// The access token of `carl`, whom an operations user has registered.
    pub async fn client_of(&self, token: &str) -> String {
        let registered = self.register("carl", false, Some(token)).await;
        registered.has_status(201);
        self.token("carl").await
    }

    pub async fn try_upload(&self, token: &str, form: Form) -> Answer {
        self.call(Request::post("/upload").bearer(token).form(form))
            .await
    }

    /// Uploads a document that is accepted, and gives its `file` object.
    pub async fn upload(&self, token: &str, filename: &str, content: &[u8]) -> Value {
        let answer = self
            .try_upload(token, Form::of_file(filename, content))
            .await;
        answer.is_json(200)["file"].clone()
    }

    /// The names of all files, newest first.
    pub async fn names(&self, token: &str) -> Vec<String> {
        let answer = self
            .call(Request::get("/files").bearer(token))
            .await
            .is_json(200);
        let files = answer["files"].as_array().expect("files is a list");
        files.iter().map(|file| text(&file["filename"])).collect()
    }

    /// The path of a new download link.
    pub async fn link(&self, token: &str, file: &str) -> String {
        let target = format!("/generate_download_url/{file}");
        let answer = self
            .call(Request::get(target).bearer(token))
            .await
            .is_json(200);
        self.path_of(&text(&answer["download_url"]))
    }

    /// The path of a link, which begins with the address that the server was told is its own.
    pub fn path_of(&self, link: &str) -> String {
        let path = link.strip_prefix(&self.base());
        let path = path.unwrap_or_else(|| panic!("{link} begins with {}", self.base()));
        assert!(path.starts_with("/download_file/"), "{link}");
        path.to_owned()
    }

    /// Checks that whatever was just refused left nothing, and that the server still takes files.
    pub async fn has_no_files_and_takes_some(&self, token: &str) {
        assert!(
            self.names(token).await.is_empty(),
            "a refused upload is not listed"
        );
        self.upload(token, "after.docx", &DOCX.document("after"))
            .await;
        assert_eq!(self.names(token).await, ["after.docx"]);
    }
}

pub fn registration(fields: Value) -> Request {
    Request::post("/register").json(&fields)
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is a text"))
        .to_owned()
}

/// Percent-encodes all that could need it.
pub fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// What a client is shown of a file that operations users are shown so.
pub fn for_client(file: &Value) -> Value {
    let mut file = file.clone();
    let members = file.as_object_mut().expect("a file is an object");
    members
        .remove("audience")
        .expect("it is told whom it is for");
    file
}

/// What stands after the last slash of a link.
pub fn token_of(link: &str) -> &str {
    link.rsplit('/').next().unwrap_or_default()
}
