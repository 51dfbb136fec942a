//! The tables and figures of "Attention Is All You Need", made again: as data, as Markdown and as SVG.
//!
//! The settings of each are a struct, whose `make` computes an [`Exhibit`]: tables, text and drawings. Nothing is printed
//! and no file is written; exhibits that train tell of it to a [`Log`](attentive_task::Log) and a
//! [`Say`].
//!
//! | of the paper | settings |
//! |---|---|
//! | Table 1: complexity, sequential operations and path lengths of layers, beside the time that ours take | [`Table1`] |
//! | Table 2: BLEU and training cost, and runs of one's own | [`Table2`] |
//! | Table 3: the variations of the model | [`Table3`] |
//! | the same, trained at a size and on data of one's own | [`Reproduction`] |
//! | §3.5: the sinusoids, beside learned positions | [`Positions`] |
//! | §5.3: the learning rate of each update | [`Schedules`] |
//! | §5.3: the optimizers on one small training | [`Optimizers`] |
//! | Figures 3 to 5: what a trained model attends to | [`Attention`] |
//! | the same: which head resolves "it", and what it is worth | [`Heads`] |
//! | Michel et al. 2019: what every head is worth, and models without some | [`HeadWorth`], [`HeadsToPrune`] |
//! | inside a model of texts: what each layer would predict, which tokens made a prediction | [`Lens`], [`Saliency`] |
//! | Alain and Bengio 2016, Hewitt and Liang 2019: what each layer knows of labels | [`Probe`] |
//! | §5.1: families of tokenizers, by bits per byte of one small GPT | [`Tokenizers`] |
//! | Clark et al. 2022, Figure 2: what CANINE-C's pre-training hides, and in which order it is guessed | [`Canine`] |
//! | §1, §2: the Transformer beside the recurrent model that it replaced, or any other runs | [`Runs`] |
//!
//! ```
//! use attentive_paper::Schedules;
//!
//! let exhibit = Schedules::default().make();
//! let table = exhibit.tables().next().expect("it has one");
//! assert_eq!(table.rows()[0][..3], ["d_model 512, warm-up 4000", "6.99e-4", "4000"]);
//! assert!(exhibit.figures[0].drawing.to_svg().starts_with("<svg "));
//! println!("{exhibit}"); // Markdown
//! ```
#![recursion_limit = "256"]

/// Returns an [`Error::Refused`](attentive_task::Error::Refused) with a text.
macro_rules! refuse {
    ($($text:tt)*) => { return Err(attentive_task::Error::Refused(format!($($text)*))) };
}

use attentive_bundle::Processor;
use attentive_inspect::InspectError;
use attentive_task::Context;

mod attention;
mod canine;
mod contextual_vectors;
mod exhibit;
mod head_worth;
mod heads;
mod inside;
mod label_smoothing;
mod layer;
mod merges;
mod model_of_texts;
mod optimizer_paths;
mod optimizers;
mod positions;
mod probe;
mod reproduce;
mod runs;
mod schedules;
mod table;
mod table1;
mod table2;
mod table3;
mod tokenizers;

pub use attention::{Attention, SENTENCE, SENTENCES, WORD};
pub use attentive_task::{Error, Result};
pub use canine::Canine;
pub use contextual_vectors::ContextualVectors;
pub use exhibit::{Exhibit, Figure, Part};
pub use head_worth::{HeadWorth, HeadsToPrune, Pruned};
pub use heads::Heads;
pub use inside::{Lens, Saliency};
pub use label_smoothing::LabelSmoothing;
pub use merges::Merges;
pub use model_of_texts::ModelOfTexts;
pub use optimizer_paths::OptimizerPaths;
pub use optimizers::Optimizers;
pub use positions::Positions;
pub use probe::Probe;
pub use reproduce::{Growth, LayerCost, Length, Reproduction};
pub use runs::Runs;
pub use schedules::Schedules;
pub use table::Table;
pub use table1::Table1;
pub use table2::{OwnRuns, Table2, sustained_flops};
pub use table3::Table3;
pub use tokenizers::Tokenizers;

/// What hears of a long work, a line at a time; an error of it ends the work.
pub type Say<'a> = dyn FnMut(&str) -> std::io::Result<()> + 'a;

/// Says a line of a long work.
fn tell(say: &mut Say<'_>, line: &str) -> Result<()> {
    say(line).context("telling of the work")
}

/// What reads the texts of a model, which are in these languages.
fn between(processor: Processor, source: Option<&str>, target: Option<&str>) -> Result<Processor> {
    processor.between(source, target).map_err(|error| Error::Refused(error.to_string()))
}

/// The error of a model that can't be looked into.
fn refused(error: InspectError) -> Error {
    match error {
        InspectError::Bundle(cause) => cause.into(),
        other => Error::Refused(other.to_string()),
    }
}
