//! What the paper concludes from Table 3, held against rows that were trained.

use attentive_model::table3::Table3Row;

use crate::{Part, Table};

/// A row that was trained: its scores with each seed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trained {
    pub(super) paper: Table3Row,
    pub(super) n_params: u64,
    /// Perplexity of the validation set, per token.
    pub(super) perplexity: Vec<f64>,
    /// BLEU of the test set.
    pub(super) bleu: Vec<f64>,
}

/// One conclusion: the row `better` is better than the row `worse` by a score.
struct Claim {
    text: &'static str,
    better: &'static str,
    worse: &'static str,
    by: Score,
}

/// What a conclusion is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Score {
    Perplexity,
    Bleu,
    /// The two rows are alike in perplexity.
    Alike,
}

/// The conclusions of §6.2 that two rows decide.
#[rustfmt::skip]
const CLAIMS: [Claim; 14] = [
    Claim { text: "one head is worse than the best number of them", better: "base", worse: "A h=1", by: Score::Perplexity },
    Claim { text: "too many heads are worse, too", better: "base", worse: "A h=32", by: Score::Perplexity },
    Claim { text: "smaller keys are worse", better: "base", worse: "B d_k=16", by: Score::Perplexity },
    Claim { text: "four layers are better than two", better: "C N=4", worse: "C N=2", by: Score::Perplexity },
    Claim { text: "six layers are better than four", better: "base", worse: "C N=4", by: Score::Perplexity },
    Claim { text: "half the width is worse", better: "base", worse: "C d_model=256", by: Score::Perplexity },
    Claim { text: "twice the width is better", better: "C d_model=1024", worse: "base", by: Score::Perplexity },
    Claim { text: "half the inner width is worse", better: "base", worse: "C d_ff=1024", by: Score::Perplexity },
    Claim { text: "twice the inner width is better", better: "C d_ff=4096", worse: "base", by: Score::Perplexity },
    Claim { text: "dropout helps", better: "base", worse: "D dropout=0.0", by: Score::Perplexity },
    Claim { text: "label smoothing hurts perplexity (§5.4)", better: "D smoothing=0.0", worse: "base", by: Score::Perplexity },
    Claim { text: "label smoothing improves BLEU (§5.4)", better: "base", worse: "D smoothing=0.0", by: Score::Bleu },
    Claim { text: "learned positions are nearly as good", better: "E learned positions", worse: "base", by: Score::Alike },
    Claim { text: "the big model is better", better: "big", worse: "base", by: Score::Perplexity },
];

/// The conclusions that the trained rows decide: the paper's difference, ours, and whether it holds.
pub(super) fn conclusions(rows: &[Trained]) -> Option<Part> {
    let noise = [Score::Perplexity, Score::Bleu].map(|score| noise(rows, score));
    let mut table = Table::new(["conclusion", "rows", "score", "paper", "here", "noise", "holds here"])
        .under("The paper's conclusions (§6.2): differences of the first row from the second");
    let mut any = false;
    for claim in &CLAIMS {
        let find = |name| rows.iter().find(|row| row.paper.name == name);
        let (Some(better), Some(worse)) = (find(claim.better), find(claim.worse)) else { continue };
        any = true;
        let score = claim.by;
        let of_paper = score.paper(&better.paper) - score.paper(&worse.paper);
        let here = mean(score.values(better)) - mean(score.values(worse));
        let noise = noise[usize::from(score == Score::Bleu)];
        table.row([
            claim.text.into(),
            format!("{}, {}", claim.better, claim.worse),
            score.name().into(),
            format!("{of_paper:+.2}"),
            format!("{here:+.2}"),
            noise.map_or_else(|| "unknown".into(), |noise| format!("±{noise:.2}")),
            score.verdict(here, noise).to_owned(),
        ]);
    }
    any.then(|| table.into())
}

impl Score {
    fn name(self) -> &'static str {
        if self == Self::Bleu { "BLEU" } else { "PPL" }
    }

    fn paper(self, row: &Table3Row) -> f64 {
        if self == Self::Bleu { row.bleu } else { row.perplexity }
    }

    fn values(self, row: &Trained) -> &[f64] {
        if self == Self::Bleu { &row.bleu } else { &row.perplexity }
    }

    /// Whether a difference is what the paper found; what is smaller than the noise decides nothing.
    fn verdict(self, difference: f64, noise: Option<f64>) -> &'static str {
        let gain = if self == Self::Bleu { difference } else { -difference };
        let is_noise = noise.is_some_and(|noise| difference.abs() <= noise);
        match self {
            _ if !difference.is_finite() => "not scored",
            Self::Alike if noise.is_none() => "needs several seeds",
            Self::Alike if is_noise => "yes",
            Self::Alike => "no",
            _ if is_noise => "within noise",
            _ if gain > 0.0 => "yes",
            _ => "no",
        }
    }
}

/// Half of the 95 % interval of the difference of two rows' means; `None` where there are not two rows and two seeds.
///
/// Rows share their seeds, and a seed is lucky or unlucky for all of them: the variance is that of what rows and seeds leave
/// (the residual of a two-way analysis of variance).
fn noise(rows: &[Trained], score: Score) -> Option<f64> {
    let scores: Vec<&[f64]> = rows.iter().map(|row| score.values(row)).collect();
    let n_seeds = scores.iter().map(|values| values.len()).min()?;
    let freedom = (scores.len() - 1) * n_seeds.checked_sub(1)?;
    let of_seed = |seed: usize| scores.iter().map(|values| values[seed]).sum::<f64>() / scores.len() as f64;
    let of_seeds: Vec<f64> = (0..n_seeds).map(of_seed).collect();
    let all = mean(&of_seeds);
    let residual = |values: &[f64]| {
        let of_row = mean(&values[..n_seeds]);
        values.iter().zip(&of_seeds).map(|(value, of_seed)| (value - of_row - of_seed + all).powi(2)).sum::<f64>()
    };
    let squares: f64 = scores.iter().map(|values| residual(values)).sum();
    (freedom > 0).then(|| 1.96 * (squares / freedom as f64).sqrt() * (2.0 / n_seeds as f64).sqrt())
}

/// The mean; not a number where there is no value.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean, and the standard deviation if there are several values.
pub(super) fn spread(values: &[f64]) -> String {
    let mean = mean(values);
    match values {
        [] => "—".into(),
        [value] => format!("{value:.2}"),
        _ => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            format!("{mean:.2} ± {:.2}", (squares / (values.len() - 1) as f64).sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use attentive_model::table3::table3;

    use super::*;

    fn trained(name: &str, perplexity: &[f64], bleu: &[f64]) -> Trained {
        let paper = table3(100).into_iter().find(|row| row.name == name).unwrap();
        Trained { paper, n_params: 1, perplexity: perplexity.to_vec(), bleu: bleu.to_vec() }
    }

    fn verdicts(rows: &[Trained]) -> Vec<(String, String)> {
        match conclusions(rows) {
            Some(Part::Table(table)) => table.rows().iter().map(|row| (row[0].clone(), row[6].clone())).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_difference_within_the_noise_of_seeds_decides_nothing() {
        // The second seed is worse by 1 for both rows. Beside that, it is worse by 0.2 for the first one: four residuals of
        // 0.05, one degree of freedom, a standard deviation of 0.1 and a noise of 0.196.
        let base = trained("base", &[4.0, 5.2], &[20.0, 21.0]);
        let near = trained("A h=1", &[4.2, 5.2], &[20.0, 21.0]);
        let far = trained("A h=1", &[4.4, 5.4], &[20.0, 21.0]);
        let other_way = trained("A h=1", &[3.8, 4.8], &[20.0, 21.0]);
        for (row, verdict) in [(near, "within noise"), (far, "yes"), (other_way, "no")] {
            assert_eq!(verdicts(&[base.clone(), row])[0].1, verdict);
        }
    }

    #[test]
    fn the_papers_own_scores_bear_out_its_conclusions() {
        let rows: Vec<Trained> =
            table3(100).into_iter().map(|row| trained(row.name, &[row.perplexity], &[row.bleu])).collect();
        for (conclusion, verdict) in verdicts(&rows) {
            let expected = if conclusion.starts_with("learned") { "needs several seeds" } else { "yes" };
            assert_eq!(verdict, expected, "{conclusion}");
        }
        assert_eq!(verdicts(&rows).len(), CLAIMS.len());
    }

    #[test]
    fn rows_that_were_not_trained_decide_nothing() {
        assert_eq!(verdicts(&[trained("base", &[4.0], &[])]), []);
    }

    #[test]
    fn spreads_are_of_several_seeds() {
        assert_eq!(spread(&[]), "—");
        assert_eq!(spread(&[2.0]), "2.00");
        assert_eq!(spread(&[1.0, 3.0]), "2.00 ± 1.41");
    }
}
