//! `cargo xtask vulkan`: the wgpu backend compared with flex, on the machine's Vulkan.
//!
//! Mesa's llvmpipe is a Vulkan device in software, so the check needs no GPU.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
    process::Command,
};

use crate::{
    Outcome, before_dashes,
    cargo::{PROFILE, cargo},
    debian, suite,
    temp_dir::TempDir,
};

/// Debian's software Vulkan: the driver and the loader.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// Runs the parity tests; `args` other than `--install` and `--if-present` go to `cargo test`.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    if !debian::provides("vulkan", args, &PACKAGES, "no Vulkan here, not even in software", has_vulkan)? {
        return Ok(());
    }
    let rest = args.iter().filter(|arg| !["--install", "--if-present"].map(OsStr::new).contains(&arg.as_os_str()));

    // Mesa needs a private folder for its files.
    // Features that the user gives, for example `wgpu-unfused`, replace ours.
    let own_features = before_dashes(args).iter().any(|arg| arg.to_string_lossy().starts_with("--features"));
    let features: &[&str] = if own_features { &[] } else { &["--features", "wgpu"] };
    let runtime_dir = TempDir::new("vulkan")?;
    suite::run_summed(
        "vulkan",
        cargo("test")
            .args([PROFILE, "--package", "attentive-cli", "--test", "backends_agree"])
            .args(features)
            .args(rest)
            .env("XDG_RUNTIME_DIR", runtime_dir.path()),
    )
}

/// Whether the loader and at least one driver are in the usual places on Linux.
fn has_vulkan() -> bool {
    if !cfg!(target_os = "linux") {
        return true; // Metal and DX12 come with the system.
    }
    let loader = Command::new("ldconfig")
        .arg("-p")
        .env("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("libvulkan.so.1"));
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| env::var_os(name).is_some());
    let listed = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]
        .iter()
        .any(|folder| fs::read_dir(Path::new(folder)).is_ok_and(|mut entries| entries.next().is_some()));
    loader && (named || listed)
}
