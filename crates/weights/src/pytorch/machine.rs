//! The stack machine of pickles, protocols 2 to 4, without calls.
//!
//! Source: Python's `pickletools`, which documents every operation.

use std::collections::HashMap;

use crate::FormatError;

/// The longest name of a function or class, in bytes; a pickle could name a long one again and again.
const MAX_NAME: usize = 256;
/// The largest number of operations of a small file, and bytes for each operation of a larger one. A tensor takes about 40 of
/// them, a word of a vocabulary two in a dozen bytes; each takes up to 64 bytes of memory, 16 for each byte of the file.
const MAX_OPERATIONS: usize = 1 << 20;
const BYTES_PER_OPERATION: usize = 4;

/// Classes whose empty objects are empty dictionaries.
const DICTIONARIES: [&str; 2] = ["collections.OrderedDict", "collections.defaultdict"];

/// The index of a value in [`Pickle::values`].
pub(super) type Id = usize;

/// A value of a pickle. Values refer to each other by index, so deep nesting and cycles do no harm.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A string of bytes, a text that is not UTF-8, or a whole number of more than 64 bits.
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values in turn.
    Dict(Vec<Id>),
    /// A function or class by its name, `torch._utils._rebuild_tensor_v2`.
    Global(String),
    /// A call of a function or class with these arguments; it is never made.
    Call(Id, Id),
    /// An object outside the pickle: a storage.
    Outside(Id),
}

/// What is added to an object of a class that is not known here, by the object's index.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// Its state, for most classes a dictionary of its attributes.
    pub(super) state: Option<Id>,
    /// Keys and values in turn, of a kind of dictionary.
    pub(super) entries: Vec<Id>,
    /// Items, of a kind of list.
    pub(super) items: Vec<Id>,
}

/// The content of a pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    /// All values made on the way.
    pub(super) values: Vec<Value>,
    /// What is added to objects.
    pub(super) additions: HashMap<Id, Additions>,
    /// The pickled value.
    pub(super) root: Id,
    /// Number of bytes read.
    pub(super) n_bytes: usize,
}

impl Pickle {
    /// Runs the pickle that `bytes` begin with.
    ///
    /// # Errors
    /// The defect: it is cut short, or has an operation that no checkpoint needs.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut machine = Machine { bytes, ..Machine::default() };
        let max_operations = MAX_OPERATIONS.max(bytes.len() / BYTES_PER_OPERATION);
        for _ in 0..max_operations {
            let at = machine.at;
            let operation = machine.byte()?;
            if operation == b'.' {
                let root = machine.pop()?;
                let Machine { values, additions, at: n_bytes, .. } = machine;
                return Ok(Self { values, additions, root, n_bytes });
            }
            machine
                .step(operation)
                .map_err(|problem| FormatError::from(format!("{problem} (byte {at} of the pickle)")))?;
        }
        Err(format!("the pickle has more than {max_operations} operations: save the state dictionary alone").into())
    }

    pub(super) fn root(&self) -> &Value {
        &self.values[self.root]
    }

    /// The items of a tuple.
    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match &self.values[id] {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    additions: HashMap<Id, Additions>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    fn step(&mut self, operation: u8) -> Result<(), FormatError> {
        match operation {
            0x80 => {
                self.byte()?; // version of the protocol
            }
            0x95 => {
                self.take(8)?; // length of a frame
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.push_int(1)?,
            b'M' => self.push_int(2)?,
            b'J' => {
                let number = integer(self.take(4)?);
                self.push(number);
            }
            0x8a => self.push_long(1)?,
            0x8b => self.push_long(4)?,
            b'G' => {
                let bytes = self.take(8)?.try_into().expect("eight bytes");
                self.push(Value::Float(f64::from_be_bytes(bytes)));
            }
            b'X' => self.push_text(4)?,
            0x8c => self.push_text(1)?,
            0x8d => self.push_text(8)?,
            b'U' => self.push_text(1)?, // Python 2's strings
            b'T' => self.push_text(4)?,
            b'C' => self.push_bytes(1)?,
            b'B' => self.push_bytes(4)?,
            0x8e => self.push_bytes(8)?,
            b'c' => {
                let global = global(&self.line()?, &self.line()?)?;
                self.push(global);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (&self.values[module], &self.values[name]) else {
                    return Err("a function's name is not a text".into());
                };
                let global = global(module, name)?;
                self.push(global);
            }
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let first = self.stack.len().checked_sub(usize::from(operation - 0x84)).ok_or("the stack is empty")?;
                let items = self.stack.split_off(first);
                self.push(Value::Tuple(items));
            }
            b']' | 0x8f => self.push(Value::List(Vec::new())), // a set's items are a list's
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set_items(items)?;
            }
            b'q' => self.memoize_at(1)?,
            b'r' => self.memoize_at(4)?,
            0x94 => {
                let key = self.memo.len() as u32;
                self.memoize(key)?;
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Outside(id));
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let makes_dict =
                    matches!(&self.values[callee], Value::Global(name) if DICTIONARIES.contains(&&name[..]));
                self.push(if makes_dict { Value::Dict(Vec::new()) } else { Value::Call(callee, arguments) });
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.top()?);
                self.additions.entry(object).or_default().state = Some(state);
            }
            b'0' => {
                self.pop()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            other => return Err(format!("operation {other:#04x} is not one that a checkpoint needs").into()),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn take(&mut self, n: usize) -> Result<&[u8], FormatError> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len()).ok_or("the pickle is cut short")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, FormatError> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian length of `n` bytes.
    fn length(&mut self, n: usize) -> Result<usize, FormatError> {
        let number = self.take(n)?.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        usize::try_from(number).map_err(|_| "a length is too large".into())
    }

    fn line(&mut self) -> Result<String, FormatError> {
        let length = self.bytes[self.at..].iter().position(|&byte| byte == b'\n').ok_or("the pickle is cut short")?;
        let line = text(self.take(length)?)?;
        self.at += 1;
        Ok(line)
    }

    fn push_int(&mut self, n: usize) -> Result<(), FormatError> {
        let number = self.length(n)?;
        self.push(Value::Int(number as i64));
        Ok(())
    }

    fn push_text(&mut self, n: usize) -> Result<(), FormatError> {
        let length = self.length(n)?;
        let text = text(self.take(length)?).map_or(Value::Bytes, Value::Text);
        self.push(text);
        Ok(())
    }

    /// A whole number in two's complement, after its length of `n` bytes.
    fn push_long(&mut self, n: usize) -> Result<(), FormatError> {
        let length = self.length(n)?;
        let number = integer(self.take(length)?);
        self.push(number);
        Ok(())
    }

    fn push_bytes(&mut self, n: usize) -> Result<(), FormatError> {
        let length = self.length(n)?;
        self.take(length)?;
        self.push(Value::Bytes);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, FormatError> {
        self.stack.pop().ok_or_else(|| "the stack is empty".into())
    }

    fn top(&self) -> Result<Id, FormatError> {
        self.stack.last().copied().ok_or_else(|| "the stack is empty".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, FormatError> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), FormatError> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::List(list) => list.extend(items),
            Value::Call(..) => self.additions.entry(top).or_default().items.extend(items),
            _ => return Err("no list to append to".into()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Id>) -> Result<(), FormatError> {
        let top = self.top()?;
        match &mut self.values[top] {
            _ if !items.len().is_multiple_of(2) => return Err("a key does not have a value".into()),
            Value::Dict(dict) => dict.extend(items),
            Value::Call(..) => self.additions.entry(top).or_default().entries.extend(items),
            _ => return Err("no dictionary to fill".into()),
        }
        Ok(())
    }

    fn memoize_at(&mut self, n: usize) -> Result<(), FormatError> {
        let key = self.length(n)? as u32;
        self.memoize(key)
    }

    fn memoize(&mut self, key: u32) -> Result<(), FormatError> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, n: usize) -> Result<(), FormatError> {
        let key = self.length(n)? as u32;
        let value = *self.memo.get(&key).ok_or("a value is recalled that was never kept")?;
        self.stack.push(value);
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<String, FormatError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a text is not UTF-8".into())
}

fn global(module: &str, name: &str) -> Result<Value, FormatError> {
    if module.len() + name.len() > MAX_NAME {
        return Err("a function's name is too long".into());
    }
    Ok(Value::Global(format!("{module}.{name}")))
}

/// A whole number in two's complement.
fn integer(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Bytes;
    }
    let fill = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut number = [fill; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(number))
}
