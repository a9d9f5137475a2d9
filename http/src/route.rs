//! Which paths there are, and what may be done with them.

use std::str::FromStr;

use http::Method;
use percent_encoding::percent_decode_str;

/// A path of the API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path; each `{…}` stands for one segment that is not empty.
    pub path: &'static str,
    /// What stands before the first of those segments, between them, and after the last.
    fixed: [&'static str; MAX_OPEN + 1],
    /// How many there are.
    open: usize,
    /// The methods it takes.
    pub methods: &'static [Method],
    pub(crate) endpoint: Endpoint,
}

/// Segments that a path leaves open at most.
const MAX_OPEN: usize = 2;

/// What stands in a request for each `{…}` of its route, in order and still percent-encoded; empty where
/// there is none.
pub(crate) type Segments<'p> = [&'p str; MAX_OPEN];

/// All paths of the API.
pub const ROUTES: &[Route] = &[
    Route::new("/", READ, Endpoint::Index),
    Route::new("/robots.txt", READ, Endpoint::Robots),
    Route::new("/openapi.json", READ, Endpoint::Description),
    Route::new("/docs", READ, Endpoint::Docs),
    Route::new("/healthz", READ, Endpoint::Health),
    Route::new("/register", POST, Endpoint::Register),
    Route::new("/login", POST, Endpoint::Login),
    Route::new("/session", SESSION, Endpoint::Session),
    Route::new("/password", POST, Endpoint::Password),
    Route::new("/upload", POST, Endpoint::Upload),
    Route::new("/files", READ, Endpoint::Files),
    Route::new("/files/", READ, Endpoint::Files),
    Route::new("/files/{file}", CHANGE, Endpoint::File),
    Route::new("/files/{file}/downloads", READ, Endpoint::FileDownloads),
    Route::new("/removed-files", READ, Endpoint::RemovedFiles),
    Route::new("/removed-files/{file}", DELETE, Endpoint::RemovedFile),
    Route::new("/removed-files/{file}/restore", POST, Endpoint::RemovedFile),
    Route::new("/generate_download_url/{file}", READ, Endpoint::Link),
    Route::new("/download_file/{token}", READ, Endpoint::Download),
    Route::new("/links", ADD, Endpoint::ManagedLinks),
    Route::new("/links/{link}", CHANGE, Endpoint::ManagedLink),
    Route::new("/links/{link}/downloads", READ, Endpoint::LinkDownloads),
    Route::new("/downloads/{download}/receipt", READ, Endpoint::Receipt),
    Route::new("/audit", READ, Endpoint::Audit),
    Route::new("/evidence-key", READ, Endpoint::EvidenceKey),
    Route::new("/l/{secret}", ADD, Endpoint::OpenLink),
    Route::new("/groups", ADD, Endpoint::Groups),
    Route::new("/groups/{group}", CHANGE, Endpoint::Group),
    Route::new("/groups/{group}/members", ADD, Endpoint::Members),
    Route::new("/groups/{group}/members/{user}", DELETE, Endpoint::Member),
];

/// Paths that are answered beside [`ROUTES`] where the API has a site.
pub const SITE_ROUTES: &[Route] = &[Route::new(
    "/assets/{version}/{asset}",
    READ,
    Endpoint::Asset,
)];

const READ: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];
const DELETE: &[Method] = &[Method::DELETE];
/// Of a list, or what can be opened.
const ADD: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
const SESSION: &[Method] = &[Method::GET, Method::HEAD, Method::POST, Method::DELETE];
/// Of one thing.
const CHANGE: &[Method] = &[Method::GET, Method::HEAD, Method::PATCH, Method::DELETE];

/// What answers at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Index,
    Asset,
    Robots,
    Description,
    Docs,
    Health,
    Register,
    Login,
    Session,
    Password,
    Upload,
    Files,
    File,
    RemovedFiles,
    RemovedFile,
    Link,
    Download,
    ManagedLinks,
    ManagedLink,
    OpenLink,
    Groups,
    Group,
    Members,
    Member,
    FileDownloads,
    LinkDownloads,
    Receipt,
    Audit,
    EvidenceKey,
}

impl Route {
    const fn new(path: &'static str, methods: &'static [Method], endpoint: Endpoint) -> Self {
        let (fixed, open) = parts(path);
        Self {
            path,
            fixed,
            open,
            methods,
            endpoint,
        }
    }

    /// The route of a path as it stands in a request, with what its segments are.
    pub(crate) fn of(path: &str) -> Option<(&'static Self, Segments<'_>)> {
        let routes = ROUTES.iter().chain(SITE_ROUTES);
        routes
            .into_iter()
            .find_map(|route| Some((route, route.matches(path)?)))
    }

    fn matches<'p>(&self, path: &'p str) -> Option<Segments<'p>> {
        let mut segments = Segments::default();
        let mut rest = path.strip_prefix(self.fixed[0])?;
        for (segment, fixed) in segments[..self.open].iter_mut().zip(&self.fixed[1..]) {
            (*segment, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            rest = rest.strip_prefix(fixed).filter(|_| !segment.is_empty())?;
        }
        rest.is_empty().then_some(segments)
    }

    /// The value of `Allow` (RFC 9110, section 10.2.1).
    pub(crate) fn allow(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        methods.join(", ")
    }
}

/// The id that a segment is, if it is one.
pub(crate) fn id_of<T: FromStr>(segment: &str) -> Option<T> {
    let segment = percent_decode_str(segment).decode_utf8().ok()?;
    segment.parse().ok()
}

/// A path without its `{…}`, and how many those are.
const fn parts(path: &'static str) -> ([&'static str; MAX_OPEN + 1], usize) {
    let (mut fixed, mut open) = ([""; MAX_OPEN + 1], 0);
    let (mut rest, mut at) = (path, 0);
    while at < rest.len() {
        match rest.as_bytes()[at] {
            b'{' => {
                fixed[open] = rest.split_at(at).0;
                open += 1;
                at += 1;
            }
            b'}' => {
                rest = rest.split_at(at + 1).1;
                at = 0;
            }
            _ => at += 1,
        }
    }
    fixed[open] = rest;
    (fixed, open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_whole() {
        let endpoint = |path| Route::of(path).map(|(route, segments)| (route.endpoint, segments));
        for (path, expected, segments) in [
            ("/", Endpoint::Index, ["", ""]),
            ("/files", Endpoint::Files, ["", ""]),
            ("/files/", Endpoint::Files, ["", ""]),
            ("/files/x", Endpoint::File, ["x", ""]),
            ("/files/%2F", Endpoint::File, ["%2F", ""]),
            ("/download_file/a.b.c", Endpoint::Download, ["a.b.c", ""]),
            (
                "/generate_download_url/a%2Fb",
                Endpoint::Link,
                ["a%2Fb", ""],
            ),
            ("/files/x/downloads", Endpoint::FileDownloads, ["x", ""]),
            ("/files/downloads", Endpoint::File, ["downloads", ""]),
            ("/removed-files", Endpoint::RemovedFiles, ["", ""]),
            (
                "/removed-files/restore",
                Endpoint::RemovedFile,
                ["restore", ""],
            ),
            ("/removed-files/x/restore", Endpoint::RemovedFile, ["x", ""]),
            ("/links/x/downloads", Endpoint::LinkDownloads, ["x", ""]),
            ("/downloads/7/receipt", Endpoint::Receipt, ["7", ""]),
            ("/assets/x/y.js", Endpoint::Asset, ["x", "y.js"]),
            ("/groups", Endpoint::Groups, ["", ""]),
            ("/groups/members", Endpoint::Group, ["members", ""]),
            ("/groups/x/members", Endpoint::Members, ["x", ""]),
            (
                "/groups/members/members",
                Endpoint::Members,
                ["members", ""],
            ),
            ("/groups/x/members/y%20z", Endpoint::Member, ["x", "y%20z"]),
            (
                "/groups/{group}/members/{user}",
                Endpoint::Member,
                ["{group}", "{user}"],
            ),
        ] {
            assert_eq!(endpoint(path), Some((expected, segments)), "{path:?}");
        }
        for path in [
            "",
            "//",
            "/files//",
            "/files/x/",
            "/files/x/y",
            "/download_file/",
            "/download_file/a/b",
            "/Login",
            "/login/",
            "login",
            "*",
            "/groups/",
            "/groups//",
            "/groups/x/",
            "/groups/x/member",
            "/groups/x/membersy",
            "/groups//members",
            "/groups/x/members/",
            "/groups/x/members//",
            "/groups//members/y",
            "/groups/x/members/y/",
            "/groups/x/members/y/z",
            "/groups/x/y/members",
            "/assets/x",
            "/assets/x/",
            "/assets//y",
            "/assets/x/y/z",
        ] {
            assert_eq!(endpoint(path), None, "{path:?}");
        }
    }

    #[test]
    fn each_path_is_its_own_routes() {
        for route in ROUTES.iter().chain(SITE_ROUTES) {
            let open = route.path.split('/').filter(|part| part.starts_with('{'));
            let open: Vec<_> = open.collect();
            let (found, segments) = Route::of(route.path).expect("it matches itself");
            assert_eq!(found.path, route.path);
            assert_eq!(segments[..open.len()], open, "{}", route.path);
            assert_eq!(route.open, open.len(), "{}", route.path);
        }
    }
}
