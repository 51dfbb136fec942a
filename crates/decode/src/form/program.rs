//! Rules as a program: a machine with a stack that reads bytes.

use std::collections::HashMap;

use regex_syntax::utf8::Utf8Sequences;

use super::{
    FormError,
    expr::{Expr, RuleId, Rules},
};

/// An index into the instructions of a program.
pub(super) type Pc = u32;

/// Ends the rule that is read.
pub(super) const RETURN: Pc = 0;

/// Instructions of a program at most, about 16 MiB.
const MAX_INSTRUCTIONS: usize = 1 << 18;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Reads one byte of these ranges, each of which leads to another place.
    Bytes(Box<[(u8, u8, Pc)]>),
    /// Goes to each of these places.
    Split(Box<[Pc]>),
    /// Reads a rule, or what is repeated, which begins at `start`, and goes on at `next`.
    Call { start: Pc, next: Pc },
    /// Ends the rule.
    Return,
}

/// Rules, compiled. What can't come to an end is left out, so that every place leads to the end of its rule.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) instructions: Vec<Instruction>,
    /// Whether each place can come to the end of its rule.
    is_open: Vec<bool>,
    pub(super) start: Pc,
}

impl Program {
    /// The program of texts that `start` says.
    pub(super) fn new(rules: &Rules, start: RuleId) -> Result<Self, FormError> {
        let n_rules = rules.bodies.len();
        // The return, and before each rule a place that its calls go to.
        let mut instructions = vec![Instruction::Return];
        instructions.resize(n_rules + 1, Instruction::Split(Box::default()));
        let mut compiler = Compiler { instructions, classes: HashMap::new() };
        for (rule, (_, body)) in rules.bodies.iter().enumerate() {
            let first = compiler.compile(body, RETURN)?;
            compiler.instructions[entry(rule) as usize] = Instruction::Split([first].into());
        }
        let instructions = compiler.instructions;
        let users = users(&instructions);
        let is_open = ends_of(&instructions, &users, true);
        let is_nullable = ends_of(&instructions, &users, false);
        if let Some(rule) = left_recursive(&instructions, &is_nullable, n_rules) {
            let name = rules.bodies[rule].0.clone();
            return Err(FormError::LeftRecursive { name });
        }
        if !is_open[entry(start) as usize] {
            return Err(FormError::Unsatisfiable);
        }
        Ok(Self { instructions, is_open, start: entry(start) })
    }

    pub(super) fn is_open(&self, pc: Pc) -> bool {
        self.is_open[pc as usize]
    }
}

/// Whether an expression is compiled to about as much as a call of it.
fn is_short(part: &Expr) -> bool {
    match part {
        Expr::Rule(_) => true,
        Expr::Bytes(bytes) => bytes.len() <= 2,
        Expr::Characters(ranges) => ranges.iter().all(|(_, last)| last.is_ascii()),
        _ => false,
    }
}

/// The place that calls of a rule go to.
fn entry(rule: RuleId) -> Pc {
    rule as Pc + 1
}

/// Compiles expressions from their end to their beginning, each with the place that it goes on at.
struct Compiler {
    instructions: Vec<Instruction>,
    /// Places of sets of characters that were compiled, by what follows.
    classes: HashMap<(Vec<(char, char)>, Pc), Pc>,
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Result<Pc, FormError> {
        if self.instructions.len() >= MAX_INSTRUCTIONS {
            return Err(FormError::TooLarge);
        }
        self.instructions.push(instruction);
        Ok(self.instructions.len() as Pc - 1)
    }

    fn compile(&mut self, expr: &Expr, next: Pc) -> Result<Pc, FormError> {
        match expr {
            Expr::Bytes(bytes) => bytes
                .iter()
                .rev()
                .try_fold(next, |next, &byte| self.push(Instruction::Bytes([(byte, byte, next)].into()))),
            Expr::Characters(ranges) => self.characters(ranges, next),
            Expr::Sequence(parts) => parts.iter().rev().try_fold(next, |next, part| self.compile(part, next)),
            Expr::Choice(parts) => {
                let starts = parts.iter().map(|part| self.compile(part, next)).collect::<Result<Vec<_>, _>>()?;
                self.push(Instruction::Split(starts.into()))
            }
            Expr::Repeat(part, min, max) => self.repeat(part, *min, *max, next),
            Expr::Rule(rule) => self.push(Instruction::Call { start: entry(*rule), next }),
        }
    }

    fn repeat(&mut self, part: &Expr, min: u32, max: Option<u32>, next: Pc) -> Result<Pc, FormError> {
        if max.is_some_and(|max| max < min) {
            return self.push(Instruction::Split(Box::default()));
        }
        // What is repeated is compiled once, if it is more than a call would be.
        let is_many = max.is_none_or(|max| max > 1) && !is_short(part);
        let start = if is_many { self.compile(part, RETURN)? } else { RETURN };
        let once = |this: &mut Self, next: Pc| match start {
            RETURN => this.compile(part, next),
            start => this.push(Instruction::Call { start, next }),
        };
        let mut place = next;
        match max {
            None => {
                place = self.push(Instruction::Split(Box::default()))?;
                let body = once(self, place)?;
                self.instructions[place as usize] = Instruction::Split([body, next].into());
            }
            Some(max) => {
                for _ in min..max {
                    let body = once(self, place)?;
                    place = self.push(Instruction::Split([body, next].into()))?;
                }
            }
        }
        for _ in 0..min {
            let body = once(self, place)?;
            // Nothing, however often, is nothing.
            if std::mem::replace(&mut place, body) == body {
                break;
            }
        }
        Ok(place)
    }

    fn characters(&mut self, ranges: &[(char, char)], next: Pc) -> Result<Pc, FormError> {
        let key = (ranges.to_vec(), next);
        if let Some(&place) = self.classes.get(&key) {
            return Ok(place);
        }
        let sequences = ranges.iter().flat_map(|&(first, last)| Utf8Sequences::new(first, last));
        let bytes = |sequence: regex_syntax::utf8::Utf8Sequence| {
            sequence.as_slice().iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        let sequences: Vec<Vec<(u8, u8)>> = sequences.map(bytes).collect();
        let place = self.sequences(&sequences.iter().map(Vec::as_slice).collect::<Vec<_>>(), next)?;
        self.classes.insert(key, place);
        Ok(place)
    }

    /// Ranges of bytes one after another; those that begin alike share their beginning.
    fn sequences(&mut self, sequences: &[&[(u8, u8)]], next: Pc) -> Result<Pc, FormError> {
        let mut table = Vec::new();
        for alike in sequences.chunk_by(|a, b| a[0] == b[0]) {
            let (first, last) = alike[0][0];
            let rest: Vec<&[(u8, u8)]> = alike.iter().map(|sequence| &sequence[1..]).collect();
            let place = if rest[0].is_empty() { next } else { self.sequences(&rest, next)? };
            table.push((first, last, place));
        }
        self.push(Instruction::Bytes(table.into()))
    }
}

/// The places that lead to each place in one step.
fn users(instructions: &[Instruction]) -> Vec<Vec<Pc>> {
    let mut users = vec![Vec::new(); instructions.len()];
    for (pc, instruction) in (0..).zip(instructions) {
        let mut uses = |target: Pc| users[target as usize].push(pc);
        match instruction {
            Instruction::Bytes(table) => table.iter().for_each(|&(_, _, next)| uses(next)),
            Instruction::Split(nexts) => nexts.iter().copied().for_each(uses),
            Instruction::Call { start, next } => [*start, *next].into_iter().for_each(uses),
            Instruction::Return => {}
        }
    }
    users
}

/// Whether each place can come to the end of its rule, reading bytes or not.
fn ends_of(instructions: &[Instruction], users: &[Vec<Pc>], reads: bool) -> Vec<bool> {
    let mut ends = vec![false; instructions.len()];
    ends[RETURN as usize] = true;
    let mut todo = vec![RETURN];
    while let Some(pc) = todo.pop() {
        for &user in &users[pc as usize] {
            let does = match &instructions[user as usize] {
                Instruction::Bytes(_) => reads,
                Instruction::Call { start, next } => ends[*start as usize] && ends[*next as usize],
                Instruction::Split(_) | Instruction::Return => true,
            };
            if does && !std::mem::replace(&mut ends[user as usize], true) {
                todo.push(user);
            }
        }
    }
    ends
}

/// A rule that calls itself before it has read anything, if there is one.
fn left_recursive(instructions: &[Instruction], is_nullable: &[bool], n_rules: usize) -> Option<RuleId> {
    let mut calls: Vec<Vec<RuleId>> = vec![Vec::new(); n_rules];
    let mut seen = vec![false; instructions.len()];
    for (rule, calls) in calls.iter_mut().enumerate() {
        let mut todo = vec![entry(rule)];
        while let Some(pc) = todo.pop() {
            if pc == RETURN || std::mem::replace(&mut seen[pc as usize], true) {
                continue;
            }
            match &instructions[pc as usize] {
                Instruction::Split(nexts) => todo.extend(nexts),
                Instruction::Call { start, next } => {
                    // What is repeated is a part of the rule.
                    match *start as usize {
                        callee @ 1.. if callee <= n_rules => calls.push(callee - 1),
                        _ => todo.push(*start),
                    }
                    todo.extend(is_nullable[*start as usize].then_some(*next));
                }
                Instruction::Bytes(_) | Instruction::Return => {}
            }
        }
    }
    // A rule is left when all that it calls are; what is met again before that, calls itself.
    let (mut is_met, mut is_left) = (vec![false; n_rules], vec![false; n_rules]);
    for first in 0..n_rules {
        let mut path = vec![(first, 0)];
        while let Some((rule, at)) = path.pop() {
            if at == 0 && (is_left[rule] || std::mem::replace(&mut is_met[rule], true)) {
                if is_left[rule] {
                    continue;
                }
                return Some(rule);
            }
            match calls[rule].get(at) {
                Some(&callee) => path.extend([(rule, at + 1), (callee, 0)]),
                None => is_left[rule] = true,
            }
        }
    }
    None
}
