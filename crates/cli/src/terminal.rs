//! What tasks and runs have to say, on a terminal or in a file.

use std::{cell::RefCell, time::Duration};

use attentive_run::Log;
use indicatif::{ProgressBar, ProgressStyle};

/// Lines go to standard output, warnings to standard error, and a bar shows progress where there is a terminal.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    bar: RefCell<Option<ProgressBar>>,
}

impl Log for Terminal {
    fn line(&self, line: &str) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| report!("{line}")),
            None => report!("{line}"),
        }
    }

    fn warning(&self, line: &str) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| warning!("warning: {line}")),
            None => warning!("warning: {line}"),
        }
    }

    fn progress(&self, what: &str, done: usize, total: usize) {
        let mut bar = self.bar.borrow_mut();
        let shown = bar.get_or_insert_with(|| {
            let template = "{msg} {wide_bar} {pos}/{len}, {eta} left";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            let bar = ProgressBar::new(total as u64).with_message(what.to_owned()).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        shown.set_position(done as u64);
        if done == total {
            shown.finish_and_clear();
            *bar = None;
        }
    }
}
