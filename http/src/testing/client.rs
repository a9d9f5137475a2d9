//! A client of HTTP/1.1 (RFC 9112) that shows every byte, so that no library mends what it is to see.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{answer::Answer, forms::Form};

/// A request, as it is written to the wire: nothing is added but `Host` and the body's framing.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, upper and lower case told apart.
    pub method: String,
    /// The target, in any form.
    pub target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Payload,
    /// What the API is mounted below.
    prefix: &'static str,
}

#[derive(Clone, Debug)]
enum Payload {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: Payload::None,
            prefix: "",
        }
    }

    /// Says that the API is mounted below `prefix`, with which the target begins.
    pub fn below(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// The method and the target as the API has it.
    fn asked(&self) -> String {
        let target = self.target.strip_prefix(self.prefix);
        let target = target.unwrap_or(&self.target);
        let root = if target.is_empty() { "/" } else { "" };
        format!("{} {target}{root}", self.method)
    }

    /// `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// `HEAD`.
    pub fn head(target: impl Into<String>) -> Self {
        Self::new("HEAD", target)
    }

    /// `POST`.
    pub fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target)
    }

    /// The request with one more header line.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The request with a bearer token (RFC 6750).
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// A body with its length before it.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Payload::Sized(body.into());
        self
    }

    /// A body in chunks of at most `size` bytes, its length untold.
    pub fn chunked(mut self, body: impl AsRef<[u8]>, size: usize) -> Self {
        let chunks = body.as_ref().chunks(size).map(<[u8]>::to_vec);
        self.body = Payload::Chunked(chunks.collect());
        self
    }

    /// A JSON body and its content type.
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(value.to_string())
    }

    /// A form and its content type.
    pub fn form(self, form: Form) -> Self {
        let (content_type, body) = form.finish();
        self.header("Content-Type", content_type).body(body)
    }

    /// All of it, for a server at `address`.
    pub fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        [self.head_bytes(address), self.body_bytes()].concat()
    }

    /// The request up to its body.
    pub fn head_bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.extend_from_slice(format!("Host: {address}\r\n").as_bytes());
        }
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        match &self.body {
            Payload::None => {}
            Payload::Sized(body) => {
                head.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
            Payload::Chunked(_) => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn body_bytes(&self) -> Vec<u8> {
        match &self.body {
            Payload::None => Vec::new(),
            Payload::Sized(body) => body.clone(),
            Payload::Chunked(chunks) => {
                let mut bytes = Vec::new();
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
                bytes
            }
        }
    }
}

/// A connection to the server under test.
pub struct Connection {
    address: SocketAddr,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Connection {
    /// A new connection.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the server accepts connections");
        stream.set_nodelay(true).expect("the option can be set");
        let (reader, writer) = stream.into_split();
        Self {
            address,
            reader,
            writer,
            buffer: BytesMut::new(),
        }
    }

    /// Sends a request and reads its answer, at the same time: the answer may come first.
    pub async fn exchange(&mut self, request: &Request) -> Answer {
        let (head, body) = (request.head_bytes(self.address), request.body_bytes());
        let writer = &mut self.writer;
        let send = async move {
            // What cannot be written any more shows in the answer, or in that there is none.
            if writer.write_all(&head).await.is_ok() {
                let _ = writer.write_all(&body).await;
            }
        };
        let read = read_answer(&mut self.reader, &mut self.buffer, &request.method);
        let ((), answer) = futures_util::future::join(send, read).await;
        let what = request.asked();
        answer
            .unwrap_or_else(|| panic!("{what}: the connection was closed without an answer"))
            .checked(what)
    }

    /// Sends bytes as they are; whether they could still be sent.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.writer.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Says that nothing more will be sent.
    pub async fn end(&mut self) {
        let _ = self.writer.shutdown().await;
    }

    /// The next answer, an interim one (1xx) too, unchecked; `None` when the connection ends before it.
    pub async fn next(&mut self, method: &str) -> Option<Answer> {
        read_one(&mut self.reader, &mut self.buffer, method).await
    }

    /// Whether the connection ends without another byte.
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !fill(&mut self.reader, &mut self.buffer).await
    }
}

/// The final answer to a request, with the interim ones before it noted.
async fn read_answer(
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    method: &str,
) -> Option<Answer> {
    let mut interim = Vec::new();
    loop {
        let mut answer = read_one(reader, buffer, method).await?;
        if answer.status >= 200 {
            answer.interim = interim;
            return Some(answer);
        }
        interim.push(answer.status);
    }
}

async fn read_one(
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    method: &str,
) -> Option<Answer> {
    let head = take_until(reader, buffer, b"\r\n\r\n").await?;
    let mut answer = Answer::of_head(&head);
    if method == "HEAD" || answer.status < 200 || matches!(answer.status, 204 | 304) {
        return Some(answer);
    }
    answer.body = if let Some(length) = answer.header("content-length") {
        let length = length.parse().expect("Content-Length is a number");
        take(reader, buffer, length).await?
    } else if answer.header("transfer-encoding").is_some() {
        read_chunks(reader, buffer).await?
    } else {
        while fill(reader, buffer).await {}
        buffer.split().freeze()
    };
    Some(answer)
}

/// RFC 9112, section 7.1.
async fn read_chunks(reader: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let line = take_until(reader, buffer, b"\r\n").await?;
        let size = std::str::from_utf8(&line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).expect("a chunk begins with its size");
        body.extend_from_slice(&take(reader, buffer, size).await?);
        assert_eq!(
            take(reader, buffer, 2).await?,
            "\r\n",
            "a chunk ends with a line's end"
        );
        if size == 0 {
            return Some(body.freeze());
        }
    }
}

/// What stands before `mark`, which is taken away with it.
async fn take_until(
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    mark: &[u8],
) -> Option<Bytes> {
    loop {
        if let Some(at) = buffer.windows(mark.len()).position(|window| window == mark) {
            let taken = buffer.split_to(at).freeze();
            buffer.advance(mark.len());
            return Some(taken);
        }
        if !fill(reader, buffer).await {
            return None;
        }
    }
}

async fn take(reader: &mut OwnedReadHalf, buffer: &mut BytesMut, length: usize) -> Option<Bytes> {
    while buffer.len() < length {
        if !fill(reader, buffer).await {
            return None;
        }
    }
    Some(buffer.split_to(length).freeze())
}

/// Reads some bytes; whether there were any. A reset is an end.
async fn fill(reader: &mut OwnedReadHalf, buffer: &mut BytesMut) -> bool {
    matches!(reader.read_buf(buffer).await, Ok(count) if count > 0)
}
