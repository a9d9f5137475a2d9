//! Consign inside a warp application that has routes of its own.
//!
//! `cargo run -p consign-examples --bin embed_in_warp -- FOLDER`

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use consign_core::{
    Consign, Parts, Settings,
    token::{JwtSigner, KeySource},
};
use consign_http::Api;
use consign_storage_fs::{FsBlobs, FsKeys};
use consign_storage_redb::RedbStore;
use tokio::net::TcpListener;
use warp::Filter;

const PAGE: &str = "<!doctype html><title>Our shop</title>\
    <p>Our shop. <a href=\"/files\">Documents</a>, <a href=\"/about\">about us</a>.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or("embed-in-warp-data".into()));
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:5000".into());
    let listener = TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);

    // Download links begin with the public URL, so it ends with the prefix of the mount below.
    let api = Api::new(consign(&folder).await?, format!("{url}/files").parse()?);
    let files = warp::path("files").and(consign_http_warp::routes(api));

    let page = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(PAGE));
    let about = warp::path!("about")
        .and(warp::get())
        .map(|| "We hand our documents over with Consign.");
    let order = warp::path!("order")
        .and(warp::post())
        .and(warp::body::content_length_limit(16 * 1024))
        .and(warp::body::bytes())
        .map(|body: Bytes| format!("{} bytes of an order, thank you", body.len()));

    // Where Consign stands among them makes no difference: it takes its own paths only, and leaves
    // the bodies of all others unread. What nobody takes is warp's 404.
    let routes = page.or(files).or(about).or(order);

    println!("listening on {url}");
    // warp's server has no timeouts: in front of strangers, put a proxy that has.
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
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
