//! The answers within a conversation, for a model that learns them.

use attentive_tokenizer::{TokenId, Tokenizer};

use super::{ChatError, ChatTemplate, Conversation, conversation::ASSISTANT};

impl ChatTemplate {
    /// The conversation as tokens, and which of them are of answers: those after what asks for an answer, up to the token
    /// that ends it, which is one of them.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); [`ChatError::OtherAnswer`] where the template does not write an answer after what it
    /// writes to ask for it, and [`ChatError::JoinedAnswer`] where tokens are of both.
    pub fn encode_answers(
        &self,
        conversation: &Conversation,
        tokenizer: &dyn Tokenizer,
    ) -> Result<(Vec<TokenId>, Vec<bool>), ChatError> {
        self.encode_answers_after(0, conversation, tokenizer)
    }

    /// As [`encode_answers`](Self::encode_answers), of the answers after the first `n_given` messages alone.
    ///
    /// # Errors
    /// As [`encode_answers`](Self::encode_answers).
    pub fn encode_answers_after(
        &self,
        n_given: usize,
        conversation: &Conversation,
        tokenizer: &dyn Tokenizer,
    ) -> Result<(Vec<TokenId>, Vec<bool>), ChatError> {
        let template = self.clone().or_tokens_of(tokenizer);
        let end = template.end_of_turn(tokenizer);
        let ids = template.encode(conversation, false, tokenizer)?;
        let mut is_answer = vec![false; ids.len()];
        let answers = conversation.messages.iter().enumerate().filter(|(_, message)| message.role == ASSISTANT);
        for (at, _) in answers.skip_while(|(at, _)| *at < n_given) {
            let until =
                |n: usize| Conversation { messages: conversation.messages[..n].to_vec(), ..conversation.clone() };
            let message = at + 1;
            if at == 0 {
                return Err(ChatError::OtherAnswer { message });
            }
            let other = |part: &Conversation, asks| -> Result<_, ChatError> {
                let is_text = template.render(conversation, false)?.starts_with(&template.render(part, asks)?);
                Err(if is_text { ChatError::JoinedAnswer { message } } else { ChatError::OtherAnswer { message } })
            };
            let asked = template.encode(&until(at), true, tokenizer)?;
            if !ids.starts_with(&asked) {
                return other(&until(at), true);
            }
            let asked = asked.len();
            let length = match end.and_then(|end| ids[asked..].iter().position(|&id| id == end)) {
                Some(last) => last + 1,
                None => {
                    let whole = template.encode(&until(message), false, tokenizer)?;
                    if !ids.starts_with(&whole) || whole.len() < asked {
                        return other(&until(message), false);
                    }
                    whole.len() - asked
                }
            };
            is_answer[asked..asked + length].fill(true);
        }
        Ok((ids, is_answer))
    }
}
