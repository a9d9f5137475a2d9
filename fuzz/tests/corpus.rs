//! The committed corpora through their targets, as ordinary tests: what once was found stays mended.

use std::{fs, path::Path};

macro_rules! corpora {
    ($($target:ident),* $(,)?) => {
        $(
            #[test]
            fn $target() {
                through(stringify!($target), consign_fuzz::$target::run);
            }
        )*

        #[test]
        fn every_target_has_a_corpus_and_is_here() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
            for (kind, suffix) in [("corpus", ""), ("fuzz_targets", ".rs")] {
                let mut found: Vec<_> = fs::read_dir(folder.join(kind))
                    .expect("the folder is there")
                    .map(|entry| entry.expect("an entry").file_name().into_string())
                    .map(|name| name.expect("UTF-8").trim_end_matches(suffix).to_owned())
                    .collect();
                found.sort_unstable();
                assert_eq!(found, [$(stringify!($target)),*], "{kind}");
            }
        }
    };
}

corpora![
    api_requests,
    evidence,
    file_name,
    intake_bytes,
    intake_package,
    key_file,
    multipart_upload,
    phc_parse,
    public_url,
    range_conditional,
    redb_record,
    store_ops,
    token_claims,
    token_verify,
];

fn through(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut inputs = 0;
    for entry in fs::read_dir(folder.join(target)).expect("there is a corpus") {
        let path = entry.expect("an entry").path();
        // Shown where one fails.
        println!("{}", path.display());
        run(&fs::read(path).expect("it can be read"));
        inputs += 1;
    }
    println!("{target}: {inputs} inputs");
    assert!(inputs > 0);
}
