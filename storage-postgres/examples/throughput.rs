//! Prints how many changes and reads a second there are by 1, 16 and 64 callers, in a schema `throughput` of the database
//! of `CONSIGN_TEST_POSTGRES`, which is dropped after.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use consign_core::{
    audience::{Audience, Scope},
    file::{FileEntry, FileName, MediaType, Sha256},
    id::{BlobKey, FileId, UserId},
    random::OsEntropy,
    store::{Change, FileStore},
    time::Timestamp,
};
use consign_storage_postgres::{Options, PgStore};
use sqlx::{Connection as _, Executor as _};

const LASTS: Duration = Duration::from_secs(3);
const DROP: &str = "DROP SCHEMA IF EXISTS throughput CASCADE";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = env::var("CONSIGN_TEST_POSTGRES")?;
    let mut connection = sqlx::PgConnection::connect(&url).await?;
    connection.execute(DROP).await?;
    let store = PgStore::open(&url, Options::new().schema("throughput")).await?;
    let by = UserId::random(&OsEntropy);
    let last = FileId::random(&OsEntropy);
    store.apply(Change::add(entry(last, by)?)).await?;
    for callers in [1, 16, 64] {
        let commits = store.commits();
        let added = measure(callers, &store, move |store: Arc<PgStore>| async move {
            let entry = entry(FileId::random(&OsEntropy), by)?;
            store.apply(Change::add(entry)).await?;
            Ok(())
        });
        let added = added.await?;
        let commits = store.commits() - commits;
        let read = measure(callers, &store, move |store: Arc<PgStore>| async move {
            FileStore::by_id(&*store, last).await?;
            Ok(())
        });
        let read = read.await?;
        let scope = Scope::of_client(by, []);
        let now = Timestamp::from_secs(1);
        let listed = measure(callers, &store, move |store: Arc<PgStore>| {
            let scope = scope.clone();
            async move {
                FileStore::list(&*store, &scope, now, None, 100).await?;
                Ok(())
            }
        });
        let listed = listed.await?;
        println!(
            "{callers:>3} callers: {added:>6.0} files added/s in {:.0} commits/s, {read:>6.0} point reads/s, \
             {listed:>5.0} pages of 100/s",
            commits as f64 / LASTS.as_secs_f64()
        );
    }
    drop(store);
    connection.execute(DROP).await?;
    Ok(())
}

/// How often a second `work` was done by so many at once.
async fn measure<W, F>(callers: usize, store: &PgStore, work: W) -> Result<f64, Failure>
where
    W: Fn(Arc<PgStore>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send,
{
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (work, store) = (work.clone(), Arc::new(store.clone()));
        tasks.spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < LASTS {
                work(store.clone()).await?;
                done += 1;
            }
            Ok::<_, Failure>(done)
        });
    }
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(f64::from(all) / begun.elapsed().as_secs_f64())
}

fn entry(id: FileId, by: UserId) -> Result<FileEntry, Failure> {
    Ok(FileEntry {
        id,
        blob: BlobKey::random(&OsEntropy),
        name: FileName::from_upload("Q3 report.xlsx")?,
        size: 48_213,
        media_type: MediaType::from_static("application/vnd.ms-excel"),
        sha256: Sha256([0; 32]),
        crc32: Some(1),
        uploaded_at: Timestamp::from_secs(1_700_000_000),
        uploaded_by: by,
        uploader: "ann".into(),
        audience: Audience::everybody(),
        expires_at: None,
        restored_at: None,
    })
}
