//! Models that continue rows, and their states, of families that are known at run time only.

use std::any::Any;

use attentive_core::{DeviceError, NextToken, Scores, SourceAttention, TokenId, Turn, Want};

/// A state of any type.
pub(crate) trait AnyState: Send {
    fn copy(&self) -> Box<dyn AnyState>;
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<S: Clone + Send + 'static> AnyState for S {
    fn copy(&self) -> Box<dyn AnyState> {
        Box::new(self.clone())
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// The state as that of the model `M`.
pub(crate) fn state_of<M: NextToken<State: 'static>>(state: &mut dyn Any) -> &mut M::State {
    state.downcast_mut().expect("a state is used with the model that made it")
}

/// What [`NextToken::advance_attending`] gives.
pub(crate) type Attending = (Scores, Option<SourceAttention>);

/// A [`NextToken`] whose state is of a type that it alone knows.
pub(crate) trait AnyNextToken: Send + Sync {
    fn vocab_size(&self) -> usize;
    fn max_len(&self) -> Option<usize>;
    fn advance(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Scores, DeviceError>;
    fn advance_together(&self, turns: &mut [Turn<'_, dyn Any>]) -> Result<Vec<Scores>, DeviceError>;
    fn advance_attending(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Attending, DeviceError>;
    fn restricts(&self) -> bool;
    fn restrict(&self, state: &mut dyn Any, allowed: &[Vec<TokenId>]);
    fn reorder(&self, state: &mut dyn Any, parents: &[usize]);
}

impl<M: NextToken<State: 'static> + Send + Sync> AnyNextToken for M {
    fn vocab_size(&self) -> usize {
        NextToken::vocab_size(self)
    }

    fn max_len(&self) -> Option<usize> {
        NextToken::max_len(self)
    }

    fn advance(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Scores, DeviceError> {
        NextToken::advance(self, tokens, state_of::<M>(state), want)
    }

    fn advance_together(&self, turns: &mut [Turn<'_, dyn Any>]) -> Result<Vec<Scores>, DeviceError> {
        let mut turns: Vec<_> = turns.iter_mut().map(|turn| turn.of(state_of::<M>)).collect();
        NextToken::advance_together(self, &mut turns)
    }

    fn advance_attending(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Attending, DeviceError> {
        NextToken::advance_attending(self, tokens, state_of::<M>(state), want)
    }

    fn restricts(&self) -> bool {
        NextToken::restricts(self)
    }

    fn restrict(&self, state: &mut dyn Any, allowed: &[Vec<TokenId>]) {
        NextToken::restrict(self, state_of::<M>(state), allowed);
    }

    fn reorder(&self, state: &mut dyn Any, parents: &[usize]) {
        NextToken::reorder(self, state_of::<M>(state), parents);
    }
}

/// Makes a [`NextToken`] of `$model`, a box of some [`AnyNextToken`], with `$state`, a box of an [`AnyState`], as its state.
macro_rules! next_token_of_any {
    ($model:ident, $state:ident) => {
        impl NextToken for $model {
            type State = $state;

            fn vocab_size(&self) -> usize {
                AnyNextToken::vocab_size(&*self.0)
            }

            fn max_len(&self) -> Option<usize> {
                AnyNextToken::max_len(&*self.0)
            }

            fn advance(&self, tokens: &[TokenId], state: &mut $state, want: Want) -> Result<Scores, DeviceError> {
                AnyNextToken::advance(&*self.0, tokens, state.0.as_mut().as_any(), want)
            }

            fn advance_together(&self, turns: &mut [Turn<'_, $state>]) -> Result<Vec<Scores>, DeviceError> {
                let mut turns: Vec<_> =
                    turns.iter_mut().map(|turn| turn.of(|state| state.0.as_mut().as_any())).collect();
                AnyNextToken::advance_together(&*self.0, &mut turns)
            }

            fn advance_attending(
                &self,
                tokens: &[TokenId],
                state: &mut $state,
                want: Want,
            ) -> Result<$crate::any_state::Attending, DeviceError> {
                AnyNextToken::advance_attending(&*self.0, tokens, state.0.as_mut().as_any(), want)
            }

            fn restricts(&self) -> bool {
                AnyNextToken::restricts(&*self.0)
            }

            fn restrict(&self, state: &mut $state, allowed: &[Vec<TokenId>]) {
                AnyNextToken::restrict(&*self.0, state.0.as_mut().as_any(), allowed);
            }

            fn reorder(&self, state: &mut $state, parents: &[usize]) {
                AnyNextToken::reorder(&*self.0, state.0.as_mut().as_any(), parents);
            }
        }

        impl Clone for $state {
            fn clone(&self) -> Self {
                Self(self.0.as_ref().copy())
            }
        }

        impl Debug for $model {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($model))
                    .field("vocab_size", &AnyNextToken::vocab_size(&*self.0))
                    .finish_non_exhaustive()
            }
        }

        impl Debug for $state {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($state)).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use next_token_of_any;
