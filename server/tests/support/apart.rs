//! Tests that mount file systems, in a mount namespace of their own: nobody else sees what they
//! mount, and it goes with them, whatever ends them.

use std::{ffi::OsStr, fs, path::Path, process::Command};

/// Tells a test that it runs apart.
const APART: &str = "CONSIGN_TEST_APART";

/// Whether the calling test runs apart. If not, it is run once more, apart, and there is nothing
/// left to do; nor is there where the machine does not allow it.
///
/// What needs a real root, such as a loop device, says so.
pub fn is_apart(test: &str, needs_root: bool) -> bool {
    if std::env::var_os(APART).is_some() {
        return true;
    }
    let root = rustix::process::geteuid().is_root();
    if needs_root && !root {
        println!("skipped: {test} needs root");
        return false;
    }
    // Where a user may have a namespace of users, they are root in it.
    let namespace = if root { "-m" } else { "-rm" };
    if let Err(why) = done(Command::new("unshare").args([namespace, "true"])) {
        println!("skipped: there is no mount namespace for {test}: {why}");
        return false;
    }
    let test_binary = std::env::current_exe().unwrap();
    let mut again = Command::new("unshare");
    again.arg(namespace).arg(test_binary).env(APART, "1");
    again.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let output = again.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{out}");
    assert!(output.status.success(), "{err}");
    assert!(out.contains("1 passed"), "{test} is the name of a test");
    false
}

/// Mounts a file system in memory.
pub fn mount_tmpfs(at: &Path, options: &str) {
    fs::create_dir_all(at).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(at);
    done(&mut mount).unwrap();
}

/// Runs a command to its end; what it said when it failed.
pub fn done(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_owned();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{}: {error}", program.display())),
    }
}

/// Whether there is a program of this name; the system's own too, which not everybody's path has.
pub fn program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).collect::<Vec<_>>();
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    let mut folders = folders.into_iter().chain(system);
    folders.find_map(|folder| {
        let file = folder.join(OsStr::new(name));
        file.is_file().then_some(file)
    })
}
