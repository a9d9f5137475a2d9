//! axum keeps the contract of a front end, and the API keeps its place among a host's own routes.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::net::SocketAddr;

use axum::{Router, body::Bytes, routing};
use consign_http::{
    Api,
    testing::{self, AbortOnDrop, Answer, Connection, Request, Setup, Target, hand_over},
};
use consign_http_axum::{router, server};
use tokio::net::TcpListener;

testing::front_end_suite!(start);

async fn start(setup: Setup) -> Target {
    serve("", setup, server).await
}

/// Serves the router that `mount` makes of an API reached under `prefix`.
async fn serve(prefix: &str, setup: Setup, mount: impl FnOnce(Api) -> Router) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = mount(testing::api(&setup, &format!("http://{address}{prefix}")));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    Target::new(address, AbortOnDrop(server))
}

/// An answer that is the host's, of which nothing is known.
async fn host(address: SocketAddr, request: Request) -> Answer {
    let mut connection = Connection::open(address).await;
    let request = request.header("Connection", "close");
    connection.send(request.bytes(address)).await;
    connection.next(&request.method).await.unwrap()
}

async fn ours(address: SocketAddr, request: Request) -> Answer {
    Connection::open(address).await.exchange(&request).await
}

#[tokio::test]
async fn a_host_has_routes_of_its_own_beside() {
    let target = serve("", Setup::default(), |api| {
        Router::new()
            .route("/", routing::get(|| async { "our page" }))
            .merge(router(api.without_index()))
            .route("/about", routing::get(|| async { "our shop" }))
            .route("/echo", routing::post(|body: Bytes| async { body }))
            .fallback(|| async { "our fallback" })
    })
    .await;
    let address = target.address;
    assert_eq!(host(address, Request::get("/about")).await.body, "our shop");
    assert_eq!(host(address, Request::get("/")).await.body, "our page");
    assert_eq!(
        host(address, Request::get("/nowhere")).await.body,
        "our fallback"
    );
    let body: Vec<u8> = (0..1 << 20).map(|at| at as u8).collect();
    for request in [
        Request::post("/echo").body(body.clone()),
        Request::post("/echo").chunked(&body, 10_000),
    ] {
        assert!(
            host(address, request).await.body == body,
            "the body is the host's, untouched"
        );
    }
    // A path of ours stays ours whatever is wrong with the request.
    ours(address, Request::get("/upload")).await.has_status(405);
    ours(address, Request::post("/upload"))
        .await
        .has_status(401);
    ours(address, Request::get("/healthz"))
        .await
        .has_status(200);
    hand_over(address, "").await;
}

#[tokio::test]
async fn the_api_goes_under_a_prefix() {
    let target = serve("/shop/files", Setup::default(), |api| {
        Router::new()
            .route("/files", routing::get(|| async { "the host's files" }))
            .nest("/shop/files", router(api))
    })
    .await;
    let address = target.address;
    assert_eq!(
        host(address, Request::get("/files")).await.body,
        "the host's files"
    );
    for path in [
        "/healthz",
        "/shop/healthz",
        "/shop",
        "/",
        "/shop/files/nowhere",
        "/shop/filesx",
    ] {
        let answer = host(address, Request::get(path)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_ne!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
    }
    for path in ["/shop/files", "/shop/files/healthz"] {
        ours(address, Request::get(path)).await.has_status(200);
    }
    ours(address, Request::get("/shop/files/files?limit=0"))
        .await
        .has_status(401);
    hand_over(address, "/shop/files").await;
}

#[tokio::test]
async fn a_router_with_state_takes_it_too() {
    let target = serve("", Setup::default(), |api| {
        let name =
            |axum::extract::State(name): axum::extract::State<&'static str>| async move { name };
        Router::new()
            .route("/name", routing::get(name))
            .merge(router(api))
            .with_state("our shop")
    })
    .await;
    assert_eq!(
        host(target.address, Request::get("/name")).await.body,
        "our shop"
    );
    ours(target.address, Request::get("/healthz"))
        .await
        .has_status(200);
}
