use std::sync::{Mutex, PoisonError, mpsc};

use futures_util::{FutureExt, future::join_all};
use proptest::prelude::*;

use super::*;

/// RFC 7914, section 12: (password, salt, log N, r, p, derived key). The fourth of its vectors
/// takes 1 GiB, more than [`ScryptParams::new`] lets anybody ask for.
const RFC_7914: [(&str, &str, u8, u32, u32, &str); 3] = [
    (
        "",
        "",
        4,
        1,
        1,
        "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442\
         fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
    ),
    (
        "password",
        "NaCl",
        10,
        8,
        16,
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162\
         2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    ),
    (
        "pleaseletmein",
        "SodiumChloride",
        14,
        8,
        1,
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2\
         d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
    ),
];

#[test]
fn rfc_7914_section_12() {
    for (password, salt, log_n, r, p, expected) in RFC_7914 {
        let params = ScryptParams::new(log_n, r, p).expect("it is within our bounds");
        let mut key = [0; 64];
        let (password, salt) = (password.as_bytes(), salt.as_bytes());
        scrypt::scrypt(password, salt, &params.as_params().unwrap(), &mut key).unwrap();
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }
    assert_eq!(ScryptParams::new(20, 8, 1), Err(UnsafeParams), "1 GiB");
}

/// The example of passlib's documentation, made by another implementation.
#[tokio::test]
async fn another_implementations_hash_is_verified() {
    let stored =
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
    assert_eq!(verdict(stored, "password").await.unwrap(), Verdict::Right);
    assert_eq!(verdict(stored, "Password").await.unwrap(), Verdict::Wrong);
}

#[tokio::test]
async fn a_hash_verifies_its_password_alone() {
    let hasher = ScryptHasher::new(ScryptParams::WEAK);
    let long = "x".repeat(5000);
    for text in [
        "hunter22",
        "",
        "pässwörd 🗝",
        "a\0b",
        " trailing ",
        long.as_str(),
    ] {
        let stored = hasher.hash(password(text)).await.unwrap();
        assert!(
            stored.expose().starts_with("$scrypt$ln=4,r=1,p=1$"),
            "{}",
            stored.expose()
        );
        let verify = |given: String| hasher.verify(Password::new(given), Some(stored.clone()));
        assert_eq!(verify(text.to_owned()).await.unwrap(), Verdict::Right);
        for other in [
            format!("{text} "),
            format!("{text}x"),
            format!("x{text}"),
            text.to_uppercase() + "!",
        ] {
            assert_eq!(verify(other).await.unwrap(), Verdict::Wrong);
        }
    }
    assert_eq!(
        verdict_of(
            &hasher,
            &"y".repeat(5001),
            hasher.hash(password(&long)).await.unwrap()
        )
        .await
        .unwrap(),
        Verdict::Wrong
    );
}

#[tokio::test]
async fn one_password_has_a_new_hash_each_time() {
    let hasher = ScryptHasher::new(ScryptParams::WEAK);
    let one = hasher.hash(password("hunter22")).await.unwrap();
    let other = hasher.hash(password("hunter22")).await.unwrap();
    let salt = |hash: &PasswordHash| hash.expose().split('$').nth(3).unwrap().to_owned();
    assert_ne!(salt(&one), salt(&other));
    assert_eq!(salt(&one).len(), 22, "16 bytes in base64");
}

#[tokio::test]
async fn weaker_parameters_than_the_present_ones_are_old() {
    let weak = ScryptHasher::new(ScryptParams::WEAK);
    let stored = weak.hash(password("hunter22")).await.unwrap();
    for (log_n, r, p) in [(5, 1, 1), (4, 2, 1), (4, 1, 2)] {
        let other = ScryptHasher::new(ScryptParams::new(log_n, r, p).unwrap());
        let verdict = verdict_of(&other, "hunter22", stored.clone()).await;
        assert_eq!(verdict.unwrap(), Verdict::RightButOld);
        assert_eq!(
            verdict_of(&other, "hunter23", stored.clone())
                .await
                .unwrap(),
            Verdict::Wrong
        );
        let stored = other.hash(password("hunter22")).await.unwrap();
        assert_eq!(
            verdict_of(&other, "hunter22", stored).await.unwrap(),
            Verdict::Right
        );
        let stronger = other.hash(password("hunter22")).await.unwrap();
        assert_eq!(
            verdict_of(&weak, "hunter22", stronger).await.unwrap(),
            Verdict::Right,
            "a stronger hash is never made weaker"
        );
    }
}

#[test]
fn the_default_is_a_setting_that_owasp_lists() {
    let ScryptParams { log_n, r, p } = ScryptParams::default();
    assert_eq!((log_n, r, p), (15, 8, 3));
    assert_eq!(ScryptParams::new(log_n, r, p), Ok(ScryptParams::default()));
    let ScryptParams { log_n, r, p } = ScryptParams::WEAK;
    assert_eq!(ScryptParams::new(log_n, r, p), Ok(ScryptParams::WEAK));
}

#[test]
fn what_a_machine_is_asked_to_do_is_bounded() {
    for (log_n, r, p) in [
        (15, 8, 3),
        (17, 8, 1),
        (18, 8, 1),
        (16, 32, 1),
        (16, 8, 16),
        (1, 1, 1),
    ] {
        assert!(ScryptParams::new(log_n, r, p).is_ok(), "{log_n} {r} {p}");
    }
    let max = u32::MAX;
    for (log_n, r, p) in [
        (0, 8, 1),
        (15, 0, 1),
        (15, 8, 0),
        (19, 8, 1),
        (17, 32, 1),
        (21, 1, 1),
        (16, 8, 17),
        (63, 1, 1),
        (255, 1, 1),
        (4, max, 1),
        (4, 1, max),
        (4, max, max),
        (4, 1 << 16, 1 << 16),
    ] {
        assert_eq!(
            ScryptParams::new(log_n, r, p),
            Err(UnsafeParams),
            "{log_n} {r} {p}"
        );
    }
}

proptest! {
    #[test]
    fn no_parameters_escape_the_bounds(log_n: u8, r in 0..100_u32, p in 0..100_u32) {
        if let Ok(params) = ScryptParams::new(log_n, r, p) {
            let memory = (128_u64 * u64::from(r)) << log_n;
            prop_assert!(memory <= 256 << 20);
            prop_assert!(memory * u64::from(p) <= 1 << 30);
            prop_assert!(params.as_params().is_ok());
        }
    }

    #[test]
    fn an_arbitrary_stored_text_is_no_panic(text in stored_text()) {
        let stored = PasswordHash::new(text);
        let verdict = verify(&password("hunter22"), &stored, ScryptParams::WEAK);
        prop_assert!(matches!(verdict, Ok(Verdict::Wrong) | Err(HashError::Unusable(_))), "{verdict:?}");
    }
}

/// Arbitrary text, and text that is more and more like a hash. Parameters are small or absurd, so
/// that what is computed is cheap.
fn stored_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (0..8_u64).prop_map(|number| number.to_string()),
        (1_u64 << 20..=u64::MAX).prop_map(|number| number.to_string()),
        "[0-9+-]{0,3}[a-z_]?",
    ];
    let named = ("(ln|r|p|v|n|)", number).prop_map(|(name, number)| format!("{name}={number}"));
    let params = prop::collection::vec(named, 0..5).prop_map(|named| named.join(","));
    let hash = (
        "(scrypt|pbkdf2-sha256|argon2id|)",
        params,
        "[A-Za-z0-9+/=]{0,70}",
        "[A-Za-z0-9+/=]{0,90}",
    )
        .prop_map(|(name, params, salt, hash)| format!("${name}${params}${salt}${hash}"));
    prop_oneof![any::<String>(), "[$a-z0-9=,+/]{0,60}", hash]
}

#[tokio::test]
async fn unusable_hashes_are_told_apart_and_cost_nothing() {
    const REST: &str = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let absurd = [
        "ln=63,r=8,p=1",
        "ln=255,r=1,p=1",
        "ln=256,r=1,p=1",
        "ln=4,r=4294967295,p=1",
        "ln=4,r=1,p=4294967295",
        "ln=4,r=65536,p=65536",
        "ln=4,r=1073741823,p=1",
        "ln=20,r=8,p=1",
        "ln=4,r=99999999999999999999,p=1",
    ];
    let incomplete = ["", "ln=4", "ln=4,r=1", "r=1,p=1", "ln=4,p=1"];
    let unclear = [
        "ln=4,r=1,p=1,ln=20",
        "ln=4,ln=5,r=1,p=1",
        "r=1,ln=4,p=1",
        "ln=4,r=1,p=1,x=1",
        "ln=04,r=1,p=1",
        "ln=,r=1,p=1",
        "ln=a,r=1,p=1",
        "ln=-4,r=1,p=1",
    ];
    let params = [absurd.as_slice(), &incomplete, &unclear].concat();
    let mut texts: Vec<String> = params
        .iter()
        .map(|params| format!("$scrypt${params}${REST}"))
        .collect();
    texts.extend(
        [
            "",
            "$",
            "$$$$$",
            "hunter22",
            "plain:hunter22",
            "scrypt:32768:8:1$salt$00",
        ]
        .map(str::to_owned),
    );
    texts.extend(
        [
            "$argon2id$",
            "$pbkdf2-sha256$",
            "$scrypt2$",
            "$SCRYPT$",
            "scrypt$",
            "$7$",
        ]
        .map(|name| format!("{name}ln=4,r=1,p=1${REST}")),
    );
    texts.extend(["$scrypt$ln=4,r=1,p=1", "$scrypt$ln=4,r=1,p=1$c2FsdHNhbHRzYWx0c2FsdA", "$scrypt$ln=4,r=1,p=1$$", "$scrypt$v=1$ln=4,r=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"].map(str::to_owned));
    texts.push(format!("$scrypt$ln=4,r=1,p=1${REST}$more"));
    texts.push(format!("$scrypt$ln=4,r=1,p=1${REST}\n"));
    for text in texts {
        let verdict = verdict(&text, "hunter22").await;
        let Err(HashError::Unusable(why)) = verdict else {
            panic!("{text:?}: {verdict:?}");
        };
        assert!(
            text.is_empty() || !why.contains(&text),
            "what is stored is not repeated"
        );
    }
    let good = format!("$scrypt$ln=4,r=1,p=1${REST}");
    assert_eq!(
        verdict(&good, "hunter22").await.unwrap(),
        Verdict::Wrong,
        "the rest is a hash"
    );
}

#[tokio::test]
async fn nobody_has_no_password() {
    let hasher = ScryptHasher::new(ScryptParams::WEAK);
    for text in ["", "hunter22"] {
        assert_eq!(
            hasher.verify(password(text), None).await.unwrap(),
            Verdict::Wrong
        );
    }
}

/// One runs, two wait, the fourth is turned away; when the first is done, the next has its turn.
#[tokio::test]
async fn the_queue_is_bounded() {
    let hasher = ScryptHasher::with_bounds(ScryptParams::WEAK, 1, 2);
    let running = hasher.turn().await.unwrap();
    let mut second = hasher.hash(password("two"));
    let mut third = hasher.verify(password("three"), None);
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut third).now_or_never().is_none());
    assert!(matches!(
        hasher.hash(password("four")).now_or_never(),
        Some(Err(HashError::Busy))
    ));
    assert!(matches!(
        hasher.clone().verify(password("four"), None).now_or_never(),
        Some(Err(HashError::Busy))
    ));
    assert!((&mut second).now_or_never().is_none());

    drop(running);
    assert!(second.await.is_ok());
    assert_eq!(third.await.unwrap(), Verdict::Wrong);
    let all = join_all((0..3).map(|_| hasher.hash(password("five")))).await;
    assert!(
        all.into_iter().all(|hash| hash.is_ok()),
        "every place was given back"
    );
}

#[tokio::test]
async fn whoever_waits_no_longer_gives_their_place_back() {
    let hasher = ScryptHasher::with_bounds(ScryptParams::WEAK, 1, 1);
    let running = hasher.turn().await.unwrap();
    for _ in 0..3 {
        let mut waiting = hasher.hash(password("waits"));
        assert!((&mut waiting).now_or_never().is_none());
        let turned_away = hasher.hash(password("another")).now_or_never();
        assert!(matches!(turned_away, Some(Err(HashError::Busy))));
        drop(waiting);
    }
    let mut waiting = hasher.hash(password("waits"));
    assert!((&mut waiting).now_or_never().is_none(), "the place is free");
    drop(running);
    assert!(waiting.await.is_ok());
    assert_eq!(hasher.waiting.load(Ordering::Relaxed), 0);
}

/// Work that was begun goes on when its future is dropped, so it keeps its turn: or else whoever
/// hangs up and calls again could have any number of hashes computed at once.
#[tokio::test]
async fn work_that_nobody_waits_for_keeps_its_turn() {
    let (go, gate) = mpsc::channel();
    let (reached, at_gate) = mpsc::channel();
    let mut hasher = ScryptHasher::with_bounds(ScryptParams::WEAK, 1, 0);
    hasher.entropy = Arc::new(Gate(Mutex::new((reached, gate))));
    let mut hash = hasher.hash(password("begun"));
    assert!((&mut hash).now_or_never().is_none());
    at_gate.recv().unwrap();
    drop(hash);
    let next = hasher.verify(password("next"), None).now_or_never();
    assert!(matches!(next, Some(Err(HashError::Busy))));
    go.send(()).unwrap();
    let _turn = Arc::clone(&hasher.running).acquire_owned().await.unwrap();
}

#[tokio::test]
async fn a_hasher_always_runs_one() {
    let hasher = ScryptHasher::with_bounds(ScryptParams::WEAK, 0, 0);
    assert!(hasher.hash(password("hunter22")).await.is_ok());
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let hasher = ScryptHasher::new(ScryptParams::WEAK);
    let secret = password("hunter22");
    let stored = hasher.hash(secret.clone()).await.unwrap();
    let shown = format!("{secret:?} {secret:#?} {stored:?} {stored:#?} {hasher:?}");
    let salt_and_hash = stored.expose().rsplitn(3, '$').take(2);
    for text in salt_and_hash.chain(["hunter22"]) {
        assert!(!shown.contains(text), "{shown}");
    }
}

#[test]
fn a_password_is_counted_in_code_points() {
    for (text, chars) in [
        ("", 0),
        ("abc", 3),
        ("pässwörd", 8),
        ("🗝🗝", 2),
        ("e\u{301}", 2),
    ] {
        assert_eq!(password(text).chars(), chars);
    }
}

/// Randomness that says when it is asked, and waits to be let go.
#[derive(Debug)]
struct Gate(Mutex<(mpsc::Sender<()>, mpsc::Receiver<()>)>);

impl Entropy for Gate {
    fn fill(&self, bytes: &mut [u8]) {
        let (reached, gate) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reached.send(()).unwrap();
        gate.recv().unwrap();
        bytes.fill(7);
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

async fn verdict(stored: &str, given: &str) -> Result<Verdict, HashError> {
    let hasher = ScryptHasher::new(ScryptParams::WEAK);
    verdict_of(&hasher, given, PasswordHash::new(stored.to_owned())).await
}

async fn verdict_of(
    hasher: &ScryptHasher,
    given: &str,
    stored: PasswordHash,
) -> Result<Verdict, HashError> {
    hasher.verify(password(given), Some(stored)).await
}
