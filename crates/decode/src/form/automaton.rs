//! The states that a form's program comes to, made as they are met.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    FormError,
    program::{Instruction, Pc, Program},
};

/// An index into the states of an automaton.
pub(super) type StateId = u32;

/// The state that no text leads out of, and none of the form leads to.
pub(super) const DEAD: StateId = 0;

/// A transition that is not known yet.
const UNKNOWN: StateId = StateId::MAX;

/// The stack without frames.
const BOTTOM: u32 = u32::MAX;

/// States that are kept at most, of a kilobyte each; one of many places counts as several.
const MAX_STATES: usize = 1 << 15;

/// Places, or frames, that take as much memory as a state.
const PLACES_OF_STATE: usize = 1 << 7;

/// Places that a text may be at, all at once.
const MAX_CONFIGURATIONS: usize = 1 << 13;

/// A place of the program, and the stack of places that it returns to.
type Configuration = (Pc, u32);

struct State {
    /// The places that read the next byte, in order.
    configurations: Arc<[Configuration]>,
    /// Whether the text may end here.
    accepts: bool,
    next: Option<Box<[StateId; 256]>>,
}

/// The program of a form, run on all its places at once: what it comes to by the bytes of a text is a state, which is made
/// when it is first met and kept. Stacks share the frames below their top.
pub(super) struct Automaton {
    program: Arc<Program>,
    /// Each the place to return to, and the frame below.
    frames: Vec<(Pc, u32)>,
    frame_ids: HashMap<(Pc, u32), u32>,
    states: Vec<State>,
    ids: HashMap<(Arc<[Configuration]>, bool), StateId>,
    /// Places of all states.
    n_places: usize,
    /// States that are kept.
    limit: usize,
    start: StateId,
}

impl Automaton {
    pub(super) fn new(program: Arc<Program>) -> Result<Self, FormError> {
        let (frames, frame_ids, ids) = (Vec::new(), HashMap::new(), HashMap::new());
        let (states, limit) = (Vec::new(), MAX_STATES);
        let mut automaton = Self { program, frames, frame_ids, states, ids, n_places: 0, limit, start: DEAD };
        automaton.keep(Vec::new(), false)?;
        let first = automaton.program.start;
        automaton.start = automaton.closure(vec![(first, BOTTOM)])?;
        Ok(automaton)
    }

    /// The state of the empty text.
    pub(super) fn start(&self) -> StateId {
        self.start
    }

    /// Whether a text may end in a state.
    pub(super) fn accepts(&self, state: StateId) -> bool {
        self.states[state as usize].accepts
    }

    /// Whether no text goes on from a state.
    pub(super) fn is_last(&self, state: StateId) -> bool {
        self.states[state as usize].configurations.is_empty()
    }

    /// Whether there are so many states that the automaton should be made again.
    pub(super) fn is_full(&self) -> bool {
        self.size() >= self.limit
    }

    /// The state after a text. One that has many states of its own leaves room for as many again, so that it is not soon read
    /// again.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<StateId, FormError> {
        self.limit = usize::MAX;
        let state = text.iter().try_fold(self.start, |state, &byte| self.step(state, byte));
        self.limit = MAX_STATES.max(2 * self.size());
        state
    }

    /// The memory that is taken, in states.
    fn size(&self) -> usize {
        self.states.len() + (self.n_places + self.frames.len()) / PLACES_OF_STATE
    }

    /// The state after one more byte.
    pub(super) fn step(&mut self, state: StateId, byte: u8) -> Result<StateId, FormError> {
        let State { configurations, next, .. } = &mut self.states[state as usize];
        let known = next.get_or_insert_with(|| Box::new([UNKNOWN; 256]))[usize::from(byte)];
        if known != UNKNOWN {
            return Ok(known);
        }
        let configurations = Arc::clone(configurations);
        let mut reached = Vec::new();
        for &(pc, frame) in &*configurations {
            if let Instruction::Bytes(table) = &self.program.instructions[pc as usize] {
                let reads = table.iter().filter(|(first, last, _)| (*first..=*last).contains(&byte));
                reached.extend(reads.map(|&(_, _, next)| (next, frame)));
            }
        }
        let after = self.closure(reached)?;
        if let Some(next) = &mut self.states[state as usize].next {
            next[usize::from(byte)] = after;
        }
        Ok(after)
    }

    /// The state of these places and all that they lead to without a byte.
    fn closure(&mut self, mut todo: Vec<Configuration>) -> Result<StateId, FormError> {
        let program = Arc::clone(&self.program);
        let (mut seen, mut reads, mut accepts) = (HashSet::new(), Vec::new(), false);
        while let Some((pc, frame)) = todo.pop() {
            if !program.is_open(pc) || !seen.insert((pc, frame)) {
                continue;
            }
            if seen.len() > MAX_CONFIGURATIONS {
                return Err(FormError::Ambiguous);
            }
            match &program.instructions[pc as usize] {
                Instruction::Bytes(_) => reads.push((pc, frame)),
                Instruction::Split(nexts) => todo.extend(nexts.iter().map(|&next| (next, frame))),
                // What the rule returns to returns itself: no frame is needed, and recursion at the end is a loop.
                Instruction::Call { start, next } if program.instructions[*next as usize] == Instruction::Return => {
                    todo.push((*start, frame));
                }
                Instruction::Call { start, next } => {
                    let frame = self.frame(*next, frame);
                    todo.push((*start, frame));
                }
                Instruction::Return if frame == BOTTOM => accepts = true,
                Instruction::Return => todo.push(self.frames[frame as usize]),
            }
        }
        reads.sort_unstable();
        self.keep(reads, accepts)
    }

    fn frame(&mut self, place: Pc, below: u32) -> u32 {
        let Self { frames, frame_ids, .. } = self;
        *frame_ids.entry((place, below)).or_insert_with(|| {
            frames.push((place, below));
            frames.len() as u32 - 1
        })
    }

    fn keep(&mut self, configurations: Vec<Configuration>, accepts: bool) -> Result<StateId, FormError> {
        let key = (Arc::<[Configuration]>::from(configurations), accepts);
        if let Some(&id) = self.ids.get(&key) {
            return Ok(id);
        }
        // What is met within one token may go a little beyond.
        if self.size() >= self.limit.saturating_mul(2) {
            return Err(FormError::Ambiguous);
        }
        let id = self.states.len() as StateId;
        self.n_places += key.0.len();
        self.states.push(State { configurations: Arc::clone(&key.0), accepts, next: None });
        self.ids.insert(key, id);
        Ok(id)
    }
}
