//! The whole REST service: warp in front, redb and files behind.
//!
//! `cargo run -p consign-examples --bin rest_service -- FOLDER`

use std::{env, error::Error, fs, path::PathBuf, sync::Arc, time::Duration};

use consign_core::{
    Consign, Parts, Settings,
    evidence::Ed25519Signer,
    token::{JwtSigner, KeySource},
};
use consign_http::Api;
use consign_storage_fs::{FsBlobs, FsEvidenceKeys, FsKeys};
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
    // What receipts and checkpoints are signed with.
    let evidence = FsEvidenceKeys::new(folder.join("evidence-key.json"))
        .load()
        .await?;
    let parts = Parts {
        evidence: Some(Arc::new(Ed25519Signer::new(&evidence))),
        ..Parts::new(store.clone(), store, blobs, signer)
    };
    let consign = Consign::new(parts, settings()?);

    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:5000".into());
    let listener = TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = consign_http_warp::server(Api::new(consign, url.parse()?));

    println!("listening on {url}");
    // warp's server has no timeouts: in front of strangers, put a proxy that has.
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
}

/// What is not set in the environment stays as usual.
fn settings() -> Result<Settings, Box<dyn Error>> {
    let mut settings = Settings::default();
    if let Ok(bytes) = env::var("MAX_UPLOAD") {
        settings.max_upload = bytes.parse()?;
    }
    if let Ok(seconds) = env::var("LINK_SECONDS") {
        settings.link_lifetime = Duration::from_secs(seconds.parse()?);
    }
    if let Ok(who) = env::var("OPERATIONS") {
        settings.operations_registration = who.parse()?;
    }
    if let Ok(who) = env::var("CLIENTS") {
        settings.client_registration = who.parse()?;
    }
    Ok(settings)
}
