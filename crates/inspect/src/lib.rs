//! What a Transformer does inside.
//!
//! | question | of | function | source |
//! |---|---|---|---|
//! | what does each token look at? | every layer and head | [`TranslationViewer`], [`TextViewer`] | Vaswani et al. 2017, figures 3 to 5 |
//! | what is the last layer's token made of? | attention of tokens to one another | [`rollout`], [`flow`] | Abnar and Zuidema 2020 |
//! | which head resolves a word, looks at the token before, copies? | [`HeadScores`], [`pronoun_heads`] | Voita et al. 2019; Olsson et al. 2022 |
//! | what is a head worth? | [`silence`] it | Michel et al. 2019 |
//! | what would each layer predict? | [`TextViewer::lens`] | nostalgebraist 2020 |
//! | which tokens made it predict that? | [`TextViewer::attribute`] | Sundararajan et al. 2017 |
//! | which word stands for which? | [`Alignment`], [`alignment_error_rate`] | Och and Ney 2003; Dou and Neubig 2021 |

mod alignment;
mod error;
mod heads;
mod lens;
mod pronouns;
mod rollout;
mod saliency;
mod silence;
mod text_viewer;
mod view;
mod weights;

pub use alignment::{Alignment, BadAlignment, Reference, alignment_error_rate};
pub use error::InspectError;
pub use heads::{Head, HeadScore, HeadScores, WordPair};
pub use lens::{Guess, Lens};
pub use pronouns::{PronounHeads, pronoun_heads};
pub use rollout::{flow, rollout};
pub use saliency::{Attribution, Saliency};
pub use silence::silence;
pub use text_viewer::TextViewer;
pub use view::{AttentionKind, TranslationViewer, View, find_word, label};
pub use weights::AttentionWeights;
