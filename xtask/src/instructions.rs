//! The check that no vector instruction is called as a function.
//!
//! A function of `core::core_arch` is one instruction, and is inlined if the caller has that instruction enabled. If
//! not (a closure, which is a separate function; a function that is not inlined), it is called, which costs many times
//! as much, and every test still passes.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    Outcome, cannot,
    cargo::{PROFILE, cargo, release_dir, run as run_program},
    fail, not_run, say,
    symbols::{Function, functions},
};

/// The module as written in a mangled name.
const INTRINSICS: &str = "4core9core_arch";

/// Checks the kernels' own program, which it builds first, and the command if it has been built.
pub(crate) fn check() -> Outcome {
    run_program(cargo("build").args([PROFILE, "--package", "attentive-kernels", "--example", "bench_kernels"]))?;
    let release = release_dir()?;
    let [kernels, command] = ["examples/bench_kernels", "attentive"].map(|name| program(&release, name));
    inspect(&kernels)?;
    if command.exists() {
        return inspect(&command);
    }
    not_run("calls of instructions in attentive", "it is not built");
    Ok(())
}

fn program(release: &Path, name: &str) -> PathBuf {
    release.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn inspect(program: &Path) -> Outcome {
    let bytes = fs::read(program).map_err(|e| cannot("read", program, &e))?;
    let Some(functions) = functions(&bytes) else {
        let why = format!("{} is not an ELF program with symbols", program.display());
        not_run("calls of instructions", &why);
        return Ok(());
    };
    let called: Vec<&str> = functions.iter().filter(|function| is_called(function)).map(|f| f.name).collect();
    if called.is_empty() {
        say!("check: {} calls none of them", program.display());
        return Ok(());
    }
    fail(format!(
        "{} calls vector instructions of ours as functions; keep them out of closures, and their callers inlined \
         (`cargo build --release` if that program is an old one):\n  {}",
        program.display(),
        called.join("\n  ")
    ))
}

/// Whether this is an instruction that one of our crates calls; third-party crates are not checked.
fn is_called(function: &Function<'_>) -> bool {
    let ours = |object: &str| object.starts_with("attentive_") || object.starts_with("bench_kernels.");
    function.name.contains(INTRINSICS) && function.object.is_some_and(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_calls_of_instructions_are_told_from_those_of_others() {
        let called = |name, object| is_called(&Function { name, object });
        let add = "_ZN4core9core_arch3x864avx216_mm256_add_epi3217h0db5aa2e56c638cbE";
        assert!(called(add, Some("attentive_kernels.be2d29469b932dd8-cgu.08")));
        assert!(!called(add, Some("gemm_f64.f357fc36736ace68-cgu.04")));
        assert!(called("_RNvNtNtNtCsgEmfK2I1SDS_4core9core_arch3x867avx512f15__mm512_loadu_ps", Some("attentive_x.1")));
        assert!(!called("_ZN17attentive_kernels6matmul6matmul17h0db5aa2e56c638cbE", Some("attentive_kernels.1")));
    }
}
