//! The power is cut, again and again: what was answered is there, and nothing in part.

use std::{fmt, time::Instant};

use super::{
    disk::{Among, Cut, Sync},
    life::{Life, Loss, Phase, Tally},
    platter::Fate,
    work::{open, runtime},
};
use crate::{
    schema::{LAST_EVENT, LAST_FILE, Tables},
    writer::Verdict,
};

/// Cuts in one life.
const CHAIN: u64 = 20;

/// `CONSIGN_POWER_CUTS` sets another number of cuts, `CONSIGN_POWER_SEED` the first life's seed.
#[test]
fn nothing_is_lost_when_the_power_is_cut() {
    let cuts = number("CONSIGN_POWER_CUTS").unwrap_or(10_000);
    let seed = number("CONSIGN_POWER_SEED").unwrap_or(1);
    let begun = Instant::now();
    let (tally, losses) = lives(seed, cuts, Sync::Honest);
    let took = begun.elapsed();
    println!("{tally}; {} losses; {took:.1?}", losses.len());
    assert!(losses.is_empty(), "by seed: {losses:#?}");
}

/// The harness sees losses where there are some.
#[test]
fn a_disk_that_lies_is_found_out() {
    for sync in [Sync::Lies, Sync::LiesSometimes(3), Sync::ForgetsLength] {
        let (tally, losses) = lives(1, 500, sync);
        let of = |kind: fn(&Loss) -> bool| losses.iter().filter(|(_, loss)| kind(loss)).count();
        let not_opened = of(|loss| matches!(loss, Loss::NotOpened { .. }));
        let differ = of(|loss| matches!(loss, Loss::Differs { .. }));
        let cuts = tally.cuts();
        println!("{sync:?}: of {cuts} cuts, {not_opened} did not open and {differ} lost changes");
        assert!(not_opened > 0, "{sync:?}");
        // A file that is too short does not open at all.
        assert!(differ > 0 || sync == Sync::ForgetsLength, "{sync:?}");
    }
}

/// It also sees that a row is missing, or one too many, in whichever table.
#[test]
fn a_row_too_few_or_too_many_is_found_out() {
    type Damage = fn(&mut Tables<'_>) -> Result<bool, redb::StorageError>;
    let damages: [Damage; 32] = [
        |tables| Ok(tables.meta.remove(LAST_FILE)?.is_some()),
        |tables| Ok(tables.meta.insert(LAST_EVENT, 1)?.is_some()),
        |tables| Ok(tables.users.pop_first()?.is_some()),
        |tables| Ok(tables.usernames.pop_first()?.is_some()),
        |tables| Ok(tables.emails.pop_last()?.is_some()),
        |tables| Ok(tables.files.pop_last()?.is_some()),
        |tables| Ok(tables.file_ids.pop_first()?.is_some()),
        |tables| Ok(tables.file_names.pop_last()?.is_some()),
        |tables| Ok(tables.blobs.insert(&[9; 16], 1)?.is_none()),
        |tables| Ok(tables.trail.pop_first()?.is_some()),
        |tables| Ok(tables.checkpoints.pop_first()?.is_some()),
        |tables| Ok(tables.downloads.pop_first()?.is_some()),
        |tables| Ok(tables.downloaded.pop_last()?.is_some()),
        |tables| Ok(tables.views.pop_first()?.is_some()),
        |tables| Ok(tables.expiries.pop_first()?.is_some()),
        |tables| Ok(tables.retained.pop_first()?.is_some()),
        |tables| Ok(tables.removed.pop_first()?.is_some()),
        |tables| Ok(tables.removed_ids.pop_first()?.is_some()),
        |tables| Ok(tables.removed_due.pop_first()?.is_some()),
        |tables| Ok(tables.groups.pop_first()?.is_some()),
        |tables| Ok(tables.group_names.pop_first()?.is_some()),
        |tables| Ok(tables.members.pop_first()?.is_some()),
        |tables| Ok(tables.memberships.pop_first()?.is_some()),
        |tables| Ok(tables.links.pop_first()?.is_some()),
        |tables| Ok(tables.link_secrets.pop_first()?.is_some()),
        |tables| Ok(tables.link_makers.pop_first()?.is_some()),
        |tables| Ok(tables.leases.pop_first()?.is_some()),
        |tables| Ok(tables.done.pop_first()?.is_some()),
        |tables| Ok(tables.codes.pop_first()?.is_some()),
        |tables| Ok(tables.mails.pop_first()?.is_some()),
        |tables| Ok(tables.mails_due.pop_first()?.is_some()),
        |tables| Ok(tables.file_names.insert(("another", 1), ())?.is_none()),
    ];
    runtime().block_on(async {
        let mut base = Life::new(1, Sync::Honest);
        for _ in 0..1000 {
            base.session(None).await.unwrap();
            if base.known.has_a_row_of_each_kind() {
                break;
            }
        }
        base.check().await.unwrap();
        for (at, damage) in damages.into_iter().enumerate() {
            let mut life = base.fork(1);
            let store = open(&life.disk, 1 << 20).unwrap();
            let work = move |tables: &mut Tables<'_>| Ok(Verdict::Changed(damage(tables)?));
            assert!(store.write(work).await.unwrap(), "{at}");
            drop(store);
            let found = life.check().await;
            assert!(
                matches!(found, Err(Loss::Differs { .. })),
                "{at}: {found:?}"
            );
        }
    });
}

/// Each change of the disk is once the last one: in a creation, in work after a clean end, and in
/// work after a cut, with the recovery that comes before it.
#[test]
fn any_change_of_the_disk_may_be_the_last() {
    let (runtime, begun) = (runtime(), Instant::now());
    let (mut cuts, mut seed) = (0, 0);
    for phase in [None, Some(Phase::Rest), Some(Phase::Work)] {
        for _ in 0..2 {
            seed += 1;
            let mut base = Life::new(seed, Sync::Honest);
            runtime.block_on(async {
                if let Some(phase) = phase {
                    base.session(None).await.unwrap();
                    base.session(Some(phase)).await.unwrap();
                    base.disk.power_cycle(Fate::HeaderKept(50));
                }
                cuts += each_change(&base).await.unwrap();
            });
        }
    }
    println!("{cuts} cuts, in {:.1?}", begun.elapsed());
}

async fn each_change(base: &Life) -> Result<u64, Loss> {
    let mut cuts = 0;
    for skip in 0..5_000 {
        // The same seed gives the same work each time.
        let mut life = base.fork(1);
        let among = Among::All;
        life.disk.cut(Cut { skip, among });
        life.session(None).await?;
        let kept = |kept| Fate::Each { kept, torn: 30 };
        for fate in [Fate::AllKept, Fate::AllLost, Fate::HeaderKept(50), kept(50)] {
            let mut life = life.fork(skip);
            life.disk.power_cycle(fate);
            life.check().await?;
            cuts += 1;
        }
        if life.disk.off().is_none() {
            return Ok(cuts);
        }
    }
    panic!("a session has no end");
}

/// Lives as many lives as make so many cuts; what went wrong, by the life's seed.
fn lives(first: u64, cuts: u64, sync: Sync) -> (Tally, Vec<(u64, Loss)>) {
    let runtime = runtime();
    let (mut all, mut losses) = (Tally::default(), Vec::new());
    let mut seed = first;
    while all.cuts() < cuts {
        let mut life = Life::new(seed, sync);
        if let Err(loss) = runtime.block_on(life.live(CHAIN.min(cuts - all.cuts()))) {
            losses.push((seed, loss));
        }
        all.add(life.tally);
        seed += 1;
    }
    (all, losses)
}

impl Tally {
    fn cuts(&self) -> u64 {
        self.cuts.values().sum()
    }

    fn add(&mut self, other: Self) {
        for (at, cuts) in other.cuts {
            *self.cuts.entry(at).or_default() += cuts;
        }
        self.acknowledged += other.acknowledged;
        self.kept += other.kept;
        self.dropped += other.dropped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            kept,
            dropped,
            ..
        } = self;
        write!(f, "{} cuts (", self.cuts())?;
        for ((phase, change), cuts) in &self.cuts {
            match change {
                Some(change) => write!(f, "{phase:?}/{change:?} {cuts}, ")?,
                None => write!(f, "{phase:?} {cuts}")?,
            }
        }
        write!(
            f,
            "); {acknowledged} changes acknowledged, of the others {kept} kept and {dropped} dropped"
        )
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}
