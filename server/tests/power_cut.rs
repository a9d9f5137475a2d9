//! What was acknowledged is there after the power was cut.
//!
//! The data folder is on an ext4 of its own, on a loop device. EXT4_IOC_SHUTDOWN makes it refuse all
//! work from one moment on without writing anything more, its journal included: what the device
//! holds then is what a cut of the power leaves. Mounted again, the journal is played back.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{
    Home, Server, apart,
    load::{self, Ledger, Load},
    package::Numbers,
};

/// Opens a new file, writes it, gives it another name, and cuts the power, without a sync: a sync is
/// what keeps a file. The cut comes from one process, so that no other's sync comes between.
///
/// Perl, for the call is not to be had otherwise without unsafe code. The number is
/// `_IOR('X', 125, u32)` with the flag EXT4_GOING_FLAGS_NOLOGFLUSH.
const CUT: &str = r#"
    my ($folder, $round) = @ARGV;
    open(my $file, ">", "$folder/new-$round") or die "open: $!";
    syswrite($file, "x" x 5000) or die "write: $!";
    rename("$folder/new-$round", "$folder/unsynced-$round") or die "rename: $!";
    my $flags = pack("L", 2);
    ioctl($file, 0x8004587D, $flags) or die "ioctl: $!";
"#;

/// A disk whose power can be cut.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// A new one; why there is none.
    fn new(folder: &Path) -> Result<Self, String> {
        let make = apart::program("mkfs.ext4").ok_or("there is no mkfs.ext4")?;
        apart::program("perl").ok_or("there is no perl")?;
        let (image, mount) = (folder.join("image"), folder.join("mount"));
        fs::create_dir(&mount).unwrap();
        fs::File::create(&image)
            .unwrap()
            .set_len(256 << 20)
            .unwrap();
        apart::done(Command::new(make).arg("-q").arg(&image))?;
        let disk = Self { image, mount };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        apart::done(mount.args(["-o", "loop"]).args([&self.image, &self.mount]))
    }

    /// Cuts the power, a moment after a file was written that nobody synced.
    fn cut(&self, round: usize) {
        let mut perl = Command::new("perl");
        perl.args(["-e", CUT])
            .arg(&self.mount)
            .arg(round.to_string());
        apart::done(&mut perl).unwrap();
    }

    /// Gives the power back; whether the file that nobody synced is there.
    fn restart(&self, round: usize) -> bool {
        apart::done(Command::new("umount").arg(&self.mount)).unwrap();
        self.mount().unwrap();
        let kept = fs::read(self.mount.join(format!("unsynced-{round}")));
        kept.is_ok_and(|content| content.len() == 5000)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_power_cut() {
    if !apart::is_apart("what_was_acknowledged_outlives_a_power_cut", true) {
        return;
    }
    let cuts = std::env::var("CONSIGN_POWER_CYCLES").ok();
    let cuts = cuts.map_or(10, |cuts| cuts.parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let disk = match Disk::new(scratch.path()) {
        Ok(disk) => disk,
        Err(why) => return println!("skipped: {why}"),
    };
    // The folder above the data folder is not the server's to make durable.
    let home = Home::within(&disk.mount);
    apart::done(&mut Command::new("sync")).unwrap();

    let mut server = Server::on(&home, load::long_lived);
    let ledger = Ledger::open(&server).await;
    let mut numbers = Numbers::new(20_261_124);
    let (mut interrupted, mut lost) = (0, 0);
    for cut in 0..cuts {
        let mut load = Load::begin(&server, &ledger, &mut numbers).await;
        load.acknowledges(numbers.within(1, 12), cut % 2).await;
        disk.cut(cut);
        server.kill();
        load.end().await;
        lost += usize::from(!disk.restart(cut));
        interrupted += home.stored("stages").len();
        server = Server::on(&home, load::long_lived);
        load::check(&server, &ledger).await;
    }
    let counts = load::of(&ledger).counts;
    println!(
        "{cuts} power cuts; {counts}; {interrupted} uploads interrupted; \
         {lost} files lost that were not synced"
    );
    assert!(lost > 0, "a cut that loses nothing proves nothing");
    drop(server);
    drop(home);
}
