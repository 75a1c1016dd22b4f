//! Power cuts: makes a kernel and a root for a virtual machine and runs the suite of the binary over them.
//!
//! `cargo xtask power-cuts [--count N] [--without-sync] [--seed N] [--binary PATH]`. The kernel is that of Debian; what
//! is missing is installed with apt-get. Nothing needs hardware support: the machine is emulated.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::check::succeeds;

/// Program that is needed, and the package that has it.
const TOOLS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("mkfs.ext4", "e2fsprogs"),
    ("cpio", "cpio"),
    ("dpkg-deb", "dpkg"),
];
/// Names the newest kernel for virtual machines.
const KERNEL: &str = "linux-image-cloud-amd64";
/// Modules for disk and network of the machine, each after those that it needs.
const MODULES: &[&str] = &[
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
];
/// What the machine does: checks the data directory, then serves it until the power goes.
const INIT: &str = include_str!("power/init.sh");
const CONFIG: &str = include_str!("power/tenon.toml");

/// Runs the suite.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    match cut(root, args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            println!("{why}");
            ExitCode::from(2)
        }
    }
}

fn cut(root: &Path, args: &[String]) -> Result<bool, String> {
    let value = |name: &str| {
        let at = args.iter().position(|word| word == name)?;
        args.get(at + 1).cloned()
    };
    let binary = value("--binary").map(PathBuf::from);
    let binary = match binary {
        Some(binary) => binary,
        None => {
            let build = ["build", "--locked", "--release", "-p", "tenon-server"];
            must(Command::new("cargo").args(build).current_dir(root))?;
            root.join("target/release/tenon")
        }
    };
    install()?;
    let folder = root.join("target/power");
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    image(root, &folder, &binary)?;
    let test = [
        "test",
        "--locked",
        "-p",
        "tenon-server",
        "--test",
        "binary",
        "power::",
        "--",
        "--nocapture",
    ];
    let mut command = Command::new("cargo");
    command.args(test).current_dir(root).env("POWER_IMAGE", &folder).env("CRASH_BINARY", &binary);
    if args.iter().any(|word| word == "--without-sync") {
        command.env("POWER_LAZY", "yes");
    }
    for (name, word) in [("POWER_CUTS", "--count"), ("POWER_SEED", "--seed")] {
        if let Some(value) = value(word) {
            command.env(name, value);
        }
    }
    Ok(succeeds(&mut command))
}

/// Installs what is missing.
fn install() -> Result<(), String> {
    let is_there = |program: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}")]);
        command.stdout(Stdio::null());
        succeeds(&mut command)
    };
    let missing: Vec<&str> = TOOLS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    must(Command::new("apt-get").args(["update", "-qq"]))?;
    must(Command::new("apt-get").args(["install", "-y", "--no-install-recommends"]).args(missing))
}

/// Kernel and root of the machine, in `folder`: `vmlinuz`, `initrd.gz`.
fn image(root: &Path, folder: &Path, binary: &Path) -> Result<(), String> {
    let kernel = kernel(folder)?;
    let to = folder.join("root");
    let told = |error: std::io::Error| error.to_string();
    if to.exists() {
        fs::remove_dir_all(&to).map_err(told)?;
    }
    for name in ["bin", "dev", "proc", "sys", "data", "tmp", "modules", "etc", "lib"] {
        fs::create_dir_all(to.join(name)).map_err(told)?;
    }
    copy(&which("busybox")?, &to.join("bin/busybox"))?;
    copy(binary, &to.join("bin/tenon"))?;
    if !succeeds(Command::new("strip").arg(to.join("bin/tenon"))) {
        println!("not stripped: the machine starts a little later");
    }
    for library in libraries(binary)? {
        let target = to.join(library.strip_prefix("/").unwrap_or(&library));
        copy(&library, &target)?;
    }
    for module in MODULES {
        let name = Path::new(module).file_name().unwrap_or_default().to_string_lossy().into_owned();
        copy(&kernel.join(format!("{module}.ko")), &to.join("modules").join(format!("{name}.ko")))?;
    }
    let source = root.join("crates/tenon-server/tests/interpose/disk.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(to.join("lib/disk.so")).arg(source);
    must(compiler.arg("-ldl"))?;
    fs::write(to.join("etc/tenon.toml"), CONFIG).map_err(told)?;
    fs::write(to.join("init"), INIT).map_err(told)?;
    fs::set_permissions(to.join("init"), fs::Permissions::from_mode(0o755)).map_err(told)?;
    let pack = "find . | cpio -o -H newc --quiet | gzip -1 > ../initrd.gz";
    must(Command::new("sh").args(["-c", pack]).current_dir(&to))
}

/// Fetches and unpacks the kernel once; gives the folder of its modules.
fn kernel(folder: &Path) -> Result<PathBuf, String> {
    let unpacked = folder.join("kernel");
    if !folder.join("vmlinuz").exists() {
        let depends = output(Command::new("apt-cache").args(["depends", KERNEL]))?;
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .ok_or(format!("{KERNEL} is not known to apt; apt-get update"))?;
        let package = format!("linux-image-{package}");
        must(Command::new("apt-get").args(["download", &package]).current_dir(folder))?;
        let unpack = format!(
            "dpkg-deb -x {package}_*.deb kernel && rm {package}_*.deb && cp kernel/boot/vmlinuz* vmlinuz"
        );
        must(Command::new("sh").args(["-c", &unpack]).current_dir(folder))?;
    }
    let modules = fs::read_dir(unpacked.join("lib/modules")).map_err(|e| e.to_string())?;
    let version = modules.filter_map(Result::ok).next().ok_or("a kernel without modules")?;
    Ok(version.path().join("kernel"))
}

/// The shared libraries of a program, its loader too.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>, String> {
    let text = output(Command::new("ldd").arg(binary))?;
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    let mut found: Vec<PathBuf> = text.lines().filter_map(path).collect();
    // The library below it needs this one, where the C library keeps it apart.
    if let Some(beside) = found.first().and_then(|path| path.parent()) {
        let dl = beside.join("libdl.so.2");
        found.extend(dl.exists().then_some(dl));
    }
    Ok(found)
}

fn which(program: &str) -> Result<PathBuf, String> {
    Ok(output(Command::new("which").arg(program))?.trim().into())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|e| e.to_string())?;
    }
    fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

fn must(command: &mut Command) -> Result<(), String> {
    if succeeds(command) { Ok(()) } else { Err(format!("{command:?} failed")) }
}

fn output(command: &mut Command) -> Result<String, String> {
    let out = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !out.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&out.stderr)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
