//! Consign inside an axum application that has routes and a state of its own, and that uses the
//! service itself beside its HTTP API.
//!
//! `cargo run -p consign-examples --bin embed_in_axum -- FOLDER`

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Html,
    routing::{get, post},
};
use consign_core::{
    Consign, Parts, Settings,
    token::{JwtSigner, KeySource},
};
use consign_http::Api;
use consign_storage_fs::{FsBlobs, FsKeys};
use consign_storage_redb::RedbStore;
use tokio::net::TcpListener;

const PAGE: &str = "<!doctype html><title>Our shop</title>\
    <p>Our shop. <a href=\"/files\">Documents</a>, <a href=\"/about\">about us</a>.";

/// What the application's own handlers share.
#[derive(Clone)]
struct Shop {
    name: &'static str,
    consign: Consign,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or("embed-in-axum-data".into()));
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:5000".into());
    let listener = TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);

    // The service is a handle: the API holds one clone of it, the handlers below another.
    let consign = consign(&folder).await?;
    // Download links begin with the public URL, so it ends with the prefix of `nest`.
    let api = Api::new(consign.clone(), format!("{url}/files").parse()?);
    let shop = Shop {
        name: "Our shop",
        consign,
    };
    let router = Router::new()
        .route("/", get(Html(PAGE)))
        .route("/about", get(about))
        .route("/order", post(order))
        .nest("/files", consign_http_axum::router(api))
        .with_state(shop);

    println!("listening on {url}");
    // axum's server has no timeouts: in front of strangers, put a proxy that has.
    axum::serve(listener, router).await?;
    Ok(())
}

async fn about(State(shop): State<Shop>) -> Result<String, StatusCode> {
    match count_files(&shop.consign).await {
        Ok(count) => Ok(format!("{}: files to hand over: {count}", shop.name)),
        Err(error) => {
            eprintln!("the files could not be counted: {error:?}");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn order(State(shop): State<Shop>, body: String) -> String {
    format!("{}: {} bytes of an order, thank you", shop.name, body.len())
}

/// Administration asks for nobody's permission, so what it tells has to be fit for everybody.
async fn count_files(consign: &Consign) -> Result<usize, consign_core::Error> {
    let administration = consign.administration();
    let (mut count, mut before) = (0, None);
    loop {
        let page = administration.files(before, 1000).await?;
        count += page.items.len();
        before = page.next;
        if before.is_none() {
            return Ok(count);
        }
    }
}

/// The service, with everything it keeps in one folder.
async fn consign(folder: &Path) -> Result<Consign, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let store = RedbStore::open(folder.join("consign.redb"), Default::default())?;
    let blobs = FsBlobs::open(folder.join("files"))?;
    let keys = FsKeys::new(folder.join("keys.json")).load().await?;
    let signer = JwtSigner::new(&keys, "our-shop");
    let parts = Parts::new(store.clone(), store, blobs, signer);
    Ok(Consign::new(parts, Settings::default()))
}
