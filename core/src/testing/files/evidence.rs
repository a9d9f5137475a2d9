use super::{
    super::{
        ANSWERS, at_once, check_any_limit, check_paging, promise, promise_eq,
        samples::{sample_checkpoint, sample_download, sample_entry, sample_event, sample_link},
        walk,
    },
    Store, add, add_many, events, remove, trail,
};
use crate::{
    event::{Event, EventKind, Recorded, Transfers},
    store::{Change, DownloadsOf, Outcome},
    trail::{Checkpoint, EntryHash, Head},
};

async fn record(store: &Store, events: Vec<Event>) {
    promise_eq!(
        store.apply(Change::Record(events)).await.expect(ANSWERS),
        Outcome::Recorded,
        "Record: records events"
    );
}

async fn add_checkpoint(store: &Store, head: Head) -> Outcome {
    let change = Change::AddCheckpoint(sample_checkpoint(head));
    store.apply(change).await.expect(ANSWERS)
}

async fn checkpoints(store: &Store) -> Vec<Checkpoint> {
    walk(2, None, async |after| store.checkpoints(after, 2).await).await
}

pub async fn entries_are_chained_from_the_first_on(store: Store) {
    promise_eq!(
        store.heads().await.expect(ANSWERS),
        [],
        "heads: none in an empty trail"
    );
    let files = add_many(&store, 3).await;
    remove(&store, files[1].entry.id).await;
    record(&store, (0..3).map(sample_event).collect()).await;
    let trail = trail(&store).await;
    promise_eq!(trail.len(), 7, "events: all of them");
    let mut heads: Vec<_> = trail.iter().map(Recorded::head).collect();
    heads.reverse();
    heads.sort_by_key(|head| head.writer);
    heads.dedup_by_key(|head| head.writer);
    promise_eq!(
        store.heads().await.expect(ANSWERS),
        heads,
        "heads: the last entry of each writer's chain, ordered by writer"
    );
}

pub async fn record_records_what_it_is_given(store: Store) {
    let given = vec![sample_event(1), sample_download(2), sample_event(1)];
    record(&store, given.clone()).await;
    promise_eq!(
        events(trail(&store).await),
        given,
        "Record: records the events in their order, as they are"
    );
    promise_eq!(
        store.apply(Change::Record(vec![])).await.expect(ANSWERS),
        Outcome::Missing,
        "Record: there is any event"
    );
}

pub async fn a_checkpoint_is_of_an_entry_that_there_is(store: Store) {
    record(&store, (0..4).map(sample_event).collect()).await;
    let heads: Vec<_> = trail(&store).await.iter().map(Recorded::head).collect();
    let behind = Head {
        number: heads[3].number + 1,
        ..heads[3]
    };
    let other = Head {
        hash: EntryHash([9; 32]),
        ..heads[2]
    };
    for wrong in [behind, other] {
        promise_eq!(
            add_checkpoint(&store, wrong).await,
            Outcome::Missing,
            "AddCheckpoint: there is its entry, with its hash"
        );
    }
    promise_eq!(
        add_checkpoint(&store, heads[2]).await,
        Outcome::CheckpointAdded,
        "AddCheckpoint: adds a checkpoint of any entry"
    );
    promise_eq!(
        add_checkpoint(&store, heads[2]).await,
        Outcome::Exists,
        "AddCheckpoint: there is no checkpoint of the entry"
    );
    promise_eq!(
        checkpoints(&store).await,
        [sample_checkpoint(heads[2])],
        "checkpoints: those added, as given"
    );
    promise_eq!(
        trail(&store).await.len(),
        4,
        "AddCheckpoint: is no event itself"
    );
}

pub async fn checkpoints_are_in_the_order_of_their_entries(store: Store) {
    record(&store, (0..9).map(sample_event).collect()).await;
    let trail = trail(&store).await;
    for at in [4, 0, 8, 2, 6] {
        add_checkpoint(&store, trail[at].head()).await;
    }
    let expected = [0, 2, 4, 6, 8].map(|at: usize| sample_checkpoint(trail[at].head()));
    promise_eq!(
        checkpoints(&store).await,
        expected,
        "checkpoints: in the order of their entries"
    );
    let fetch = async |after, limit| store.checkpoints(after, limit).await;
    check_paging(&expected, fetch).await;
    check_any_limit(&expected, fetch).await;
    let page = store.checkpoints(Some(trail[3].seq), 9).await;
    promise_eq!(
        page.expect(ANSWERS).items,
        expected[2..],
        "checkpoints: of the entries after position `after`"
    );
}

pub async fn downloads_are_found_by_file_and_by_link(store: Store) {
    let entry = sample_entry(1);
    add(&store, &entry).await;
    let given: Vec<_> = (0..9)
        .flat_map(|n| [sample_download(n), sample_event(n), sample_download(n)])
        .collect();
    record(&store, given).await;
    // What was downloaded is told of when it is gone too.
    remove(&store, entry.id).await;
    let trail = trail(&store).await;
    for n in 0..4 {
        let (file, link) = (sample_entry(n), sample_link(n));
        let by_one = DownloadsOf::FileBy(file.id, file.uploaded_by);
        let by_other = DownloadsOf::FileBy(file.id, sample_entry(n + 1).uploaded_by);
        for (of, count) in [
            (DownloadsOf::File(file.id), 6),
            (DownloadsOf::Link(link.id), 4),
            (by_one, 2),
            (by_other, 0),
        ] {
            let those =
                |entry: &&Recorded| DownloadsOf::that_have(&entry.event).any(|one| one == of);
            let expected: Vec<_> = trail.iter().filter(those).cloned().collect();
            let count = if n < 3 { count } else { 0 };
            promise_eq!(expected.len(), count, "DownloadsOf::that_have");
            let fetch = async |after, limit| store.downloads(of, after, limit).await;
            check_paging(&expected, fetch).await;
            check_any_limit(&expected, fetch).await;
            if let [first, rest @ ..] = &expected[..] {
                let page = store.downloads(of, Some(first.seq), 9).await;
                promise_eq!(
                    page.expect(ANSWERS).items,
                    rest,
                    "downloads: those after position `after`"
                );
            }
        }
    }
}

pub async fn downloads_are_summed_up(store: Store) {
    let of = DownloadsOf::File(sample_entry(0).id);
    promise_eq!(
        store.downloaded(of).await.expect(ANSWERS),
        Transfers::default(),
        "downloaded: nothing where there are no such downloads"
    );
    let mut sum = Transfers::default();
    for n in [0, 1, 2, 1] {
        let event = sample_download(n);
        if let EventKind::Download(download) = &event.kind {
            sum = sum.plus(download.transfers);
        }
        record(&store, vec![event, sample_download(n + 3)]).await;
        promise_eq!(
            store.downloaded(of).await.expect(ANSWERS),
            sum,
            "downloaded: what all of its events come to"
        );
    }
}

pub async fn concurrent_changes_make_one_chain(store: Store) {
    at_once((0..16).map(|n| {
        let store = store.clone();
        async move {
            match n % 2 {
                0 => record(&store, (0..3).map(sample_download).collect()).await,
                _ => drop(add(&store, &sample_entry(n)).await),
            }
        }
    }))
    .await;
    // That they are chained is seen as they are read.
    let trail = trail(&store).await;
    promise!(trail.len() == 32, "apply: none is lost");
}
