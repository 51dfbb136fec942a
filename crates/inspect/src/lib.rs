//! What a Transformer does inside.
//!
//! | question | of | function | source |
//! |---|---|---|---|
//! | what does each token look at? | every layer and head | [`TranslationViewer`], [`TextViewer`] | Vaswani et al. 2017, figures 3 to 5 |
//! | what is the last layer's token made of? | attention of tokens to one another | [`rollout`], [`flow`] | Abnar and Zuidema 2020 |
//! | which head resolves a word, looks at the token before, copies? | [`HeadScores`], [`pronoun_heads`] | Voita et al. 2019; Olsson et al. 2022 |
//! | what is a head worth? | [`silence`] it; [`LossOnLines`], [`least_important`] | Michel et al. 2019 |
//! | what would each layer predict? | [`TextViewer::lens`], [`TranslationViewer::lens`] | nostalgebraist 2020 |
//! | which tokens made it predict that? | [`TextViewer::attribute`], [`TranslationViewer::attribute`] | Sundararajan et al. 2017 |
//! | what does each layer know? | [`probe`]: a [`LogisticRegression`] on its vectors | Alain and Bengio 2016; Hewitt and Liang 2019 |
//! | which word translates which? | [`Aligner`], [`align_by_similarity`] | Chen et al. 2020; Li et al. 2019; Dou and Neubig 2021 |
//! | what did a beam search keep and drop, and why? | [`SearchTree`] | |

mod aligner;
mod alignment;
mod attention_page;
mod error;
mod heads;
mod lens;
mod logistic;
mod loss_on_lines;
mod markup;
mod probe;
mod pronouns;
mod pruning;
mod rollout;
mod saliency;
mod silence;
mod text_viewer;
mod translation_json;
mod tree;
mod view;
mod weights;

pub use aligner::{AlignBy, Aligner, BadAlignBy};
pub use alignment::{align_by_attention, align_by_similarity};
pub use attention_page::AttentionPage;
pub use attentive_metrics::Alignment;
pub use attentive_model::AttentionKind;
pub use error::InspectError;
pub use heads::{Head, HeadScore, HeadScores, WordPair};
pub use lens::{Guess, Lens};
pub use logistic::LogisticRegression;
pub use loss_on_lines::{HeadImportance, LossOnLines, MeanLoss};
pub use probe::{LabelledParts, LayerProbe, Probes, probe};
pub use pronouns::{PronounHeads, pronoun_heads};
pub use pruning::least_important;
pub use rollout::{flow, rollout};
pub use saliency::{Attribution, PairAttribution, Saliency};
pub use silence::silence;
pub use text_viewer::TextViewer;
pub use translation_json::translation_json;
pub use tree::SearchTree;
pub use view::{TranslationViewer, View, find_word, label};
pub use weights::AttentionWeights;
