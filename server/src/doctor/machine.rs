//! The disk's room, the clock and the descriptors.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use bytesize::ByteSize;
use rustix::process::{self, Resource};

use super::Findings;
use crate::{data::Paths, options::Config, serve};

const DISK: &str = "disk";
const CLOCK: &str = "clock";
const LIMITS: &str = "limits";

/// Names of files that a disk has left before one is warned: an upload takes two for a moment.
const FEW_NAMES: u64 = 10_000;

/// No clock that goes right shows an earlier time: 2026-11-01, in seconds since the Unix epoch.
const WRITTEN_AT: u64 = 1_793_491_200;

/// What a clock may go back by, as those that are kept by others do.
const LEEWAY: Duration = Duration::from_secs(2);

pub(super) fn look(config: &Config, paths: &Paths, findings: &mut Findings) {
    disk(config, paths, findings);
    clock(SystemTime::now(), config.stores.database_file(), findings);
    descriptors(config, findings);
}

fn disk(config: &Config, paths: &Paths, findings: &mut Findings) {
    let files = config.stores.files_folder().unwrap_or(&paths.folder);
    let above = files.ancestors().find(|folder| folder.is_dir());
    let folder = above.unwrap_or(Path::new("."));
    let system = match rustix::fs::statvfs(folder) {
        Ok(system) => system,
        Err(error) => {
            let found = format!("{}: {error}", folder.display());
            return findings.problem(DISK, found, "look at the disk");
        }
    };
    let (free, least) = (
        system.f_bavail.saturating_mul(system.f_frsize),
        config.settings.min_free,
    );
    let found = format!(
        "{} are free, of which min-free keeps {}",
        ByteSize(free),
        ByteSize(least)
    );
    if free <= least {
        findings.problem(
            DISK,
            found,
            "uploads are refused: make room, or set min-free lower",
        );
    } else if free < least.saturating_mul(4) {
        findings.warning(DISK, found, "make room soon: uploads are refused below it");
    } else {
        findings.ok(DISK, found);
    }
    // Some file systems have no number of them.
    if system.f_files > 0 {
        let left = system.f_favail;
        let found = format!("{left} more files can be made (inodes)");
        match left {
            0 => findings.problem(
                DISK,
                found,
                "remove files, or make a file system with more inodes",
            ),
            1..FEW_NAMES => findings.warning(
                DISK,
                found,
                "remove files, or move to a file system with more",
            ),
            _ => findings.ok(DISK, found),
        }
    }
}

fn clock(now: SystemTime, database: Option<&Path>, findings: &mut Findings) {
    let advice = "set the clock, and keep it by NTP: links and sessions end by it";
    let shown = |time: SystemTime| {
        let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MIN);
        time.round(jiff::Unit::Second).unwrap_or(time)
    };
    if now < SystemTime::UNIX_EPOCH + Duration::from_secs(WRITTEN_AT) {
        let found = format!("it shows {}, before this program was written", shown(now));
        return findings.problem(CLOCK, found, advice);
    }
    let written = database.map(|path| fs::metadata(path).and_then(|data| data.modified()));
    match written {
        Some(Ok(written)) if written > now + LEEWAY => {
            let (now, written) = (shown(now), shown(written));
            let found = format!("it shows {now}, and the database was last written at {written}");
            findings.problem(CLOCK, found, advice);
        }
        _ => findings.ok(CLOCK, format!("it shows {}", shown(now))),
    }
}

fn descriptors(config: &Config, findings: &mut Findings) {
    let wanted = config.limits.connections;
    let most = process::getrlimit(Resource::Nofile).maximum;
    let room = serve::room(wanted, most);
    if room < wanted {
        let most = most.unwrap_or(u64::MAX);
        findings.warning(
            LIMITS,
            format!("{most} files can be open, enough for {room} connections of {wanted}"),
            "raise the limit (LimitNOFILE= of systemd, ulimit -Hn), or set max-connections lower",
        );
    } else {
        let found = format!("enough files can be open for {wanted} connections");
        findings.ok(LIMITS, found);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    #[test]
    fn a_clock_before_this_program_is_wrong() {
        let mut findings = Findings::default();
        clock(SystemTime::UNIX_EPOCH, None, &mut findings);
        assert_eq!(findings.worst(), Level::Problem);
        let mut findings = Findings::default();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(WRITTEN_AT);
        clock(later, None, &mut findings);
        assert_eq!(findings.worst(), Level::Ok);
    }
}
