//! Whom a file is for, as it is said on the command line.

use consign_client::{Audience, Client};

use super::{
    failure::{Exit, Failure},
    session::Session,
};

/// The audience of these words, with the ids of the groups that are named; none where there are no words.
pub(super) async fn of(
    words: &[String],
    session: &Session<'_>,
) -> Result<Option<Audience>, Failure> {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    match words {
        [] => return Ok(None),
        [word] if word == "everybody" => return Ok(Some(Audience::Everybody)),
        [word] if word == "nobody" => return Ok(Some(Audience::Nobody)),
        _ => {}
    }
    for word in words {
        match word.split_once(':') {
            Some(("user", name)) if !name.is_empty() => users.push(name.to_owned()),
            Some(("group", name)) if is_id(name) => groups.push(name.to_owned()),
            Some(("group", name)) if !name.is_empty() => groups.push(group(name, session).await?),
            _ => {
                let text = format!(
                    "--audience: {word:?} is not everybody, nobody, user:NAME or group:NAME, or not alone"
                );
                return Err(Failure::usage(text));
            }
        }
    }
    Ok(Some(Audience::These { users, groups }))
}

async fn group(name: &str, session: &Session<'_>) -> Result<String, Failure> {
    let mut cursor = None;
    loop {
        let page = session
            .call(async |client: &Client| client.groups(cursor.as_deref()).await)
            .await?;
        if let Some(group) = page.items.into_iter().find(|group| group.name == name) {
            return Ok(group.id);
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => {
                return Err(Failure::new(
                    Exit::NotFound,
                    format!("there is no group {name:?}"),
                ));
            }
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
