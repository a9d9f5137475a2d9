//! Mounts the HTTP API of Consign under warp.
//!
//! [`routes`] is a filter like any other: other filters go beside it with `or`, a prefix before it
//! with `and`. It takes only the API's own paths; every other request falls through, its body
//! untouched. With a prefix, the [`PublicUrl`](consign_http::PublicUrl) of the API ends with it.
//!
//! ```
//! use warp::Filter;
//!
//! # fn mount(api: consign_http::Api) {
//! let own = warp::path!("about").map(|| "our shop");
//! let routes = own.or(warp::path("files").and(consign_http_warp::routes(api)));
//! # drop(warp::service(routes));
//! # }
//! ```

use bytes::Buf;
use consign_http::{Api, BoxError, ClientAddress};
use futures_util::{Stream, TryStreamExt};
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use warp::{
    Filter, Rejection, Reply, filters::BoxedFilter, path::Tail, reject,
    reply::Response as WarpResponse,
};

/// The paths of the API. What is none of them is rejected as not found.
pub fn routes(api: Api) -> BoxedFilter<(WarpResponse,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    not_connect()
        .and(target(api))
        .and(warp::method())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .then(|api, path, method, query, headers, client, body| {
            // Boxed, because the filters around it move it about.
            Box::pin(answer(api, path, method, query, headers, client, body))
        })
        .boxed()
}

/// All paths: the API's, and 404 in the API's own words at every other.
pub fn server(api: Api) -> BoxedFilter<(WarpResponse,)> {
    let not_found = warp::method()
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(warp::any().map({
            let api = api.clone();
            move || api.clone()
        }))
        .then(unknown);
    routes(api).or(not_found).unify().boxed()
}

/// The target of CONNECT is no path (RFC 9112, section 3.2.3), and so none of the API's.
fn not_connect() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::method()
        .and_then(|method: Method| async move {
            if method == Method::CONNECT {
                Err(reject::not_found())
            } else {
                Ok(())
            }
        })
        .untuple_one()
}

/// The API and the rest of the path, if the API answers there.
fn target(api: Api) -> impl Filter<Extract = (Api, String), Error = Rejection> + Clone {
    // Where nothing is left there is nothing to take; there may not even be a path, if the target is
    // that of CONNECT under another method, and then warp's tail panics.
    let end = warp::path::end().map(|| "/".to_owned());
    let tail = warp::path::tail().map(|tail: Tail| format!("/{}", tail.as_str()));
    end.or(tail)
        .unify()
        .and_then(move |path: String| {
            let found = api.answers(&path).then(|| (api.clone(), path));
            async move { found.ok_or_else(reject::not_found) }
        })
        .untuple_one()
}

async fn answer<S, B>(
    api: Api,
    path: String,
    method: Method,
    query: String,
    headers: HeaderMap,
    client: Option<ClientAddress>,
    body: S,
) -> WarpResponse
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf + Send + 'static,
{
    let mut request = Request::new(StreamBody::new(
        body.map_ok(Frame::data).map_err(BoxError::from),
    ));
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    if let Some(client) = client {
        request.extensions_mut().insert(client);
    }
    reply(api.handle_at(&path, Some(&query), request).await)
}

/// `*` is no path of the API.
async fn unknown<S, B>(method: Method, headers: HeaderMap, body: S, api: Api) -> WarpResponse
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf + Send + 'static,
{
    let (path, query) = ("*".to_owned(), String::new());
    Box::pin(answer(api, path, method, query, headers, None, body)).await
}

fn reply(response: Response<consign_http::Body>) -> WarpResponse {
    let (head, body) = response.into_parts();
    let mut reply = match body.into_full() {
        Ok(bytes) => WarpResponse::new(bytes.into()),
        Err(stream) => warp::reply::stream(stream).into_response(),
    };
    *reply.status_mut() = head.status;
    *reply.headers_mut() = head.headers;
    reply
}
