//! `docs/security.md` stays true: each requirement has a row, and each row names tests that there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use consign_core::{Settings, file::FileName, intake::OfficeIntake};
use consign_http::{
    ROUTES,
    testing::{DOCX, PPTX, XLSX},
};

/// The requirements are numbered from one to this.
const REQUIREMENTS: usize = 129;

/// Where packages are, and what `cargo test -p` calls them.
const PACKAGES: [(&str, &str); 13] = [
    ("consign-core", "core"),
    ("consign-http", "http"),
    ("consign-http-warp", "http-warp"),
    ("consign-http-axum", "http-axum"),
    ("consign-storage-fs", "storage-fs"),
    ("consign-storage-redb", "storage-redb"),
    ("consign-storage-postgres", "storage-postgres"),
    ("consign-storage-object", "storage-object"),
    ("consign-mail-smtp", "mail-smtp"),
    ("consign-web", "web"),
    ("consign-client", "client"),
    ("consign", "server"),
    ("consign-examples", "examples"),
];

#[test]
fn every_requirement_has_a_row_and_every_row_a_test() {
    let page = read("docs/security.md");
    let (_, tables) = page
        .split_once("\n## The checklist\n")
        .expect("the page has its checklist");
    let (mut numbers, mut open, mut tests) = (Vec::new(), Vec::new(), 0);
    for row in tables.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (first, last) = (cells[0], cells[cells.len() - 1]);
        let named: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        for test in &named {
            assert!(exists(test), "{first}: there is no test `{test}`");
        }
        tests += named.len();
        if let Ok(number) = first.parse::<usize>() {
            assert_eq!(cells.len(), 5, "{row}");
            numbers.push(number);
            match last.starts_with("**Open**") {
                true => open.push(number),
                false => assert!(!named.is_empty(), "neither a test nor open: {row}"),
            }
        }
    }
    let expected: Vec<_> = (1..=REQUIREMENTS).collect();
    assert_eq!(numbers, expected, "each requirement once, in order");
    println!(
        "{} requirements, {tests} tests named, open: {open:?}",
        numbers.len()
    );
}

#[test]
fn what_may_be_uploaded_is_documented() {
    let page = read("docs/http-api.md");
    for kind in [DOCX, XLSX, PPTX] {
        let row = format!("`.{}` (`{}`)", kind.extension, kind.media_type);
        assert!(page.contains(&row), "{row}");
    }
    for limit in [
        format!(
            "| {} bytes (`--max-upload`) |",
            Settings::default().max_upload
        ),
        format!("| parts in a document | {} |", OfficeIntake::MAX_ENTRIES),
        format!(
            "{} bytes, or more where that is less than {} times the size packed",
            OfficeIntake::MAX_UNPACKED,
            OfficeIntake::MAX_RATIO
        ),
        format!("| {} bytes of UTF-8 |", FileName::MAX_LEN),
    ] {
        assert!(page.contains(&limit), "it says: {limit}");
    }
    // These two are the HTTP API's own affair, so its source is asked.
    let source = read("http/src/multipart.rs");
    assert!(
        source.contains("MAX_PARTS: usize = 64;") && source.contains("MAX_BESIDE: u64 = 1 << 20;")
    );
    assert!(page.contains(&format!("64 parts, {} bytes", 1 << 20)));
}

#[test]
fn every_call_is_documented() {
    let page = read("docs/http-api.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let headings: Vec<Vec<_>> = headings
        .map(|heading| heading.split([' ', ',']).collect())
        .collect();
    // `/files/` is the same as `/files`.
    for route in ROUTES.iter().filter(|route| route.path != "/files/") {
        // HEAD goes with GET.
        for method in route.methods.iter().filter(|method| *method != "HEAD") {
            let told =
                |words: &Vec<_>| words.contains(&route.path) && words.contains(&method.as_str());
            let has_section = headings.iter().any(told);
            assert!(has_section, "{method} {} has no section", route.path);
        }
    }
}

/// Whether there is a test that `cargo test -p` would run by these words:
/// `package --lib module::name`, `package --test target module::name`.
fn exists(test: &str) -> bool {
    let words: Vec<_> = test.split(' ').collect();
    let (package, root, name) = match words[..] {
        [package, "--lib", name] => (package, "src/lib.rs".to_owned(), name),
        [package, "--bin", bin, name] if bin == package => {
            (package, "src/main.rs".to_owned(), name)
        }
        [package, "--test", target, name] => {
            let folder = folder(package).join(format!("tests/{target}/main.rs"));
            let root = match folder.exists() {
                true => format!("tests/{target}/main.rs"),
                false => format!("tests/{target}.rs"),
            };
            (package, root, name)
        }
        _ => return false,
    };
    let file = folder(package).join(root);
    let (modules, function) = name.rsplit_once("::").unwrap_or(("", name));
    match modules.strip_prefix("front_end::") {
        // The line for which the contract's scenarios become tests; that all of them do is a test.
        Some(group) => {
            let suite = fs::read_to_string(file).unwrap_or_default();
            let scenarios = workspace().join(format!("http/src/testing/{group}.rs"));
            let scenarios = fs::read_to_string(scenarios).unwrap_or_default();
            suite.contains("front_end_suite!(")
                && scenarios.contains(&format!("\npub async fn {function}("))
        }
        None => is_in(file, modules, function),
    }
}

/// Whether the module that these names lead to, from the root at `file`, has the test.
fn is_in(mut file: PathBuf, modules: &str, function: &str) -> bool {
    let mut folder = file.parent().expect("a file is in a folder").to_owned();
    for module in modules.split("::").filter(|module| !module.is_empty()) {
        let beside = folder.join(format!("{module}.rs"));
        let within = folder.join(module).join("mod.rs");
        folder = folder.join(module);
        if let Some(found) = [beside, within].into_iter().find(|path| path.exists()) {
            file = found;
        } else if !fs::read_to_string(&file)
            .unwrap_or_default()
            .contains(&format!("mod {module} {{"))
        {
            return false;
        }
    }
    let source = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let starts = |line: &str, with: &str| {
        line.strip_prefix(with)
            .is_some_and(|rest| rest.starts_with('('))
    };
    let at = lines.iter().position(|line| {
        starts(line, &format!("fn {function}")) || starts(line, &format!("async fn {function}"))
    });
    at.is_some_and(|at| {
        let mut before = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with('#') || line.starts_with("//"));
        before.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn a_test_is_found_by_its_whole_name_alone() {
    for there in [
        "consign-core --lib file::tests::misleading_names_are_refused",
        "consign-core --lib token::jwt::tests::forgeries::claims_of_another_form_are_refused",
        "consign-core --test tokens every_change_of_one_bit_is_refused",
        "consign-http --test api tokens::a_link_dies_with_its_file",
        "consign-http-axum --test contract front_end::download::links_expire",
        "consign --test crash what_was_acknowledged_outlives_being_killed",
    ] {
        assert!(exists(there), "{there}");
    }
    for missing in [
        "consign-core --lib file::tests::misleading_names_are",
        "consign-core --lib file::misleading_names_are_refused_",
        "consign-core --lib intake::tests::misleading_names_are_refused",
        "consign-core --lib file::from_upload",
        "consign-core --test tokens every_change",
        "consign-http --test api a_link_dies_with_its_file",
        "consign-http --test logs front_end::download::links_expire",
        "consign-http-axum --test contract front_end::download::links_last",
        "consign-web --test api x",
        "PENDING(lead)",
    ] {
        assert!(!exists(missing), "{missing}");
    }
}

fn folder(package: &str) -> PathBuf {
    let folder = PACKAGES.iter().find(|(name, _)| *name == package);
    workspace().join(folder.map_or("nowhere", |(_, folder)| folder))
}

fn read(path: &str) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
