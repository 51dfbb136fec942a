//! A run whose terminal is closed.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::Folder;

const MODEL: &str = "d_model = 16\nd_ff = 16\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\ndropout = 0.0\n";

#[test]
fn a_run_of_nohup_goes_on_after_its_terminal_is_closed() {
    let folder = Folder::new();
    folder.write_copying("copy", [200, 100, 100], MODEL);
    // The shell leaves its process to the command, with SIGHUP ignored, as nohup does.
    let train = format!("trap '' HUP; exec '{}' train copy.toml", env!("CARGO_BIN_EXE_attentive"));
    let mut child = Command::new("sh")
        .args(["-c", &train])
        .current_dir(folder.path("."))
        .env_remove("ATTENTIVE_BACKEND")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    let log = folder.path("runs/copy-1/metrics.jsonl");
    while fs::read_to_string(&log).unwrap_or_default().lines().count() < 2 && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    Command::new("sh").arg("-c").arg(format!("kill -HUP {}", child.id())).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && text.contains("trained 200 steps"), "{text}");
}
