//! Archives, as programs see them that people unpack them with: `unzip` and Python's `zipfile`.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, UNIX_EPOCH},
};

use consign_core::{
    archive::{Layout, Member, Piece},
    file::{FileName, Sha256},
    time::Timestamp,
};
use crc32fast::Hasher;

/// Prints what an archive holds, a line for each member, once all contents are as their sums say.
const PYTHON: &str = r#"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for entry in archive.infolist():
        date = "-".join(map(str, entry.date_time))
        version, mode = entry.extract_version, entry.external_attr >> 16
        print(entry.filename, entry.file_size, date, version, oct(mode), sep="|")
"#;

#[test]
fn members_are_read_with_their_names_and_times() {
    let members = [
        ("report.docx", "one", 1_800_000_001),
        ("Übersicht – März.xlsx", "", 0),
        ("Report.docx", "two", 4_000_000_000),
        ("report (2).docx", "three", 2_147_483_647),
        ("图片", "PK\x05\x06 looks like an end", 1_800_000_000),
    ];
    let contents: Vec<_> = members.iter().map(|(_, content, _)| *content).collect();
    let layout = Layout::new(
        members
            .iter()
            .map(|(name, content, secs)| Member {
                modified: Timestamp::from_secs(*secs),
                ..member(
                    name,
                    content.len() as u64,
                    crc32fast::hash(content.as_bytes()),
                )
            })
            .collect(),
    );
    let path = written("small", &layout, &contents);
    if let Some(listed) = listed_by_python(&path) {
        let expected = [
            "report.docx|3|2027-1-15-8-0-0|20|0o100644",
            "Übersicht – März.xlsx|0|1980-1-1-0-0-0|20|0o100644",
            "Report (3).docx|3|2096-10-2-7-6-40|20|0o100644",
            "report (2).docx|5|2038-1-19-3-14-6|20|0o100644",
            "图片|22|2027-1-15-8-0-0|20|0o100644",
        ];
        assert_eq!(listed, expected);
    }
    if is_installed("unzip", "-v") {
        let folder = path.with_extension("unpacked");
        let unpacked = ["report.docx", "Übersicht – März.xlsx", "Report (3).docx"];
        let mut unzip = Command::new("unzip");
        unzip.env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        run(unzip.arg("-qo").arg(&path).arg("-d").arg(&folder));
        for (name, (_, content, secs)) in unpacked.iter().zip(members) {
            let unpacked = folder.join(name);
            assert_eq!(fs::read_to_string(&unpacked).unwrap(), content);
            let modified = unpacked.metadata().unwrap().modified().unwrap();
            assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(secs), "{name}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
    fs::remove_file(path).unwrap();
}

/// `unzip` is slow with what is large, so it reads only what comes behind it.
#[test]
fn members_beyond_four_gib_are_read() {
    const LARGE: u64 = 5 << 30;
    let layout = Layout::new(vec![
        member("large", LARGE, crc32_of_zeros(LARGE)),
        member("small", 3, crc32fast::hash(b"one")),
    ]);
    let path = written("large", &layout, &["", "one"]);
    if let Some(listed) = listed_by_python(&path) {
        let expected = [
            "large|5368709120|2027-1-15-8-0-0|45|0o100644",
            "small|3|2027-1-15-8-0-0|45|0o100644",
        ];
        assert_eq!(listed, expected);
    }
    tested_by_unzip(&path, &["small"]);
    fs::remove_file(path).unwrap();
}

#[test]
fn more_members_than_sixteen_bits_count_are_read() {
    let layout = Layout::new(vec![member("a.docx", 0, 0); 70_000]);
    let path = written("many", &layout, &[]);
    if let Some(listed) = listed_by_python(&path) {
        assert_eq!(listed.len(), 70_000);
        assert!(listed[69_999].starts_with("a (70000).docx|0|"));
    }
    tested_by_unzip(&path, &[]);
    fs::remove_file(path).unwrap();
}

#[test]
fn an_archive_of_nothing_is_read() {
    let path = written("empty", &Layout::new(Vec::new()), &[]);
    if let Some(listed) = listed_by_python(&path) {
        assert!(listed.is_empty());
    }
    fs::remove_file(path).unwrap();
}

fn member(name: &str, size: u64, crc32: u32) -> Member {
    Member {
        name: FileName::parse(name).unwrap(),
        size,
        crc32,
        sha256: Sha256([0; 32]),
        modified: Timestamp::from_secs(1_800_000_000),
    }
}

/// The archive as a file. What `contents` leave out are zeros, and take no space on most disks.
fn written(name: &str, layout: &Layout, contents: &[&str]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("archive-{name}.zip"));
    let mut file = File::create(&path).unwrap();
    file.set_len(layout.len()).unwrap();
    for piece in layout.pieces(0..layout.len()) {
        match piece {
            Piece::Bytes(bytes) => file.write_all(&bytes).unwrap(),
            Piece::Content { member, range } if contents[member].is_empty() => {
                let len = i64::try_from(range.end - range.start).unwrap();
                file.seek(SeekFrom::Current(len)).unwrap();
            }
            Piece::Content { member, .. } => file.write_all(contents[member].as_bytes()).unwrap(),
        }
    }
    path
}

fn crc32_of_zeros(len: u64) -> u32 {
    let (mut all, mut power) = (Hasher::new(), Hasher::new());
    power.update(&[0]);
    for bit in 0..u64::BITS - len.leading_zeros() {
        if len >> bit & 1 == 1 {
            all.combine(&power);
        }
        let half = power.clone();
        power.combine(&half);
    }
    all.finalize()
}

fn listed_by_python(path: &Path) -> Option<Vec<String>> {
    is_installed("python3", "-V").then(|| {
        let mut python = Command::new("python3");
        python.env("PYTHONUTF8", "1");
        let lines = run(python.args(["-c", PYTHON]).arg(path));
        lines.lines().map(str::to_owned).collect()
    })
}

/// All members, unless some are named.
fn tested_by_unzip(path: &Path, members: &[&str]) {
    if is_installed("unzip", "-v") {
        run(Command::new("unzip").arg("-tqq").arg(path).args(members));
    }
}

fn is_installed(program: &str, harmless: &str) -> bool {
    let mut command = Command::new(program);
    let output = command.arg(harmless).stdin(Stdio::null()).output();
    let installed = output.is_ok_and(|output| output.status.success());
    if !installed {
        eprintln!("skipped: there is no {program}");
    }
    installed
}

/// What it printed. It must not fail, nor warn.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{command:?}: {errors}"
    );
    String::from_utf8(output.stdout).unwrap()
}
