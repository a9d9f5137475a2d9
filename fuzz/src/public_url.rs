//! Any text as the public URL: links that begin with it lead where it says.

use consign_http::PublicUrl;
use http::Uri;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(url) = text.parse::<PublicUrl>() else {
        return;
    };
    let given: Uri = text.parse().expect("a URL is a URI");
    let shown = url.to_string();
    assert_eq!(shown.parse(), Ok(url), "it is not read as it is written");
    let link = format!("{shown}/download_file/token");
    assert!(
        link.bytes()
            .all(|byte| byte.is_ascii_graphic() || !byte.is_ascii()),
        "{link:?}"
    );
    let link: Uri = link.parse().expect("a link is a URI");
    assert!(matches!(link.scheme_str(), Some("http" | "https")));
    assert_eq!(link.scheme(), given.scheme());
    assert_eq!(link.authority(), given.authority());
    assert!(!link.authority().is_some_and(|a| a.as_str().contains('@')));
    assert_eq!(link.query(), None);
    let prefix = given.path().trim_end_matches('/');
    assert_eq!(link.path(), format!("{prefix}/download_file/token"));
}
