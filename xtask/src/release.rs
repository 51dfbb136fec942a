//! `cargo xtask release`: the program as others get it. Its bytes depend on the commit and the compiler, not on the
//! place of the sources, and it names what it was built from.
//!
//! `--twice` shows the first: two clones of the commit at different places, each built from an empty target folder,
//! must give the same bytes. For the second, cargo-auditable adds the list of dependencies, which `cargo audit bin` and
//! scanners of container images read.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome, cannot,
    cargo::{PROFILE, is_installed, root, run as run_program, target_dir},
    fail, not_run, say,
};

/// The program that adds the list, and the section that holds it.
const AUDITABLE: &str = "cargo-auditable";
const LIST: &[u8] = b".dep-v0";

/// Options of cargo that put the program at another place, where an older one may be left here, or make it otherwise.
const ELSEWHERE: [&str; 5] = ["--target", "--profile", "--artifact-dir", "--manifest-path", "--config"];

/// Variables by which this machine would make another program.
const SETTINGS: [&str; 4] = ["CARGO_PROFILE_", "CARGO_INCREMENTAL", "CARGO_BUILD_INCREMENTAL", "CARGO_BUILD_TARGET"];

/// Folders of the clones, with names of different lengths.
const CLONES: [&str; 2] = ["first", "once-again"];

/// Builds the program; `args` are options for cargo, except for `--twice`.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (twice, args): (Vec<&OsString>, Vec<&OsString>) = args.iter().partition(|arg| *arg == "--twice");
    refuse_elsewhere(&args)?;
    if !is_installed(AUDITABLE) {
        not_run("list of dependencies in the program", "cargo-auditable is not installed");
    }
    let folder = target_dir()?.join("dist");
    if !twice.is_empty() {
        return build_twice(&folder, &args);
    }
    let program = build(&root(), &folder, &args)?;
    say!("release: {}", program.display());
    Ok(())
}

/// Refuses options after which the program would not be the one that is looked at.
fn refuse_elsewhere(args: &[&OsString]) -> Outcome {
    let is_elsewhere = |arg: &str| ELSEWHERE.iter().any(|option| arg.starts_with(option));
    match args.iter().find(|arg| arg.to_str().is_some_and(is_elsewhere)) {
        Some(arg) => {
            fail(format!("release takes features, and not {}: it builds one profile for this machine", arg.display()))
        }
        None => Ok(()),
    }
}

/// Builds two clones of the commit and compares the programs.
fn build_twice(folder: &Path, args: &[&OsString]) -> Outcome {
    let mut programs = Vec::new();
    for name in CLONES {
        let clone = folder.join(name);
        remove(&clone)?;
        say!("release: building the last commit in {}", clone.display());
        run_program(Command::new("git").args(["clone", "--quiet", "--shared"]).arg(root()).arg(&clone))?;
        let program = build(&clone, &clone.join("target"), args)?;
        programs.push(fs::read(&program).map_err(|e| cannot("read", &program, &e))?);
    }
    match first_difference(&programs[0], &programs[1]) {
        Some(at) => fail(format!("the programs below {} differ from byte {at} on", folder.display())),
        None => {
            say!("release: built twice, the program has the same {} bytes", programs[0].len());
            CLONES.iter().try_for_each(|name| remove(&folder.join(name)))
        }
    }
}

/// The program of the sources at `root`, built in the folder `target`.
fn build(root: &Path, target: &Path, args: &[&OsString]) -> Outcome<PathBuf> {
    let is_auditable = is_installed(AUDITABLE);
    let mut command = if is_auditable {
        let mut command = Command::new(AUDITABLE);
        command.arg("auditable");
        command
    } else {
        Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    };
    command.args(["build", PROFILE, "--locked", "--package", "attentive-cli", "--bin", "attentive"]);
    command.arg("--manifest-path").arg(root.join("Cargo.toml")).arg("--target-dir").arg(target).args(args);
    let home = env::var_os("CARGO_HOME").map_or_else(|| env::home_dir().unwrap_or_default().join(".cargo"), Into::into);
    // From its own folder, whose settings for cargo then apply; flags, profiles and targets of this machine do not.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| SETTINGS.iter().any(|setting| name.starts_with(setting))) {
            command.env_remove(name);
        }
    }
    run_program(command.current_dir(root).env("CARGO_ENCODED_RUSTFLAGS", without_places(&home, root, target)))?;
    let program = target.join("release").join(format!("attentive{}", env::consts::EXE_SUFFIX));
    let bytes = fs::read(&program).map_err(|e| cannot("read", &program, &e))?;
    if is_auditable && cfg!(target_os = "linux") && !bytes.windows(LIST.len()).any(|part| part == LIST) {
        return fail(format!("{} has no list of its dependencies", program.display()));
    }
    Ok(program)
}

/// Flags for rustc, as cargo encodes them, that name this machine's folders alike everywhere: panics and lines of code
/// mention them.
fn without_places(home: &Path, root: &Path, target: &Path) -> OsString {
    // The last one that fits is taken, and the target folder is often in the sources' folder.
    let flags = [(home, "/cargo"), (root, "/attentive"), (target, "/target")].map(|(place, name)| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(place);
        flag.push("=");
        flag.push(name);
        flag
    });
    flags.join(OsStr::new("\x1f"))
}

/// The first byte that two files do not have in common.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let both = a.iter().zip(b).position(|(a, b)| a != b);
    both.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

fn remove(folder: &Path) -> Outcome {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(cannot("remove", folder, &e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_machine_have_the_same_names_everywhere() {
        let flags = without_places(Path::new("/c"), Path::new("/a b"), Path::new("/a b/target"));
        let expected = ["/c=/cargo", "/a b=/attentive", "/a b/target=/target"];
        let flags: Vec<&str> = flags.to_str().unwrap().split('\x1f').collect();
        assert_eq!(flags, expected.map(|places| format!("--remap-path-prefix={places}")));
    }

    #[test]
    fn a_program_at_another_place_is_refused() {
        let refused = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            refuse_elsewhere(&args.iter().collect::<Vec<_>>()).is_err()
        };
        assert!(!refused(&["--features", "serve,wgpu", "--no-default-features"]));
        for option in ["--target=x86_64-unknown-linux-musl", "--target-dir", "--profile"] {
            assert!(refused(&["--features", "serve", option]), "{option}");
        }
    }

    #[test]
    fn the_first_difference_is_a_byte_or_an_end() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"axc"), Some(1));
        assert_eq!(first_difference(b"abc", b"ab"), Some(2));
    }
}
