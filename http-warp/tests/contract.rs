//! warp keeps the contract of a front end, and the API keeps its place among a host's own routes.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::net::SocketAddr;

use bytes::Bytes;
use consign_http::{
    Api,
    testing::{self, AbortOnDrop, Answer, Connection, Request, Setup, Target, hand_over},
};
use consign_http_warp::{routes, server};
use tokio::net::TcpListener;
use warp::{Filter, Reply};

testing::front_end_suite!(start);

async fn start(setup: Setup) -> Target {
    serve("", setup, server).await
}

/// Serves the filter that `mount` makes of an API reached under `prefix`.
async fn serve<F>(prefix: &str, setup: Setup, mount: impl FnOnce(Api) -> F) -> Target
where
    F: Filter<Error = warp::Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let filter = mount(testing::api(&setup, &format!("http://{address}{prefix}")));
    let server = tokio::spawn(warp::serve(filter).incoming(listener).run());
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
async fn a_host_has_routes_of_its_own_before_and_after() {
    let target = serve("", Setup::default(), |api| {
        let about = warp::path!("about").map(|| "our shop");
        let page = warp::path::end().map(|| "our page");
        let echo = warp::path!("echo")
            .and(warp::post())
            .and(warp::body::bytes())
            .map(|body: Bytes| body.to_vec());
        about.or(routes(api.without_index())).or(page).or(echo)
    })
    .await;
    let address = target.address;
    assert_eq!(host(address, Request::get("/about")).await.body, "our shop");
    assert_eq!(host(address, Request::get("/")).await.body, "our page");
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
    // The host's own 404, not a problem document.
    let answer = host(address, Request::get("/nowhere")).await;
    assert_eq!(answer.status, 404);
    assert_ne!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
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
        let files = warp::path!("files").map(|| "the host's files");
        files.or(warp::path("shop").and(warp::path("files")).and(routes(api)))
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
    for path in ["/shop/files", "/shop/files/", "/shop/files/healthz"] {
        ours(address, Request::get(path)).await.has_status(200);
    }
    ours(address, Request::get("/shop/files/files?limit=0"))
        .await
        .has_status(401);
    hand_over(address, "/shop/files").await;
}

#[tokio::test]
async fn targets_without_a_path_are_answered_without_a_panic() {
    let target = serve("", Setup::default(), |api| {
        let all = warp::any().and_then(|| async { Ok::<_, warp::Rejection>("host") });
        routes(api).or(all)
    })
    .await;
    let mut connection = Connection::open(target.address).await;
    connection
        .send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert_eq!(connection.next("OPTIONS").await.unwrap().body, "host");
    connection
        .send("GET example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    connection.next("GET").await.expect("it is answered");
    connection
        .send("CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert_eq!(connection.next("HEAD").await.unwrap().status, 200);
}
