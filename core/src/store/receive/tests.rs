use std::io::Cursor;

use futures_util::{TryStreamExt, stream};
use proptest::prelude::*;
use sha2::{Digest, Sha256 as Sha256Hasher};

use super::*;
use crate::{memory::MemoryBlobs, store::ReadGrant};

const HEAD: usize = 8 * 1024;

#[derive(Clone, Debug)]
enum Op {
    Read(usize),
    Seek(SeekFrom),
    ToEnd,
}

/// Edges of the content, of the window that is fetched at once, and of what there is no room for.
fn op() -> impl Strategy<Value = Op> {
    let near = prop_oneof![
        -3..3_i64,
        -70_000..70_000_i64,
        Just(StagedContent::WINDOW as i64),
        Just(i64::MIN),
        Just(i64::MAX),
    ];
    let start = prop_oneof![
        0..200_000_u64,
        65_530..65_545_u64,
        Just(u64::MAX),
        Just(u64::MAX - 1)
    ];
    prop_oneof![
        3 => prop_oneof![0..10_usize, Just(StagedContent::WINDOW), 60_000..140_000_usize].prop_map(Op::Read),
        1 => start.prop_map(|to| Op::Seek(SeekFrom::Start(to))),
        1 => near.clone().prop_map(|by| Op::Seek(SeekFrom::Current(by))),
        1 => near.prop_map(|by| Op::Seek(SeekFrom::End(by))),
        1 => Just(Op::ToEnd),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What an intake reads and where it stands is what it would be with the bytes in memory; only
    /// that a read may give less at once.
    #[test]
    fn staged_content_reads_and_seeks_like_a_cursor(
        size in prop_oneof![0..10_usize, 65_530..65_545_usize, 100_000..200_000_usize],
        ops in prop::collection::vec(op(), 0..20),
    ) {
        let bytes = sample(size);
        let expected = bytes.clone();
        let outcome = block_on(async move {
            let received = received(&blobs(), vec![bytes]).await.unwrap();
            let (_, outcome) = received.inspect(move |content| compare(content, &expected, ops)).await.unwrap();
            outcome
        });
        outcome?;
    }

    /// It is called once, with the first bytes or with all there are, however they come.
    #[test]
    fn the_head_is_checked_once_and_is_the_first_bytes(
        chunks in prop::collection::vec(prop_oneof![0..10_usize, 0..HEAD * 2, 200_000..300_000_usize], 0..4),
        head_len in prop_oneof![Just(0), Just(1), Just(HEAD)],
    ) {
        let whole = sample(chunks.iter().sum());
        let mut rest = whole.clone();
        let chunks: Vec<Bytes> = chunks.into_iter().map(|len| rest.split_to(len)).collect();
        let mut heads = Vec::new();
        let received = block_on(async {
            let body = stream::iter(chunks.into_iter().map(Ok));
            let record = |head: &[u8]| {
                heads.push(head.to_vec());
                Ok(())
            };
            let received = receive(&blobs(), &Held::default(), body, u64::MAX, &mut Unbounded, head_len, record).await.unwrap();
            (received.size(), received.sha256(), received.crc32())
        });
        prop_assert_eq!(heads, [&whole[..head_len.min(whole.len())]]);
        let sha256 = Sha256(Sha256Hasher::digest(&whole).into());
        prop_assert_eq!(received, (whole.len() as u64, sha256, crc32fast::hash(&whole)));
    }
}

fn compare(
    content: &mut StagedContent,
    expected: &[u8],
    ops: Vec<Op>,
) -> Result<(), TestCaseError> {
    let mut cursor = Cursor::new(expected);
    for op in ops {
        match op {
            Op::Read(len) => {
                let (mut got, mut want) = (vec![0; len], vec![0; len]);
                let read = content.read(&mut got).unwrap();
                prop_assert_eq!(
                    read == 0,
                    cursor.read(&mut want[..read.max(1).min(len)]).unwrap() == 0
                );
                prop_assert!(got[..read] == want[..read]);
            }
            Op::Seek(to) => match (content.seek(to), cursor.seek(to)) {
                (Ok(got), Ok(want)) => prop_assert_eq!(got, want),
                (Err(got), Err(want)) => prop_assert_eq!(got.kind(), want.kind()),
                (got, want) => prop_assert!(false, "{got:?} for {want:?}"),
            },
            Op::ToEnd => {
                let (mut got, mut want) = (Vec::new(), Vec::new());
                content.read_to_end(&mut got).unwrap();
                cursor.read_to_end(&mut want).unwrap();
                prop_assert!(got == want);
            }
        }
        prop_assert_eq!(
            content.stream_position().unwrap(),
            cursor.stream_position().unwrap()
        );
    }
    Ok(())
}

#[test]
fn a_stage_that_cannot_be_read_is_an_error_and_no_end() {
    let kind = block_on(async {
        let store = blobs();
        // More than is kept in memory.
        let received = received(&store, vec![sample(300_000)]).await.unwrap();
        let Content::Staged(staged) = &received.content else {
            panic!("{received:?}");
        };
        store.abort(staged.stage.id()).await.unwrap();
        let read = move |content: &mut StagedContent| content.read(&mut [0; 4]).unwrap_err();
        received.inspect(read).await.unwrap().1
    });
    assert!(
        kind.get_ref().is_some_and(|cause| cause.is::<StoreError>()),
        "{kind:?}"
    );
}

#[test]
fn what_is_received_and_dropped_is_gone() {
    block_on(async {
        let store = blobs();
        let one = received(&store, vec![sample(300_010)]).await.unwrap();
        let other = received(&store, vec![sample(300_020)]).await.unwrap();
        assert_eq!(stages(&store).await, 2);
        drop(one);
        while Arc::strong_count(&store) > 2 {
            task::yield_now().await;
        }
        assert_eq!(stages(&store).await, 1);
        other.publish(BlobKey::from_bytes([1; 16])).await.unwrap();
        while Arc::strong_count(&store) > 1 {
            task::yield_now().await;
        }
        assert_eq!(stages(&store).await, 0);
        assert_eq!(
            store.keys(None, 9).await.unwrap().items[0].size,
            300_020,
            "what is published stays"
        );
    });
}

#[test]
fn a_body_of_one_chunk_is_not_staged() {
    block_on(async {
        let store = blobs();
        for (size, staged) in [(0, 0), (10, 0), (262_144, 0), (262_145, 1), (600_000, 1)] {
            let bytes = sample(size);
            let received = received(&store, vec![bytes.clone()]).await.unwrap();
            assert_eq!(stages(&store).await, staged, "{size}");
            assert_eq!(received.size(), size as u64);
            assert_eq!(received.stored(), staged as u64 * size as u64);
            let key = BlobKey::from_bytes([1; 16]);
            received.publish(key).await.unwrap();
            assert_eq!(stages(&store).await, 0);
            let grant = ReadGrant::for_testing(key);
            let read = store.open(&grant, 0..size as u64).await.unwrap();
            let parts: Vec<Bytes> = read.try_collect().await.unwrap();
            assert!(parts.concat() == bytes);
            store.delete(key).await.unwrap();
        }
    });
}

#[test]
fn the_crc_is_the_one_that_zip_has() {
    let digits = b"123456789";
    block_on(async {
        for (times, staged, crc32) in [
            (0, 0, 0),
            (1, 0, 0xCBF4_3926), // the check value of CRC-32/ISO-HDLC
            (20_000, 0, 0x5EDB_FDCB),
            (100_000, 1, 0x4085_AA0E),
        ] {
            let store = blobs();
            let chunks = vec![Bytes::from_static(digits); times];
            let received = received(&store, chunks).await.unwrap();
            assert_eq!(stages(&store).await, staged, "{times}");
            assert_eq!(received.crc32(), crc32, "{times}");
        }
    });
}

#[test]
fn a_key_that_is_taken_keeps_its_blob() {
    block_on(async {
        let (store, key) = (blobs(), BlobKey::from_bytes([1; 16]));
        received(&store, vec![sample(10)])
            .await
            .unwrap()
            .publish(key)
            .await
            .unwrap();
        for size in [20, 300_000] {
            let again = received(&store, vec![sample(size)])
                .await
                .unwrap()
                .publish(key)
                .await;
            assert!(matches!(again, Err(StoreError::Exists)));
            while Arc::strong_count(&store) > 1 {
                task::yield_now().await;
            }
            assert_eq!(stages(&store).await, 0);
            assert_eq!(store.keys(None, 9).await.unwrap().items[0].size, 10);
        }
    });
}

fn blobs() -> Arc<dyn BlobStore> {
    Arc::new(MemoryBlobs::new())
}

async fn stages(store: &Arc<dyn BlobStore>) -> usize {
    store.stages(None, 9).await.unwrap().items.len()
}

async fn received(store: &Arc<dyn BlobStore>, chunks: Vec<Bytes>) -> Result<Received, Error> {
    let body = stream::iter(chunks.into_iter().map(Ok));
    receive(
        store,
        &Held::default(),
        body,
        u64::MAX,
        &mut Unbounded,
        HEAD,
        |_| Ok(()),
    )
    .await
}

fn sample(size: usize) -> Bytes {
    (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
