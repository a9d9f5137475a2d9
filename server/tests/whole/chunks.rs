//! A body is the same file however it comes in pieces.

use std::sync::Arc;

use bytes::Bytes;
use consign_core::{
    Actor, Consign, Parts, Settings,
    file::{FileName, Sha256},
    memory::MemoryBlobs,
    store::BodyError,
    testing::sample_bytes,
    user::Role,
};
use consign_http::{Api, testing::Form};
use futures_util::{TryStreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::{prelude::*, sample::Index};
use sha2::Digest;

use crate::support::{Answer, Place, actor, add_user, api, get, log_in, times, upload};

/// The sizes at which something begins or ends: the head that is looked at, a chunk that is hashed on
/// a thread of its own, a window of the intake, a chunk that is stored at once.
const EDGES: [usize; 5] = [8 << 10, 32 << 10, 64 << 10, 256 << 10, 512 << 10];

fn size() -> impl Strategy<Value = usize> {
    let edge = (prop::sample::select(EDGES.as_slice()), 0..5_usize);
    prop_oneof![
        1 => 0..4_usize,
        3 => edge.prop_map(|(edge, off)| edge + off - 2),
        1 => 0..700_000_usize,
    ]
}

/// How a body is cut: at some places (twice at one is an empty piece), and into single bytes from
/// some place on.
#[derive(Clone, Debug)]
struct Cuts {
    at: Vec<Index>,
    single_from: Index,
    singles: usize,
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let at = prop::collection::vec(any::<Index>(), 0..12).prop_map(|mut at| {
        if let Some(&again) = at.first() {
            at.push(again);
        }
        at
    });
    (at, any::<Index>(), 0..200_usize).prop_map(|(at, single_from, singles)| Cuts {
        at,
        single_from,
        singles,
    })
}

impl Cuts {
    fn pieces(&self, body: &Bytes) -> Vec<Bytes> {
        let len = body.len();
        let mut ends: Vec<usize> = self.at.iter().map(|at| at.index(len + 1)).collect();
        let from = self.single_from.index(len + 1);
        ends.extend((from..=len).take(self.singles));
        ends.push(len);
        ends.sort_unstable();
        let mut from = 0;
        let piece = |end| body.slice(std::mem::replace(&mut from, end)..end);
        ends.into_iter().map(piece).collect()
    }
}

#[test]
fn any_pieces_of_a_body_are_one_file() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = times("CONSIGN_CHUNKINGS", 48);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rooms = runtime.block_on(async {
        let on_disk = Place::quick();
        let in_memory = Place::quick();
        let blobs = Arc::new(MemoryBlobs::new());
        let parts = Parts {
            blobs,
            ..in_memory.parts.clone()
        };
        [
            Room::new(on_disk.service(), on_disk).await,
            Room::new(Consign::new(parts, Settings::default()), in_memory).await,
        ]
    });
    let ranges = prop::collection::vec((any::<Index>(), any::<Index>()), 1..5);
    proptest!(config, |(seed: u64, size in size(), cuts in cuts(), ranges in ranges)| {
        let content = sample_bytes(seed, size);
        let ranges: Vec<_> = ranges
            .into_iter()
            .map(|(one, other)| {
                let (one, other) = (one.index(size + 2), other.index(size + 2));
                one.min(other)..one.max(other)
            })
            .collect();
        for room in &rooms {
            runtime.block_on(room.by_the_service(&content, &cuts, &ranges))?;
            runtime.block_on(room.by_http(&content, &cuts, &ranges))?;
        }
    });
    println!("{cases} bodies, each stored by the service and over HTTP, on a disk and in memory");
}

/// A service and its API.
struct Room {
    consign: Consign,
    api: Api,
    olga: Actor,
    carl: Actor,
    token: String,
    _place: Place,
}

impl Room {
    async fn new(consign: Consign, place: Place) -> Self {
        add_user(&consign, "olga", Role::Operations).await;
        add_user(&consign, "carl", Role::Client).await;
        Self {
            api: api(&consign),
            olga: actor(&consign, "olga").await,
            carl: actor(&consign, "carl").await,
            token: log_in(&consign, "olga").await,
            consign,
            _place: place,
        }
    }

    async fn by_the_service(
        &self,
        content: &Bytes,
        cuts: &Cuts,
        ranges: &[std::ops::Range<usize>],
    ) -> Result<(), TestCaseError> {
        let pieces = cuts.pieces(content).into_iter().map(Ok::<_, BodyError>);
        let permit = self.consign.permit_upload(&self.olga).unwrap();
        let name = FileName::parse("a.docx").unwrap();
        let uploaded = self.consign.upload(permit, name, stream::iter(pieces));
        let entry = uploaded.await.unwrap().entry;
        prop_assert_eq!(entry.size, content.len() as u64);
        prop_assert_eq!(entry.sha256, Sha256(sha2::Sha256::digest(content).into()));
        let link = self.consign.link(&self.carl, &entry.id.to_string()).await;
        let file = self.consign.open(&link.unwrap().token).await.unwrap();
        let whole = 0..content.len();
        for range in ranges.iter().chain([&whole]) {
            let stream = file.read(range.start as u64..range.end as u64).await;
            let read: Vec<Bytes> = stream.unwrap().try_collect().await.unwrap();
            let end = range.end.min(content.len());
            let expected = &content[range.start.min(end)..end];
            prop_assert!(read.concat() == expected, "{:?}", range);
        }
        self.consign.delete(&self.olga, entry.id).await.unwrap();
        Ok(())
    }

    async fn by_http(
        &self,
        content: &Bytes,
        cuts: &Cuts,
        ranges: &[std::ops::Range<usize>],
    ) -> Result<(), TestCaseError> {
        let body = Bytes::from(Form::of_file("a.docx", content).finish().1);
        let frames = cuts.pieces(&body).into_iter();
        let frames = frames.map(|piece| Ok::<_, std::io::Error>(Frame::data(piece)));
        let request = upload(&self.token, StreamBody::new(stream::iter(frames)));
        let answer = Answer::of(self.api.handle(request).await).await;
        prop_assert_eq!(answer.status, 200, "{:?}", answer);
        let file = &answer.json()["file"];
        let digest: [u8; 32] = sha2::Sha256::digest(content).into();
        prop_assert_eq!(&file["size"], content.len());
        prop_assert_eq!(file["sha256"].as_str().unwrap(), Sha256(digest).to_string());
        let id = file["id"].as_str().unwrap();
        let link = self.consign.link(&self.carl, id).await.unwrap();
        let target = format!("/download_file/{}", link.token);
        let whole = Answer::of(self.api.handle(get(&target, "")).await).await;
        prop_assert!((whole.status, &whole.body) == (200, content));
        for range in ranges {
            // As HTTP has them: the last byte is in it, and a range of none cannot be asked for.
            if range.is_empty() || range.start >= content.len() {
                continue;
            }
            let mut request = get(&target, "");
            let asked = format!("bytes={}-{}", range.start, range.end - 1);
            let headers = request.headers_mut();
            headers.insert(http::header::RANGE, asked.parse().unwrap());
            let part = Answer::of(self.api.handle(request).await).await;
            prop_assert_eq!(part.status, 206, "{:?}", part.headers);
            prop_assert!(part.body == content[range.start..range.end.min(content.len())]);
        }
        self.consign
            .delete(&self.olga, link.file.entry.id)
            .await
            .unwrap();
        Ok(())
    }
}
