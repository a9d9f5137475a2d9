//! One conversation with a client (RFC 5321).

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{Reaction, Received, Shared, Step};

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Session {
    io: BufReader<Box<dyn Io>>,
    shared: Arc<Shared>,
    encrypted: bool,
    auth: Option<String>,
    parameters: String,
    from: String,
    to: Vec<String>,
}

pub(super) async fn run(stream: TcpStream, shared: Arc<Shared>) {
    // The client notices how it ends, and is who judges.
    let _ = converse(stream, shared).await;
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let implicit = shared.tls.as_ref().filter(|_| shared.implicit);
    let io: Box<dyn Io> = match implicit {
        Some(tls) => Box::new(tls.accept(stream).await?),
        None => Box::new(stream),
    };
    let mut session = Session {
        io: BufReader::new(io),
        encrypted: shared.implicit,
        shared,
        auth: None,
        parameters: String::new(),
        from: String::new(),
        to: Vec::new(),
    };
    if !session.step(Step::Connect, "220 sink ESMTP").await? {
        return Ok(());
    }
    loop {
        let line = String::from_utf8_lossy(&session.line().await?).into_owned();
        let line = line.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "EHLO" => session.hello().await?,
            "STARTTLS" => {
                if session.step(Step::StartTls, "220 go ahead").await? {
                    session = session.encrypt().await?;
                }
            }
            "AUTH" => {
                if session.step(Step::Auth, "235 2.7.0 welcome").await? {
                    session.auth = Some(rest.to_owned());
                }
            }
            "MAIL" => {
                if session.step(Step::Mail, "250 2.1.0 ok").await? {
                    (session.from, session.parameters) = path(rest, "FROM:<")?;
                    session.to.clear();
                }
            }
            "RCPT" => {
                if session.step(Step::Rcpt, "250 2.1.5 ok").await? {
                    session.to.push(path(rest, "TO:<")?.0);
                }
            }
            "DATA" => {
                if session.step(Step::Data, "354 go ahead").await? {
                    session.content().await?;
                }
            }
            "QUIT" => {
                session.step(Step::Quit, "221 2.0.0 bye").await?;
                return Ok(());
            }
            _ => session.say("500 5.5.1 no such command").await?,
        }
    }
}

impl Session {
    async fn hello(&mut self) -> io::Result<()> {
        let starttls = self.shared.tls.is_some() && !self.encrypted;
        let mut answer = "250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n".to_owned();
        if starttls {
            answer.push_str("250-STARTTLS\r\n");
        }
        answer.push_str("250 AUTH PLAIN LOGIN");
        self.step(Step::Hello, &answer).await?;
        Ok(())
    }

    async fn encrypt(self) -> io::Result<Self> {
        let tls = self.shared.tls.clone();
        let tls = tls.ok_or_else(|| io::Error::other("STARTTLS was not offered"))?;
        let stream: Box<dyn Io> = Box::new(tls.accept(self.io.into_inner()).await?);
        Ok(Self {
            io: BufReader::new(stream),
            encrypted: true,
            ..self
        })
    }

    /// The mail: lines up to one that is a dot, less the dots that were put before others, and less
    /// the line's end that belongs to the last dot.
    async fn content(&mut self) -> io::Result<()> {
        let mut content = Vec::new();
        loop {
            let line = self.line().await?;
            match line.strip_prefix(b".") {
                Some(b"\r\n") => break,
                Some(rest) => content.extend_from_slice(rest),
                None => content.extend_from_slice(&line),
            }
        }
        content.truncate(content.len().saturating_sub(2));
        let received = Received {
            from: self.from.clone(),
            to: self.to.clone(),
            parameters: self.parameters.clone(),
            content,
            encrypted: self.encrypted,
            auth: self.auth.clone(),
        };
        let is_taken = match self.reaction(Step::Content) {
            None | Some(Reaction::TakeAndClose | Reaction::Inject(_)) => true,
            Some(Reaction::Answer(text)) => text.starts_with('2'),
            Some(Reaction::Close | Reaction::Stall) => false,
        };
        if is_taken {
            let keep = |state: &mut super::State| state.received.push(received);
            self.shared.state.send_modify(keep);
        }
        self.step(Step::Content, "250 2.0.0 taken").await?;
        Ok(())
    }

    fn reaction(&self, step: Step) -> Option<Reaction> {
        self.shared.state.borrow().reactions.get(&step).cloned()
    }

    /// Answers, and says whether things go on as usual.
    async fn step(&mut self, step: Step, usual: &str) -> io::Result<bool> {
        match self.reaction(step) {
            None => {
                self.say(usual).await?;
                Ok(true)
            }
            Some(Reaction::Answer(text)) => {
                self.say(&text).await?;
                if text.starts_with("421") {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Ok(text.starts_with(['2', '3']))
            }
            Some(Reaction::Inject(more)) => {
                self.say(&format!("{usual}\r\n{more}")).await?;
                Ok(true)
            }
            Some(Reaction::Close | Reaction::TakeAndClose) => {
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Some(Reaction::Stall) => {
                tokio::io::copy_buf(&mut self.io, &mut tokio::io::sink()).await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        let text = format!("{text}\r\n");
        self.io.get_mut().write_all(text.as_bytes()).await?;
        self.io.get_mut().flush().await
    }

    /// A line with its end, which is CRLF: an LF alone ends none (RFC 5321, section 2.3.8).
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if self.io.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(line)
    }
}

/// The address, and what follows it.
fn path(text: &str, begin: &str) -> io::Result<(String, String)> {
    let parts = text
        .strip_prefix(begin)
        .and_then(|rest| rest.rsplit_once('>'));
    let (address, parameters) = parts.ok_or_else(|| io::Error::other("no path"))?;
    Ok((address.to_owned(), parameters.trim().to_owned()))
}
