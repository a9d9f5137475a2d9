//! The pages for people: what is served at `/` and below `/assets/`, and what the page of a managed
//! link looks like and says. What is in them comes from elsewhere; how they are served is here.

use std::{cmp::Reverse, collections::HashMap, fmt, io::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use consign_core::{Settings, audience::Audience};
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{self, HeaderName},
};
use sha2::{Digest, Sha256};

use crate::{
    PublicUrl,
    body::Body,
    conditional,
    landing::{Dress, Escaped, Words},
};

/// In this cookie a page keeps the language that was chosen on it, which goes over what the browser asks
/// for.
const LANGUAGE_COOKIE: &str = "consign-language";

/// The script that the pages of links load, if the site has it.
const LANDING_SCRIPT: &str = "landing.js";

/// The site's mark, if it has one.
const MARK: &str = "mark.svg";

/// Pages for people, which [`Api::with_site`](crate::Api::with_site) serves.
///
/// In the page at `/` stand, in braces, what differs from server to server: `{style}`, `{assets}` (the path
/// of the folder they are in), `{root}` (the path that the API is below), `{accept}` (what may be uploaded,
/// in words), `{max-upload}` (bytes), `{audience}` (whom a file is for unless that is said: `everybody`,
/// `nobody`, or `chosen` for anybody else), `{removal-grace}` (seconds that a removed file can be had back).
/// Neither path ends with a slash.
#[derive(Clone, Debug)]
pub struct Site {
    languages: Vec<Language>,
    style: String,
    assets: Vec<Asset>,
}

/// The pages in one language.
#[derive(Clone, Debug)]
pub struct Language {
    /// Its tag, as in `Accept-Language` (RFC 5646): `de`.
    pub tag: String,
    /// What it calls itself: `Deutsch`.
    pub name: String,
    /// The page at `/`, in HTML.
    pub page: String,
    /// What the page of a managed link says.
    pub landing: Words,
}

/// A file that pages load.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The last segment of its path.
    pub name: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// What is in it.
    pub content: Bytes,
}

impl Site {
    /// A site in one language. The style, in CSS, stands in each page.
    pub fn new(language: Language, style: impl Into<String>) -> Self {
        Self {
            languages: vec![language],
            style: style.into(),
            assets: Vec::new(),
        }
    }

    /// The site in another language too. The first is for those who ask for none of them.
    #[must_use]
    pub fn with_language(mut self, language: Language) -> Self {
        self.languages.push(language);
        self
    }

    /// The site with another asset. The pages of links use `landing.js` and `mark.svg`, where these are there.
    #[must_use]
    pub fn with_asset(mut self, asset: Asset) -> Self {
        self.assets.push(asset);
        self
    }

    /// One name for all assets as they are: with any other content they have another.
    fn version(&self) -> String {
        let mut hash = Sha256::new();
        for asset in &self.assets {
            for part in [asset.name.as_bytes(), &asset.content] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hex(&hash.finalize())
    }
}

/// A site that is ready to be served.
pub(crate) struct Served {
    /// As the site has them, each with its page.
    languages: Vec<(Language, Representation)>,
    style: String,
    assets: HashMap<String, Representation>,
    /// The path of the assets' folder, and its last segment.
    folder: String,
    version: String,
    root: String,
    policy: HeaderValue,
}

/// Bytes as they are sent, compressed once.
struct Representation {
    content_type: &'static str,
    plain: Bytes,
    /// Where that is shorter.
    gzip: Option<Bytes>,
    hash: String,
}

impl Served {
    pub(crate) fn new(site: Site, at: &PublicUrl, settings: &Settings, accepts: &str) -> Self {
        let version = site.version();
        let root = at.path().to_owned();
        let folder = format!("{root}/assets/{version}");
        let audience = match &settings.audience {
            audience if *audience == Audience::everybody() => "everybody",
            audience if *audience == Audience::nobody() => "nobody",
            _ => "chosen",
        };
        let filled = |page: &str| {
            [
                ("{root}", root.as_str()),
                ("{assets}", &folder),
                ("{accept}", accepts),
                ("{max-upload}", &settings.max_upload.to_string()),
                ("{audience}", audience),
                (
                    "{removal-grace}",
                    &settings.removal_grace.as_secs().to_string(),
                ),
            ]
            .into_iter()
            .fold(page.to_owned(), |page, (name, value)| {
                page.replace(name, &Escaped(value).to_string())
            })
            .replace("{style}", &site.style)
        };
        let languages = site.languages.into_iter().map(|language| {
            let page = Bytes::from(filled(&language.page));
            let page = Representation::new("text/html; charset=utf-8", page);
            (language, page)
        });
        let languages = languages.collect();
        let assets = site.assets.into_iter().map(|asset| {
            let content = Representation::new(asset.content_type, asset.content);
            (asset.name, content)
        });
        let assets = assets.collect();
        let digest = STANDARD.encode(Sha256::digest(&site.style));
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'sha256-{digest}'; connect-src 'self'; \
             img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        Self {
            languages,
            style: site.style,
            assets,
            folder,
            version,
            root,
            policy: HeaderValue::try_from(policy).expect("a digest in base64 is visible ASCII"),
        }
    }

    /// `GET /`.
    pub(crate) fn page(&self, headers: &HeaderMap, query: &str) -> Response<Body> {
        let (_, page) = &self.languages[self.language(headers, query)];
        let mut response = page.response(headers);
        let fields = response.headers_mut();
        for (name, value) in [
            // Asked about each time, and sent only when it is another.
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "Accept-Encoding, Accept-Language, Cookie"),
            (header::REFERRER_POLICY, "no-referrer"),
            (OPENER_POLICY, "same-origin"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
        fields.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }

    /// `GET /assets/{version}/{asset}`, where there is such an asset.
    pub(crate) fn asset(
        &self,
        headers: &HeaderMap,
        version: &str,
        name: &str,
    ) -> Option<Response<Body>> {
        let asset = self.assets.get(name).filter(|_| version == self.version)?;
        let mut response = asset.response(headers);
        let fields = response.headers_mut();
        for (name, value) in [
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (header::VARY, "Accept-Encoding"),
            // An image can be a document of its own.
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ),
            (RESOURCE_POLICY, "same-origin"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }

    /// How the page of a link looks for who asks so.
    pub(crate) fn dress(&self, headers: &HeaderMap, query: &str) -> Dress<'_> {
        let chosen = self.language(headers, query);
        let (language, _) = &self.languages[chosen];
        let others = self.languages.iter().enumerate();
        let others = others.filter(|(at, _)| *at != chosen);
        let asset = |name: &str| {
            let there = self.assets.contains_key(name);
            there.then(|| format!("{}/{name}", self.folder))
        };
        Dress {
            words: &language.landing,
            tag: &language.tag,
            others: others
                .map(|(_, (other, _))| (other.tag.as_str(), other.name.as_str()))
                .collect(),
            style: Some((&self.style, &self.policy)),
            mark: asset(MARK),
            script: asset(LANDING_SCRIPT),
            home: Some(format!("{}/", self.root)),
        }
    }

    /// Which language to answer in: the one that the address asks for, that was chosen before, that the
    /// browser likes best, or the first.
    fn language(&self, headers: &HeaderMap, query: &str) -> usize {
        let known = |tag: &str| {
            // `de-AT` is served with `de` (RFC 4647, section 3.4).
            let tag = tag.split('-').next().unwrap_or_default().trim();
            let mut languages = self.languages.iter();
            languages.position(|(language, _)| language.tag.eq_ignore_ascii_case(tag))
        };
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
        let chosen = texts(headers, header::COOKIE).flat_map(|line| line.split(';'));
        let chosen = chosen.filter_map(|cookie| cookie.trim().split_once('='));
        let mut chosen = chosen.filter(|(name, _)| *name == LANGUAGE_COOKIE);
        asked
            .and_then(known)
            .or_else(|| chosen.find_map(|(_, tag)| known(tag)))
            .or_else(|| {
                let liked = members(headers, header::ACCEPT_LANGUAGE);
                let mut liked: Vec<_> = liked
                    .filter_map(|(tag, weight)| Some((known(tag)?, weight)))
                    .filter(|(_, weight)| *weight > 0)
                    .collect();
                // Stable: the first of those that are liked as well.
                liked.sort_by_key(|(_, weight)| Reverse(*weight));
                liked.first().map(|(language, _)| *language)
            })
            .unwrap_or(0)
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

impl Representation {
    fn new(content_type: &'static str, plain: Bytes) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish());
        let gzip = gzip.expect("memory can be written to");
        Self {
            content_type,
            gzip: (gzip.len() < plain.len()).then(|| gzip.into()),
            hash: hex(&Sha256::digest(&plain)),
            plain,
        }
    }

    /// In the coding that the client takes; 304 without the bytes where it has them.
    fn response(&self, headers: &HeaderMap) -> Response<Body> {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(headers));
        // Other bytes, so another tag (RFC 9110, section 8.8.3.3).
        let etag = match gzip {
            Some(_) => format!("\"{}-gzip\"", self.hash),
            None => format!("\"{}\"", self.hash),
        };
        let has_it = conditional::has(headers, &etag);
        let mut response = Response::new(Body::empty());
        let fields = response.headers_mut();
        let etag = HeaderValue::try_from(etag).expect("hexadecimal is visible ASCII");
        fields.insert(header::ETAG, etag);
        fields.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if has_it {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let content_type = HeaderValue::from_static(self.content_type);
        fields.insert(header::CONTENT_TYPE, content_type);
        if gzip.is_some() {
            fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let bytes = gzip.unwrap_or(&self.plain);
        fields.insert(header::CONTENT_LENGTH, bytes.len().into());
        *response.body_mut() = Body::full(bytes.clone());
        response
    }
}

/// Whether the client says that it takes gzip (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let weight = |coding: &str| {
        let mut members = members(headers, header::ACCEPT_ENCODING);
        let found = members.find(|(name, _)| name.eq_ignore_ascii_case(coding));
        found.map(|(_, weight)| weight)
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(0) > 0
}

/// The members of a list with weights, in thousandths (RFC 9110, section 12.4.2).
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, u16)> {
    let members = texts(headers, name).flat_map(|line| line.split(','));
    members.map(|member| {
        let (value, parameters) = member.split_once(';').unwrap_or((member, ""));
        let weight = parameters.trim().strip_prefix("q=");
        let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
        let weight = weight.unwrap_or(0.0).clamp(0.0, 1.0);
        (value.trim(), (weight * 1000.0) as u16)
    })
}

fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    lines.filter_map(|line| line.to_str().ok())
}

/// The first 20 digits, which are enough to tell contents apart.
fn hex(digest: &[u8]) -> String {
    let digits = digest.iter().take(10);
    digits.map(|byte| format!("{byte:02x}")).collect()
}
