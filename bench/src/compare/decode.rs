//! Decoding, against CTranslate2.

use std::thread;

use anyhow::Result;
use serde_json::json;

use super::{Options, interleave, share_of_equal_tokens, summary, write};
use crate::{
    decode::{LEN, MODELS},
    models::precisions,
    prepared::Prepared,
    side::Side,
};

/// Decoding, against CTranslate2.
pub(crate) fn decode(options: &Options) -> Result<()> {
    let threads = thread::available_parallelism()?.to_string();
    let mut results = Vec::new();
    println!(
        "{:<32} {:>12} {:>12} {:>7} {:>9} {:>9}  same tokens",
        "workload", "attentive/s", "CTranslate2/s", "ratio", "MiB", "MiB"
    );
    for name in MODELS {
        let model = Prepared::new(name)?;
        for precision in precisions(name) {
            for (beam, batch) in [("1", "32"), ("1", "1"), ("4", "32"), ("4", "1")] {
                let workload = format!("decode-{name} {precision} beam {beam} batch {batch}");
                if !workload.contains(&options.only) {
                    continue;
                }
                let (ours, rows) = (model.folder()?, model.rows()?);
                let theirs = model.of_peer("ctranslate2", precision)?;
                let peer = [&theirs, &rows, beam, batch, &LEN.to_string(), &threads];
                let mut sides = [
                    Side::ours("attentive", &["decode", name, &ours, precision, beam, batch])?,
                    Side::peer("CTranslate2", "translate.py", &peer)?,
                ];
                interleave(&mut sides, options.rounds)?;
                let [ours, theirs] = &sides;
                let same = share_of_equal_tokens(&ours.rounds[0].more["targets"], &theirs.rounds[0].more["targets"]);
                println!(
                    "{workload:<32} {:>12.0} {:>12.0} {:>7.2} {:>9.0} {:>9.0}  {:.1} %",
                    ours.rate(),
                    theirs.rate(),
                    ours.rate() / theirs.rate(),
                    ours.peak_mib(),
                    theirs.peak_mib(),
                    100.0 * same
                );
                results.push(json!({ "workload": workload, "same_tokens": same, "sides": summary(&sides) }));
            }
        }
    }
    write("decode", &json!({ "results": results }))
}
