//! Comparisons of systems, as JSON.

use attentive_metrics::{Comparisons, Estimate};
use serde_json::{Value, json};

/// The comparisons of several systems by one score, in sacreBLEU's words where it has some: `mean` and `ci` are of the resampled
/// scores.
pub fn comparisons_json(report: &Comparisons) -> Value {
    let system = |name: &str, estimate: &Estimate| {
        json!({
            "system": name,
            "score": estimate.score,
            "mean": estimate.interval.map(|interval| interval.mean),
            "ci": estimate.interval.map(|interval| interval.half_width),
        })
    };
    let compared = report.systems.iter().map(|(name, comparison)| {
        let mut value = system(name, &comparison.system);
        value["difference"] = (comparison.system.score - comparison.baseline.score).into();
        value["p_value"] = comparison.p_value.into();
        value["significant"] = comparison.is_significant().into();
        value
    });
    json!({
        "metric": report.metric,
        "signature": report.signature.to_string(),
        "lower_is_better": report.lower_is_better,
        "baseline": system(&report.baseline.0, &report.baseline.1),
        "systems": compared.collect::<Vec<_>>(),
    })
}
