//! Which paths there are, and what may be done with them.

use http::Method;

/// A path of the API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path; `{…}` stands for one segment that is not empty.
    pub path: &'static str,
    /// What comes before that segment, if there is one.
    before_segment: Option<&'static str>,
    /// The methods it takes.
    pub methods: &'static [Method],
    pub(crate) endpoint: Endpoint,
}

/// All paths of the API.
pub const ROUTES: &[Route] = &[
    Route::new("/", READ, Endpoint::Index),
    Route::new("/robots.txt", READ, Endpoint::Robots),
    Route::new("/healthz", READ, Endpoint::Health),
    Route::new("/register", POST, Endpoint::Register),
    Route::new("/login", POST, Endpoint::Login),
    Route::new("/upload", POST, Endpoint::Upload),
    Route::new("/files", READ, Endpoint::Files),
    Route::new("/files/", READ, Endpoint::Files),
    Route::new("/generate_download_url/{file}", READ, Endpoint::Link),
    Route::new("/download_file/{token}", READ, Endpoint::Download),
];

const READ: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];

/// What answers at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Index,
    Robots,
    Health,
    Register,
    Login,
    Upload,
    Files,
    Link,
    Download,
}

impl Route {
    const fn new(path: &'static str, methods: &'static [Method], endpoint: Endpoint) -> Self {
        Self {
            path,
            before_segment: before_segment(path),
            methods,
            endpoint,
        }
    }

    /// The route of a path as it stands in a request, with what its `{…}` stands for, still
    /// percent-encoded.
    pub(crate) fn of(path: &str) -> Option<(&'static Self, &str)> {
        ROUTES
            .iter()
            .find_map(|route| Some((route, route.matches(path)?)))
    }

    fn matches<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some(before) = self.before_segment else {
            return (path == self.path).then_some("");
        };
        let segment = path.strip_prefix(before)?;
        (!segment.is_empty() && !segment.contains('/')).then_some(segment)
    }

    /// The value of `Allow` (RFC 9110, section 10.2.1).
    pub(crate) fn allow(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        methods.join(", ")
    }
}

const fn before_segment(path: &str) -> Option<&str> {
    let mut len = 0;
    while len < path.len() {
        if path.as_bytes()[len] == b'{' {
            return Some(path.split_at(len).0);
        }
        len += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_whole() {
        let endpoint = |path| Route::of(path).map(|(route, rest)| (route.endpoint, rest));
        assert_eq!(endpoint("/"), Some((Endpoint::Index, "")));
        assert_eq!(endpoint("/files/"), Some((Endpoint::Files, "")));
        assert_eq!(
            endpoint("/download_file/a.b.c"),
            Some((Endpoint::Download, "a.b.c"))
        );
        assert_eq!(
            endpoint("/generate_download_url/a%2Fb"),
            Some((Endpoint::Link, "a%2Fb"))
        );
        for path in [
            "",
            "//",
            "/files/x",
            "/download_file/",
            "/download_file/a/b",
            "/Login",
            "/login/",
            "login",
            "*",
        ] {
            assert_eq!(endpoint(path), None, "{path:?}");
        }
    }
}
