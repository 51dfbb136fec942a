//! States of decoding, for models whose family is known at run time only.

use std::any::Any;

use attentive_core::NextToken;

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
