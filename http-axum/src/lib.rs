//! Mounts the HTTP API of Consign under axum.
//!
//! [`router`] is a router like any other: it can be merged with another, or nested under a prefix,
//! with which the [`PublicUrl`](consign_http::PublicUrl) of the API then ends. It takes only the
//! API's own paths.
//!
//! ```
//! use axum::{Router, routing::get};
//!
//! # fn mount(api: consign_http::Api) -> Router {
//! Router::new()
//!     .route("/about", get(|| async { "our shop" }))
//!     .nest("/files", consign_http_axum::router(api))
//! # }
//! ```

use axum::Router;
use consign_http::{Api, ROUTES, SITE_ROUTES};

/// The paths of the API. What is none of them is the caller's router's to answer.
///
/// Nested under `/files`, its page is at `/files`, not at `/files/`: axum tells them apart.
pub fn router<S>(api: Api) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let paths = ROUTES.iter().chain(SITE_ROUTES).map(|route| route.path);
    paths
        .filter(|path| api.answers(path))
        .fold(Router::new(), |router, path| {
            router.route_service(path, api.clone())
        })
}

/// All paths: the API's, and 404 in the API's own words at every other.
pub fn server(api: Api) -> Router {
    router(api.clone()).fallback_service(api)
}
