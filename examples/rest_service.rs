//! The whole REST service: warp in front, redb and files behind.
//!
//! `cargo run -p consign-examples --bin rest_service -- FOLDER`

use std::{env, error::Error, fs, path::PathBuf};

use consign_core::{
    Consign, Parts, Settings,
    token::{JwtSigner, KeySource},
};
use consign_http::Api;
use consign_storage_fs::{FsBlobs, FsKeys};
use consign_storage_redb::RedbStore;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or("rest-service-data".into()));
    fs::create_dir_all(&folder)?;

    // Users and the catalogue in one database, the documents beside it, the keys in a file.
    let store = RedbStore::open(folder.join("consign.redb"), Default::default())?;
    let blobs = FsBlobs::open(folder.join("files"))?;
    let keys = FsKeys::new(folder.join("keys.json")).load().await?;
    let signer = JwtSigner::new(&keys, "rest-service");
    let consign = Consign::new(
        Parts::new(store.clone(), store, blobs, signer),
        Settings::default(),
    );

    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:5000".into());
    let listener = TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = consign_http_warp::server(Api::new(consign, url.parse()?));

    println!("listening on {url}");
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
}
