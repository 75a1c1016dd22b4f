//! Power cuts: a virtual machine serves, devices outside of it send, and the machine is killed with what its memory held.
//!
//! `cargo xtask power-cuts` makes the kernel and the image and calls this. What the guest flushed is in a file of the host
//! and stays; what only lay in the guest's page cache is gone. `POWER_LAZY` is the negative control: the same binary over
//! a C library that syncs nothing must lose acked messages, or the suite proves nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tenon_client::driver::StoreChoice;

use crate::crash::{device_with, draw, seed, size, timeline};
use crate::harness::Place;
use crate::load::{Acked, Sender, connect, settle};
use crate::points::{Template, copy, free_address};

/// Kernel and root of the guest.
struct Image(PathBuf);

impl Image {
    /// As `cargo xtask power-cuts` says; nothing without it.
    fn given() -> Option<Self> {
        std::env::var_os("POWER_IMAGE").map(|folder| Self(folder.into()))
    }

    /// A data disk with this directory on it.
    fn disk(&self, data: &Path, to: &Path) {
        let folder = to.with_extension("root");
        copy(data, &folder.join("tenon"));
        std::fs::File::create(to).unwrap().set_len(1 << 30).unwrap();
        let mut format = Command::new("mkfs.ext4");
        format.args(["-q", "-F", "-d"]).arg(&folder).arg(to);
        assert!(format.status().unwrap().success(), "the disk is made");
    }

    fn boot(&self, disk: &Path, address: &str, serial: &Path, is_lazy: bool) -> Machine {
        let mut qemu = Command::new("qemu-system-x86_64");
        let lazy = if is_lazy { " power_lazy" } else { "" };
        let append =
            format!("console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check{lazy}");
        let drive = format!("file={},format=raw,if=virtio,cache=writeback", disk.display());
        let net = format!("user,model=virtio-net-pci,hostfwd=tcp:{address}-:7700");
        qemu.args(["-accel", "tcg", "-cpu", "qemu64,+rdrand", "-m", "512", "-smp", "1"]);
        qemu.args(["-nographic", "-no-reboot", "-monitor", "none", "-serial", "stdio"]);
        qemu.arg("-kernel")
            .arg(self.0.join("vmlinuz"))
            .arg("-initrd")
            .arg(self.0.join("initrd.gz"));
        qemu.args(["-append", &append, "-drive", &drive, "-nic", &net]);
        let out = std::fs::File::create(serial).unwrap();
        qemu.stdin(Stdio::null()).stdout(out).stderr(Stdio::inherit());
        Machine { child: qemu.spawn().unwrap(), serial: serial.to_owned() }
    }
}

struct Machine {
    child: Child,
    serial: PathBuf,
}

impl Machine {
    /// What it said on its serial line, checked.
    fn said(&self) -> String {
        let text = String::from_utf8_lossy(&std::fs::read(&self.serial).unwrap()).into_owned();
        for bad in ["power: verify failed", "power: no ", "power: ended", "panicked", "damaged:"] {
            assert!(!text.contains(bad), "{text}");
        }
        text
    }

    /// The power goes.
    fn cut(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.cut();
        }
    }
}

/// One data disk over all cuts, and devices that go on.
async fn cuts(image: &Image, count: usize, seed: &mut u64) {
    let (template, place) = (Template::new(), Place::new());
    let (disk, serial) = (place.dir.join("disk"), place.dir.join("serial"));
    image.disk(&template.place.data, &disk);
    let address = free_address();
    let mut machine = image.boot(&disk, &address, &serial, false);
    let devices = connect(&template, &place, &address).await;
    let acked = Arc::new(Acked::default());
    let senders = acked.send_all(&template, &devices);
    let (mut cuts, mut early) = (0, 0);
    while cuts < count {
        if draw(seed).is_multiple_of(5) {
            early += 1;
            tokio::time::sleep(Duration::from_millis(draw(seed) % 8000)).await;
        } else {
            acked.next(|| machine.said()).await;
            tokio::time::sleep(Duration::from_millis(draw(seed) % 3000)).await;
        }
        machine.said();
        machine.cut();
        cuts += 1;
        if cuts % 10 == 0 {
            println!("{cuts} cuts ({early} at any moment of the start), {} acked", acked.count());
        }
        machine = image.boot(&disk, &address, &serial, false);
    }
    acked.next(|| machine.said()).await;
    let count = settle(&template, &place, &acked, senders, devices).await;
    assert!(machine.said().contains("power: verified"));
    println!("power cuts: {cuts} ({early} early), {count} messages acked, 0 lost");
}

/// Each cut on a disk of its own, without any sync: in how many of them acked messages are missing afterwards.
async fn cuts_without_sync(image: &Image, count: usize, seed: &mut u64) -> usize {
    let template = Template::new();
    let mut losing = 0;
    for cut in 1..=count {
        let place = Place::new();
        let (disk, serial) = (place.dir.join("disk"), place.dir.join("serial"));
        image.disk(&template.place.data, &disk);
        let address = free_address();
        let mut machine = image.boot(&disk, &address, &serial, true);
        let devices = connect(&template, &place, &address).await;
        let acked = Arc::new(Acked::default());
        let senders = acked.send(&template, 0, &devices[0]);
        acked.next(|| machine.said()).await;
        tokio::time::sleep(Duration::from_millis(draw(seed) % 3000)).await;
        machine.cut();
        senders.iter().for_each(Sender::abort);
        drop(devices);
        let rows = acked.rows();
        let machine = image.boot(&disk, &address, &serial, false);
        let folder = place.dir.join("reader");
        let token = &template.tokens[1];
        let reader = device_with(&address, token, folder, StoreChoice::Memory, template.conv);
        // A server that refuses to start on what is left has lost it all.
        let found = match tokio::time::timeout(Duration::from_secs(60), reader).await {
            Ok(reader) => timeline(&reader.client, template.conv).await,
            Err(_) => Vec::new(),
        };
        let lost = rows.iter().filter(|row| !found.contains(row)).count();
        losing += usize::from(lost > 0);
        println!("cut {cut} without sync: {} acked, {lost} lost", rows.len());
        drop(machine);
    }
    losing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acked_is_lost_over_power_cuts() {
    let Some(image) = Image::given() else {
        println!("skipped: no image of a machine; cargo xtask power-cuts makes one");
        return;
    };
    let mut seed = seed("POWER_SEED");
    if std::env::var_os("POWER_LAZY").is_none() {
        return cuts(&image, size("POWER_CUTS", 3), &mut seed).await;
    }
    let count = size("POWER_CUTS", 3);
    let losing = cuts_without_sync(&image, count, &mut seed).await;
    println!("without sync: {losing} of {count} cuts lost acked messages");
    assert!(losing * 7 >= count * 5, "cuts that lose nothing without sync prove nothing with it");
}
