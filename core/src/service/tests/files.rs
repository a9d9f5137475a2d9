use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{intake::MEDIA_TYPE, *};
use crate::{error::ErrorKind::*, file, id::FileId, removal::Removal};

#[tokio::test]
async fn an_upload_is_what_was_sent() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    world.clock.advance(Duration::from_millis(1234));
    let file = world
        .upload(&op, "Übersicht – März.docx", b"abc")
        .await
        .unwrap();
    let entry = &file.entry;
    assert_eq!(entry.name.as_str(), "Übersicht – März.docx");
    assert_eq!(entry.size, 3);
    // FIPS 180-2, appendix B.1.
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(entry.sha256.to_string(), digest);
    assert_eq!(entry.media_type.as_str(), MEDIA_TYPE);
    assert_eq!(entry.uploaded_at, START + Duration::from_millis(1234));
    assert_eq!((entry.uploaded_by, &*entry.uploader), (op.user().id, "op"));
    assert_eq!(
        world
            .download(&world.link(&ann, "Übersicht – März.docx").await.token)
            .await
            .unwrap(),
        b"abc"
    );
    assert_eq!(world.kept().await, [0, 1, 1]);
    let added = EventKind::FileAdded {
        file: entry.id,
        name: entry.name.clone(),
        sha256: entry.sha256,
    };
    assert_eq!(
        world.events().await.last(),
        Some(&(Author::User(op.user().id), added))
    );
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    for chunks in [vec![], vec![Bytes::new()], vec![Bytes::new(); 5]] {
        let permit = world.consign.permit_upload(&op).unwrap();
        let body = world.rig.body(chunks);
        let file = world
            .consign
            .upload(permit, file_name("a.docx"), body)
            .await
            .unwrap();
        assert_eq!(file.entry.size, 0);
        assert_eq!(file.entry.sha256, digest(b""));
        assert_eq!(
            world
                .download(&world.link(&ann, "a.docx").await.token)
                .await
                .unwrap(),
            b""
        );
    }
}

/// Were a blob's key made of the name, the content or a count, whoever guesses these would know where
/// bytes lie, and two uploads could want one place.
#[tokio::test]
async fn where_bytes_lie_comes_of_randomness_alone() {
    let place = async |name: &str, content: &[u8]| {
        let world = World::new();
        let op = world.newcomer("op", Role::Operations).await;
        let file = world.upload(&op, name, content).await.unwrap();
        let again = world.upload(&op, name, content).await.unwrap();
        assert_ne!(file.entry.blob, again.entry.blob);
        assert_ne!(file.entry.id, again.entry.id);
        // What `Counter` gives: a count in front, and the same to the end.
        assert_eq!(file.entry.blob.as_bytes()[8..], [0xA5; 8]);
        assert_eq!(file.entry.id.as_bytes()[8..], [0xA5; 8]);
        (file.entry.blob, file.entry.id)
    };
    assert_eq!(
        place("a.docx", b"a").await,
        place("another name.docx", b"another content").await
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the body is cut, it is the same file. Sizes reach across the chunks that stages take.
    #[test]
    fn chunking_makes_no_difference(
        size in prop_oneof![0..2000_usize, 250_000..270_000_usize, 500_000..800_000_usize],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        seed: u8,
    ) {
        let content: Bytes = (0..size).map(|at| (at * 31 + at / 251) as u8 ^ seed).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(size + 1)).collect();
        cuts.extend([0, size]);
        cuts.sort_unstable();
        let chunks: Vec<Bytes> = cuts.windows(2).map(|cut| content.slice(cut[0]..cut[1])).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let op = world.newcomer("op", Role::Operations).await;
            let ann = world.newcomer("ann", Role::Client).await;
            let permit = world.consign.permit_upload(&op).unwrap();
            let body = world.rig.body(chunks);
            let file = world.consign.upload(permit, file_name("a.docx"), body).await.unwrap();
            prop_assert_eq!(file.entry.size, size as u64);
            prop_assert_eq!(file.entry.sha256, digest(&content));
            let downloaded = world.download(&world.link(&ann, "a.docx").await.token).await.unwrap();
            prop_assert!(downloaded == content);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn the_list_is_newest_first_in_pages() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let mut files = Vec::new();
    for n in 0..5 {
        files.insert(
            0,
            world
                .upload(&op, &format!("{}.docx", n % 2), &[n])
                .await
                .unwrap(),
        );
    }
    for actor in [&op, &ann] {
        for limit in [0, 1, 2, 5, 6] {
            let (mut listed, mut before) = (Vec::new(), None);
            loop {
                let page = world.consign.list(actor, before, limit).await.unwrap();
                assert!(page.items.len() <= limit.max(1));
                listed.extend(page.items);
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(listed, files, "pages of {limit}");
        }
    }
    assert_eq!(
        world
            .consign
            .administration()
            .files(None, 100)
            .await
            .unwrap()
            .items,
        files
    );
    assert_eq!(
        world
            .consign
            .administration()
            .events(None, 0)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn a_removed_file_is_gone() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let kept = world.upload(&op, "a.docx", b"kept").await.unwrap();
    for by_operator in [false, true] {
        let file = world.upload(&op, "a.docx", b"goes").await.unwrap();
        let (id, administration) = (file.entry.id, world.consign.administration());
        let removed = if by_operator {
            administration.remove_file(id).await
        } else {
            world.consign.delete(&op, id).await
        };
        assert_eq!(removed.unwrap(), file);
        assert_eq!(world.files().await, std::slice::from_ref(&kept));
        assert_eq!(world.kept().await, [0, 1, 1], "its bytes are gone");
        let by = if by_operator {
            Author::Administrator
        } else {
            Author::User(op.user().id)
        };
        assert_eq!(
            world.events().await.last(),
            Some(&(by, removed_for_good(id)))
        );
        let events = world.events().await.len();
        assert_eq!(refusal(world.consign.delete(&op, id).await), FileNotFound);
        assert_eq!(refusal(administration.remove_file(id).await), FileNotFound);
        assert_eq!(world.events().await.len(), events);
    }
}

/// The other way round a crash would leave a file without its bytes.
#[tokio::test]
async fn the_catalogue_lets_go_before_the_bytes() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let file = world.upload(&op, "a.docx", b"a").await.unwrap();
    for step in ["apply", "delete", "delete done"] {
        world.rig.fail_at(step);
        let deleted = world.consign.delete(&op, file.entry.id).await;
        match step {
            "apply" => {
                assert_eq!(refusal(deleted), Unavailable);
                assert_eq!(world.kept().await, [0, 1, 1], "it is as it was");
            }
            "delete" => {
                deleted.expect("the file is gone; its bytes are the sweeper's");
                assert_eq!(world.kept().await, [0, 1, 0]);
                world.rig.disarm();
                world.clock.advance(DAY * 2);
                world
                    .consign
                    .administration()
                    .sweep(DAY, |_| ())
                    .await
                    .unwrap();
                assert_eq!(world.kept().await, [0, 0, 0]);
            }
            _ => assert_eq!(refusal(deleted), FileNotFound),
        }
    }
}

fn removed_for_good(file: FileId) -> EventKind {
    EventKind::FileRemoved {
        file,
        why: Removal::Asked,
        kept_until: None,
    }
}

fn digest(bytes: &[u8]) -> file::Sha256 {
    file::Sha256(Sha256::digest(bytes).into())
}
