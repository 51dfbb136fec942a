//! Texts as users have them, and as models read them: sentences, and the tags of HTML.

pub(crate) mod markup;
pub(crate) mod sentences;
