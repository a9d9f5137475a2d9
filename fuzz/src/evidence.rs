//! Any text as an exported trail and as a receipt, by a key that has signed one checkpoint and no receipt.

use std::{collections::HashMap, sync::LazyLock};

use consign_core::{
    evidence::{Ed25519Signer, EvidenceKeys, EvidenceSigner},
    receipt::Receipt,
    testing::SeededEntropy,
    time::Timestamp,
    trail::{ExportedLine, Verified, Verifier},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

static SIGNER: LazyLock<Ed25519Signer> = LazyLock::new(|| {
    let made = Timestamp::from_millis(1);
    Ed25519Signer::new(&EvidenceKeys::generate(&SeededEntropy::new(7), made))
});

/// The hash of the entry that a checkpoint was signed of: that of the corpus.
const SIGNED: &str = "66106d30b1b0c8c7f8b0a8b745cdc3c728d313471d4c896abb55153a5e6df31e";

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    assert!(
        Receipt::verified(text, &SIGNER.keys()).is_err(),
        "none was issued"
    );
    if let Some(verified) = verify(text) {
        assert_eq!(chained(text), verified.entries, "each entry is chained");
        let hashes = text.lines().filter(|line| line.contains(SIGNED));
        assert!(
            verified.checkpoints == 0 || hashes.count() > 1,
            "it was signed"
        );
    }
}

fn verify(text: &str) -> Option<Verified> {
    let mut verifier = Verifier::new(SIGNER.keys());
    for line in text.lines() {
        verifier.line(&ExportedLine::parse(line).ok()?).ok()?;
    }
    verifier.finish().ok()
}

/// How many entries there are, each chained to the one before it.
fn chained(text: &str) -> u64 {
    let mut ends: HashMap<u64, (u64, String)> = HashMap::new();
    let mut entries = 0;
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).expect("a line is JSON");
        if value.get("event").is_none() {
            continue;
        }
        let number = |name: &str| value[name].as_u64().expect("a number");
        let (writer, number) = (number("writer"), number("number"));
        let (last, hash) = ends.entry(writer).or_insert((0, "0".repeat(64)));
        assert_eq!(number, *last + 1);
        let event = event_of(line, &value["event"]);
        let text = format!("consign trail 1\n{hash}\n{writer}\n{number}\n{event}");
        let digest = Sha256::digest(text);
        *hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(value["hash"], **hash);
        *last = number;
        entries += 1;
    }
    entries
}

/// The part of a line that is this value: there is only one that is it and of that hash.
fn event_of<'l>(line: &'l str, event: &Value) -> &'l str {
    let starts = line
        .match_indices("\"event\"")
        .map(|(at, found)| at + found.len());
    let texts = starts.filter_map(|at| {
        let rest = line[at..].trim_start().strip_prefix(':')?.trim_start();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let found = values.next()?.ok()?;
        (found == *event).then(|| &rest[..values.byte_offset()])
    });
    texts.last().expect("the event is in its line")
}
