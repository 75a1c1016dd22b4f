//! A full disk and a damaged one: refused with a name, nothing acked lost, nothing skipped in silence.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::ConversationId;
use tenon_client::driver::{Client, ClientOptions, StoreChoice};
use tenon_client::engine::Auth;

use crate::crash::timeline;
use crate::harness::{PATIENCE, Place, Server};

/// A small file system of its own; needs the right to mount.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// The same as ext4 on a loop device, in a file beside.
    fn mount_ext4(at: &Path, megabytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let image = at.with_extension("ext4");
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let done = |command: &mut Command| command.status().is_ok_and(|status| status.success());
        let is_mounted = done(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))
            && done(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(at));
        is_mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

async fn client(address: &str, token: &str) -> Client {
    let auth = Auth::Credential(Bytes::copy_from_slice(token.as_bytes()));
    let mut options = ClientOptions::new(format!("tcp://{address}").parse().unwrap(), auth);
    options.store = StoreChoice::Memory;
    let (client, mut events) = Client::connect(options).await.unwrap();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    client.ready().await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let mut place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.dir.join("disk"), 160) else {
        println!("skipped: no right to mount a small file system");
        return;
    };
    place.data = disk.0.join("data");
    let config = place.config(
        "[log]\nsegment = \"4 MiB\"\nreserve = \"8 MiB\"\n[limits]\ndevice = \"0/s 0\"\n\
         user = \"0/s 0\"\nconversation = \"0/s 0\"\n",
    );
    let config = config.to_str().unwrap().to_owned();
    let mut server = place.serve_with(&["--config", &config]);
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    let made = place.tenon(&["group", "create", "pair", "--member", "ada", "--member", "bob"]).ok();
    let conv = ConversationId(made.out.trim().parse().unwrap());
    let (token, reader) = (place.mint("ada", "desk"), place.mint("bob", "desk"));
    let ada = client(&server.address, &token).await;

    // A sign-in may be a record of the log, which a full disk refuses; who is connected reads on.
    let bob = client(&server.address, &reader).await;
    // Somebody else fills the disk up to the reserve.
    let filler = disk.0.join("filler");
    fill(&filler, &disk.0, 9);
    let body = "x".repeat(20_000);
    let mut acked = 0u64;
    let mut waiting = loop {
        let (device, text) = (ada.clone(), body.clone());
        let mut sending = tokio::spawn(async move { device.send_text(conv, text).await });
        // An ack, or the server says why there is none.
        let sent = loop {
            match tokio::time::timeout(Duration::from_secs(3), &mut sending).await {
                Ok(sent) => break Some(sent.unwrap().unwrap()),
                Err(_) if place.log().contains("disk full") => break None,
                Err(_) => {}
            }
        };
        match sent {
            Some(sent) => acked = sent.seq.0,
            None => break sending,
        }
        assert!(acked < 5_000, "the disk is never full");
    };
    assert!(place.log().contains("disk full"), "{}", place.log());
    // Reads go on.
    assert_eq!(timeline(&bob, conv).await.last().map(|(seq, _)| *seq), Some(acked));
    // With space again, what waited is acked, as the next message.
    std::fs::remove_file(&filler).unwrap();
    let sent = tokio::time::timeout(PATIENCE, &mut waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(sent.seq.0, acked + 1);
    server.kill();
    let server = place.serve_with(&["--config", &config]);
    let all = server.device("history", &reader, &["--group", "pair", "--all", "--json"]).ok();
    assert_eq!(all.rows().len() as u64, acked + 1);
    drop(server);
}

/// Takes every byte that is left.
fn fill_up(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut filler = std::fs::File::create(&path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while std::io::Write::write_all(&mut filler, &vec![1; size]).is_ok() {
            if filler.sync_all().is_err() {
                break;
            }
        }
    }
    path
}

/// Sends until no ack comes, or the server ends. Gives the highest number acked.
async fn send_until_it_stops(
    place: &Place,
    ada: &Client,
    conv: ConversationId,
    server: &mut Server,
) -> u64 {
    let mut acked = 0;
    let (device, text) = (ada.clone(), "x".repeat(4_000));
    let mut sending = tokio::spawn(async move { device.send_text(conv, text).await });
    while server.child.try_wait().unwrap().is_none() {
        match tokio::time::timeout(Duration::from_secs(5), &mut sending).await {
            Ok(sent) => acked = sent.unwrap().unwrap().seq.0,
            Err(_) if place.log().contains("disk full") => break,
            Err(_) => continue,
        }
        let (device, text) = (ada.clone(), "x".repeat(4_000));
        sending = tokio::spawn(async move { device.send_text(conv, text).await });
    }
    sending.abort();
    acked
}

/// The log has prepared segments and goes on for a while; the store and the accounts have nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_full_to_the_last_byte_loses_nothing() {
    let mut place = Place::new();
    let Some(disk) = SmallDisk::mount_ext4(&place.dir.join("disk"), 200) else {
        println!("skipped: no right to mount a small file system");
        return;
    };
    place.data = disk.0.join("data");
    let config = place.config(
        "[log]\nsegment = \"1 MiB\"\nreserve = \"1 MiB\"\n[store]\nmemtable_age = \"3 s\"\n\
         [limits]\ndevice = \"0/s 0\"\nuser = \"0/s 0\"\nconversation = \"0/s 0\"\n",
    );
    let args = ["--config", config.to_str().unwrap()];
    let mut server = place.serve_with(&args);
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    let made = place.tenon(&["group", "create", "pair", "--member", "ada", "--member", "bob"]).ok();
    let conv = ConversationId(made.out.trim().parse().unwrap());
    let (token, reader) = (place.mint("ada", "desk"), place.mint("bob", "desk"));
    let ada = client(&server.address, &token).await;
    let first = ada.send_text(conv, "there is space".to_owned()).await.unwrap().seq.0;

    // While messages come, so that some are not in the store yet when there is nothing left for it.
    let mounted = disk.0.clone();
    let filling = tokio::task::spawn_blocking(move || fill_up(&mounted));
    let acked = send_until_it_stops(&place, &ada, conv, &mut server).await.max(first);
    let filler = filling.await.unwrap();
    let log = place.log();
    assert!(log.contains("No space left") || log.contains("disk full"), "{log}");
    drop(ada);
    server.kill();
    // A start on the full disk serves what is there or refuses with a reason.
    match place.start(&args, &[]) {
        Ok(mut server) => {
            let added = place.tenon(&["user", "add", "cyd"]);
            assert!(added.code == 0 || added.err.contains("disk"), "{added:?}");
            server.kill();
        }
        Err(status) => {
            assert_eq!(status.code(), Some(1));
            let log = place.log();
            assert!(log.contains("No space left") || log.contains("disk full"), "{log}");
        }
    }
    // With space everything that was acked is there, accounts can be made, and messages go on.
    std::fs::remove_file(&filler).unwrap();
    let server = place.serve_with(&args);
    place.tenon(&["user", "add", "dan"]).ok();
    let said = ["--group", "pair", "--all", "--json"];
    let rows = server.device("history", &reader, &said).ok().rows();
    assert!(rows.len() as u64 >= acked, "{} of {acked}", rows.len());
    let is_dense = rows.iter().zip(1..).all(|(row, seq)| row["seq"] == seq);
    assert!(is_dense, "once, in one order");
    server.device("send", &token, &["--group", "pair", "again"]).ok();
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
}

/// Leaves this many megabytes free.
fn fill(filler: &Path, disk: &Path, leave_megabytes: u64) {
    let space = rustix::fs::statvfs(disk).unwrap();
    let free = space.f_bavail * space.f_frsize;
    let take = free.saturating_sub(leave_megabytes << 20);
    std::fs::write(filler, vec![0u8; usize::try_from(take).unwrap()]).unwrap();
}

#[test]
fn a_damaged_log_is_told_and_never_cut() {
    let place = Place::new();
    let mut server = place.serve();
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    let token = place.mint("ada", "desk");
    for n in 0..20 {
        server.device("send", &token, &["--to", "bob", &format!("message {n}")]).ok();
    }
    server.kill();
    // A byte of a record in the middle turns over.
    let mut damaged = Vec::new();
    for path in files(&place.data.join("log")) {
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = find(&bytes, b"message 7") {
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            damaged.push((path, bytes));
        }
    }
    let [(segment, before)] = &damaged[..] else { panic!("the message stands in one segment") };
    let mut second = crate::harness::binary();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&place.data);
    let told = place.dir.join("told.log");
    let second = second.arg("--ready-file").arg(place.dir.join("never.json"));
    let mut child = second.stderr(std::fs::File::create(&told).unwrap()).spawn().unwrap();
    let begun = std::time::Instant::now();
    let read = || std::fs::read_to_string(&told).unwrap();
    while !read().contains("log_damaged") && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "{}", read());
        std::thread::sleep(Duration::from_millis(50));
    }
    if child.try_wait().unwrap().is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = read();
    assert!(said.contains("damage"), "{said}");
    assert!(said.contains("log_damaged"), "the page is named: {said}");
    let after = std::fs::read(segment).unwrap();
    let at = find(before, b"message 6").unwrap();
    assert_eq!(after[..at], before[..at], "nothing before the damage was touched");
    assert!(find(&after, b"message 19").is_some(), "nothing behind it was cut");
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
