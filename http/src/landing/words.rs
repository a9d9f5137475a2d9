//! What the page of a managed link says.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the page of a managed link says, in one language. `{n}`, `{size}` and `{time}` in a text stand for
/// what their names say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // each is the text of the element that it names
pub struct Words {
    pub heading_one: String,
    pub heading_several: String,
    /// Where it is not told yet what there is.
    pub heading_guarded: String,
    pub introduction: String,
    pub until: String,
    pub total: String,
    /// `{n} bytes`
    pub bytes: String,
    /// `.` or `,`
    pub decimal_point: String,
    pub password: String,
    pub password_hint: String,
    pub code: String,
    pub code_hint: String,
    pub recipient_hint: String,
    pub send_code: String,
    pub send_another_code: String,
    pub download: String,
    pub download_several: String,
    pub ready: String,
    pub ready_until: String,
    pub ready_all: String,
    pub sign_in: String,
    /// What each sentence of the API means here.
    pub refusals: BTreeMap<String, Refusal>,
}

/// Why a link did not open, for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What is the matter.
    pub heading: String,
    /// What to do next.
    pub advice: String,
}

impl Default for Words {
    /// English, and the sentences of the API as they are.
    fn default() -> Self {
        Self {
            heading_one: "A file for you".into(),
            heading_several: "{n} files for you".into(),
            heading_guarded: "Files for you".into(),
            introduction: "Somebody has sent you this link. You need no account to download."
                .into(),
            until: "You can download until {time}.".into(),
            total: "{size} altogether".into(),
            bytes: "{n} bytes".into(),
            decimal_point: ".".into(),
            password: "Password".into(),
            password_hint: "Whoever sent you the link knows it.".into(),
            code: "Code".into(),
            code_hint: "Eight digits, as they are in the mail.".into(),
            recipient_hint: "The link is for one recipient, who is sent a code by mail.".into(),
            send_code: "Send the code".into(),
            send_another_code: "Send another code".into(),
            download: "Download".into(),
            download_several: "Download the files".into(),
            ready: "Your files are ready".into(),
            ready_until: "They can be fetched from here until {time}.".into(),
            ready_all: "All in one archive (zip, {size})".into(),
            sign_in: "Sign in".into(),
            refusals: BTreeMap::new(),
        }
    }
}
