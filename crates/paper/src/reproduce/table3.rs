//! Table 3, trained.

use attentive_backend::Device;
use attentive_bundle::{Bundle, TrainingRecord};
use attentive_collective::{Collective, any};
use attentive_run::{Ended, Run, is_finished};
use attentive_task::{Log, Result, ended, of_first, thousands, together};

use super::{
    claims::{Trained, conclusions, spread},
    plan::{Reproduction, Variation},
};
use crate::{Exhibit, Part, Say, Table, tell};

impl Reproduction {
    /// Trains the rows that are not trained yet, and makes the table of all.
    ///
    /// Several processes, which see one folder of runs, train runs of their own at the same time; each calls this.
    ///
    /// `None` if a run was stopped; the next call goes on. The log hears of the measuring, `say` gets a line for each run, and
    /// `train` calls [`Run::train`], with the caller's log and callbacks.
    ///
    /// # Errors
    /// The recipe can't be read or has no Transformer that translates; the folder holds runs of another recipe; a budget is
    /// too small; those of training, in any process; a process has ended.
    pub fn make(
        &self,
        peers: &dyn Collective,
        device: &Device,
        log: &dyn Log,
        say: &mut Say<'_>,
        train: &mut dyn FnMut(Run) -> Result<Ended>,
    ) -> Result<Option<Exhibit>> {
        if self.seeds.is_empty() {
            refuse!("a reproduction needs a seed at least");
        }
        if let Some(twice) =
            self.seeds.iter().enumerate().find_map(|(at, seed)| self.seeds[..at].contains(seed).then_some(seed))
        {
            refuse!("the seed {twice} is given twice: a run that is counted twice hides the noise of seeds");
        }
        let rows = self.variations()?;
        let decide = || Ok((self.updates(peers.size(), &rows, device, log, say)?, self.finished(&rows)));
        let (updates, done): (u64, Vec<bool>) = of_first(peers, decide)?;
        together(peers, self.check_seen())?;
        let mine = self.share(&rows, &done, [peers.rank(), peers.size()]);
        let is_whole = together(peers, self.train(&mine, updates, say, train))?;
        if any(peers, !is_whole).map_err(ended)? {
            return Ok(None);
        }
        let mut trained = Vec::new();
        for row in &rows {
            let records = self.seeds.iter().map(|&seed| Ok(Bundle::open(self.folder(row, seed))?));
            let records = records.collect::<Result<Vec<_>>>()?;
            let of =
                |split, metric| records.iter().filter_map(move |bundle| score(&bundle.record, split, metric)).collect();
            trained.push(Trained {
                paper: row.paper.clone(),
                n_params: records[0].model.n_params() as u64,
                perplexity: of("validation", "perplexity"),
                bleu: of("test", "bleu"),
            });
        }
        self.exhibit(&rows, &trained, updates).map(Some)
    }

    /// Trains runs to their ends, but for those that are finished; whether none was stopped.
    fn train(
        &self,
        runs: &[(&Variation, u64)],
        updates: u64,
        say: &mut Say<'_>,
        train: &mut dyn FnMut(Run) -> Result<Ended>,
    ) -> Result<bool> {
        for &(row, seed) in runs {
            let folder = self.folder(row, seed);
            if !is_finished(&folder) {
                let run = match folder.exists() {
                    true => Run::resume(&folder, &[])?,
                    false => Run::create(&self.runs, row.recipe(updates, seed)?)?,
                };
                if let Ended::Stopped { .. } = train(run)? {
                    return Ok(false);
                }
            }
            let record = Bundle::open(&folder)?.record;
            tell(say, &format!("{:<22} seed {seed}: {}", row.paper.name, scores(&record)))?;
        }
        Ok(true)
    }

    fn exhibit(&self, rows: &[Variation], trained: &[Trained], updates: u64) -> Result<Exhibit> {
        let head = ["row", "parameters", "updates", "PPL", "BLEU", "paper: 10⁶", "PPL", "BLEU"];
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let mut table = Table::new(head).under(format!("Table 3, trained with seeds {}", seeds.join(", ")));
        for (row, trained) in rows.iter().zip(trained) {
            let paper = &row.paper;
            table.row([
                paper.name.to_owned(),
                thousands(trained.n_params),
                thousands(updates * row.times),
                spread(&trained.perplexity),
                spread(&trained.bleu),
                paper.params_millions.map_or_else(|| "—".into(), |millions| format!("{millions:.0}")),
                format!("{:.2}", paper.perplexity),
                format!("{:.1}", paper.bleu),
            ]);
        }
        let note = format!(
            "Base row here: {}. Rows differ from it as the paper's rows (named by the paper's sizes) differ from the \
             paper's base: sizes by the same factors, dropout and label smoothing by the same values. Perplexity is of the \
             validation set, per token; BLEU of the test set; after ±, the standard deviation of seeds. Noise is half of the 95 % interval of a difference of \
             two rows' means, by what is left of all scores without the effects of row and seed.",
            rows[0].describe()?
        );
        let mut exhibit = Exhibit::from([table]);
        exhibit.parts.extend(conclusions(trained));
        exhibit.parts.push(Part::Text(note));
        Ok(exhibit)
    }
}

fn score(record: &TrainingRecord, split: &str, metric: &str) -> Option<f64> {
    record.scores.iter().find(|score| score.split == split && score.metric == metric).map(|score| score.value)
}

fn scores(record: &TrainingRecord) -> String {
    let named = [("validation", "perplexity"), ("test", "bleu")];
    let scores =
        named.into_iter().filter_map(|(split, metric)| Some(format!("{metric} {:.2}", score(record, split, metric)?)));
    scores.collect::<Vec<_>>().join(", ")
}
