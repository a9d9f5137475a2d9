//! The 5-byte hello world of warp: what an answer costs at least.

use warp::Filter;

use crate::BoxError;

/// Serves until it is killed, with as many workers as `TOKIO_WORKER_THREADS` says.
pub(crate) async fn serve() -> Result<(), BoxError> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let hello = warp::any().map(|| "hello");
    warp::serve(hello).incoming(listener).run().await;
    Ok(())
}
