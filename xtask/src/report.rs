//! `cargo xtask golden --report`: runs every comparison with other systems and writes the measured errors to
//! `docs/fidelity.md`.
//!
//! Tests named `golden…` and `gradients…` write a row for each comparison into the folder that `ATTENTIVE_FIDELITY`
//! names, its fields separated by tabs: area, what, against, cases, largest error, allowed error, the other system's own
//! error in f32.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    Outcome, cannot,
    cargo::{ALL, PROFILE, cargo, root, run as run_program},
    fail, say,
    temp_dir::TempDir,
};

const PAGE: &str = "docs/fidelity.md";

const HEAD: &str = "\
# Fidelity

The results of attentive, compared with those of independent implementations from the same inputs. This page is written
by `cargo xtask golden --report`, which runs the comparisons; `cargo xtask golden --check` computes the side of the other
systems again. All comparisons are part of `cargo xtask test`, which fails if an error is larger than allowed.
";

/// Section on the sweep over folders, which takes too long for the report.
const FOLDERS: &str = include_str!("sweep.md");

/// The areas in the page's order: name in a row, heading, and definition of an error.
const AREAS: [(&str, &str, &str); 4] = [
    (
        "Numbers",
        "Numbers of the model",
        "Our f32 against the other's f64: ‖ours − theirs‖ / ‖theirs‖ of the worst tensor, gradients included. The last column is
the error of the other's own f32. `flex` runs our fused kernels, `ndarray` the same formulas by burn's operations.",
    ),
    (
        "Weights",
        "Weights in and out",
        "The largest absolute difference of a logit, unless the row says otherwise.",
    ),
    ("Scores", "Scores", "The largest absolute difference of a score, on its scale of 0 to 100, or of a p-value."),
    ("Tokenizers", "Tokenizers", "Ids and decoded text must be equal."),
];

/// One comparison, as a test wrote it.
struct Row {
    area: String,
    /// What, against, cases, largest error, allowed error, the other's f32, as shown.
    cells: [String; 6],
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let fields: [&str; 7] = line.trim_end().split('\t').collect::<Vec<_>>().try_into().ok()?;
        let [area, what, against, n_cases, largest, allowed, others] = fields;
        let number = |text: &str| text.parse::<f64>().ok();
        let [largest, allowed, others] = [number(largest)?, number(allowed)?, number(others)?];
        let error = if largest == 0.0 { "equal".into() } else { format!("{largest:.1e}") };
        let allowed = if allowed == 0.0 { "none".into() } else { format!("{allowed:e}") };
        let others = if others == 0.0 { String::new() } else { format!("{others:.1e}") };
        let cells = [what.into(), against.into(), n_cases.into(), error, allowed, others];
        Some(Self { area: area.into(), cells })
    }
}

/// Runs the comparisons and writes the page.
pub(crate) fn run() -> Outcome {
    let rows = TempDir::new("fidelity")?;
    run_program(
        cargo("test")
            .arg(PROFILE)
            .args(ALL)
            .args(["--quiet", "--tests", "--", "golden", "gradients"])
            .env("ATTENTIVE_FIDELITY", rows.path()),
    )?;
    let rows = read_rows(rows.path())?;
    let page = root().join(PAGE);
    fs::write(&page, text(&rows)).map_err(|e| cannot("write", &page, &e))?;
    say!("{} comparisons in {PAGE}", rows.len());
    Ok(())
}

fn read_rows(folder: &Path) -> Outcome<Vec<Row>> {
    let unreadable = |e| cannot("read", folder, &e);
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let line = fs::read_to_string(entry.map_err(unreadable)?.path()).map_err(unreadable)?;
        match Row::parse(&line) {
            Some(row) => rows.push(row),
            None => return fail(format!("a test wrote a row that the report can't read: {line:?}")),
        }
    }
    rows.sort_by(|a, b| a.cells.cmp(&b.cells));
    Ok(rows)
}

fn text(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    for (area, heading, meaning) in AREAS {
        let mut rows = rows.iter().filter(|row| row.area == area).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let _ = write!(page, "\n## {heading}\n\n{meaning}\n\n");
        page +=
            "| what | compared with | cases | largest error | allowed | theirs in f32 |\n|---|---|---|---|---|---|\n";
        for row in rows {
            let _ = writeln!(page, "| {} |", row.cells.join(" | "));
        }
    }
    page + FOLDERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_their_area() {
        let lines = ["Scores\tBLEU\tsacreBLEU 2\t3\t1e-13\t1e-9\t0e0\n", "Tokenizers\tBPE\tx 1\t5\t0e0\t0e0\t0e0\n"];
        let rows: Vec<Row> = lines.iter().map(|line| Row::parse(line).unwrap()).collect();
        let page = text(&rows);
        let scores = page.find("## Scores").unwrap();
        assert!(page[scores..].contains("| BLEU | sacreBLEU 2 | 3 | 1.0e-13 | 1e-9 |  |\n"));
        assert!(page[scores..].contains("| BPE | x 1 | 5 | equal | none |  |\n"));
        assert!(!page.contains("## Weights"));
        assert!(Row::parse("Scores\tBLEU").is_none());
    }
}
