//! The weights of a folder, taken tensor by tensor.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use attentive_weights::{
    Blocks, Gguf, GgufEntry, GgufTensor, HostTensor, ModelBin, Npz, Tensors, WeightsError, WeightsFile,
};

use crate::{
    InterchangeError, checkpoint,
    layout::{Order, Slot, zeros},
};

/// What PyTorch puts before every name of a model that was trained on several devices, or compiled.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// A file of tensors.
pub(crate) enum File {
    Weights(WeightsFile),
    Gguf(Gguf),
    ModelBin(ModelBin),
    Npz(Npz),
}

impl File {
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Weights(file) => file.names().collect(),
            Self::Gguf(file) => file.tensors().map(|(name, _)| name).collect(),
            Self::ModelBin(file) => file.names().collect(),
            Self::Npz(file) => file.names().collect(),
        }
    }

    /// The kinds of numbers of parameters.
    fn kinds(&self) -> BTreeSet<String> {
        match self {
            Self::Weights(file) => file.kinds(),
            Self::Gguf(file) => {
                let kind =
                    |entry: &GgufEntry| entry.kind.as_ref().map_or_else(Clone::clone, |kind| format!("{kind:?}"));
                file.tensors().map(|(_, entry)| kind(entry)).collect()
            }
            Self::ModelBin(file) => file.names().filter_map(|name| file.kind(name)).collect(),
            Self::Npz(file) => {
                file.names().filter(|name| file.is_float(name)).filter_map(|name| file.kind(name)).collect()
            }
        }
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Weights(file) => file.shape(name),
            Self::Gguf(file) => file.entry(name).map(|entry| &entry.shape[..]),
            Self::ModelBin(file) => file.shape(name),
            Self::Npz(file) => file.shape(name),
        }
    }

    fn is_float(&self, name: &str) -> bool {
        match self {
            Self::Weights(file) => file.is_float(name),
            Self::Gguf(_) => true,
            Self::ModelBin(file) => file.is_float(name),
            Self::Npz(file) => file.is_float(name),
        }
    }

    fn tensor(&mut self, name: &str) -> Result<HostTensor, WeightsError> {
        match self {
            Self::Weights(file) => file.tensor(name),
            Self::Gguf(file) => {
                let tensor = file.read(name)?;
                Ok(HostTensor { values: tensor.to_f32(), shape: tensor.shape })
            }
            Self::ModelBin(file) => file.tensor(name),
            Self::Npz(file) => file.tensor(name),
        }
    }
}

/// The tensors of a folder under the names of today's transformers, and what is wrong with them. Each is read from its
/// file when it is taken.
pub(crate) struct Source {
    folder: PathBuf,
    files: Vec<File>,
    /// The file and the name there of each tensor.
    tensors: BTreeMap<String, (usize, String)>,
    problems: Vec<String>,
    /// Whether a tensor of the model was missing.
    lacks: bool,
}

impl Source {
    /// Opens the weights of a folder; `rename` gives the name that a tensor has here.
    ///
    /// # Errors
    /// [`InterchangeError`]: there are no weights, they can't be read, or two have one name here.
    pub(crate) fn open(folder: &Path, rename: impl Fn(&str) -> String) -> Result<Self, InterchangeError> {
        Self::of_files(folder, checkpoint::open(folder)?.into_iter().map(File::Weights).collect(), rename)
    }

    /// As [`open`](Self::open), of files that are open, under the names that they have there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn of(path: &Path, files: Vec<File>) -> Result<Self, InterchangeError> {
        Self::of_files(path, files, str::to_owned)
    }

    /// As [`of`](Self::of), but `rename` gives the name that a tensor has here.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn of_files(
        folder: &Path,
        files: Vec<File>,
        rename: impl Fn(&str) -> String,
    ) -> Result<Self, InterchangeError> {
        let names = || files.iter().flat_map(File::names);
        let mut wrapper = String::new();
        while let Some(outer) = WRAPPERS.into_iter().find(|outer| {
            let start = wrapper.clone() + outer;
            names().next().is_some() && names().all(|name| name.starts_with(&start))
        }) {
            wrapper += outer;
        }
        let mut tensors: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let mut problems = Vec::new();
        for (idx, file) in files.iter().enumerate() {
            for name in file.names() {
                let place = (idx, name.to_owned());
                if let Some((_, other)) = tensors.insert(rename(&name[wrapper.len()..]), place) {
                    problems.push(format!("{other} and {name} are one tensor of the model: leave one of them out"));
                }
            }
        }
        if !problems.is_empty() {
            return Err(InterchangeError::misshapen(folder, problems));
        }
        Ok(Self { folder: folder.to_owned(), files, tensors, problems: Vec::new(), lacks: false })
    }

    /// The kinds of numbers that the files have: f32, bf16, Q4_0.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.files.iter().flat_map(File::kinds).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Whether the name of some tensor begins so.
    pub(crate) fn has_any(&self, start: &str) -> bool {
        self.tensors.range(start.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(start))
    }

    /// The shape of a tensor.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        let (file, name) = self.tensors.get(name)?;
        self.files[*file].shape(name)
    }

    /// Leaves a tensor out; whether it was there.
    pub(crate) fn drop(&mut self, name: &str) -> bool {
        self.tensors.remove(name).is_some()
    }

    /// Leaves a tensor out, if `is_copy` says that it is a copy of another.
    pub(crate) fn drop_if(&mut self, name: &str, is_copy: bool) {
        if is_copy {
            self.drop(name);
        }
    }

    /// Leaves out all tensors whose name `is_unwanted`.
    pub(crate) fn drop_all(&mut self, is_unwanted: impl Fn(&str) -> bool) {
        self.tensors.retain(|name, _| !is_unwanted(name));
    }

    /// Gives the tensor `name` another name too, if it is there and no tensor has that name.
    pub(crate) fn alias(&mut self, name: &str, alias: &str) {
        if let (Some(place), false) = (self.tensors.get(name).cloned(), self.has(alias)) {
            self.tensors.insert(alias.to_owned(), place);
        }
    }

    /// The values of a tensor.
    ///
    /// # Errors
    /// [`InterchangeError::Weights`] if there is none, or it can't be read.
    pub(crate) fn tensor(&mut self, name: &str) -> Result<HostTensor, InterchangeError> {
        let (file, name) = self.tensors.get(name).map_or((0, name), |(file, name)| (*file, name.as_str()));
        Ok(self.files[file].tensor(name)?)
    }

    /// Whether two tensors that are there hold the same values.
    ///
    /// # Errors
    /// As [`Source::tensor`].
    pub(crate) fn are_equal(&mut self, one: &str, other: &str) -> Result<bool, InterchangeError> {
        if self.tensors[one] == self.tensors[other] {
            return Ok(true);
        }
        Ok(self.shape(one) == self.shape(other) && self.tensor(one)? == self.tensor(other)?)
    }

    /// Whether the tensor `own`, a projection that config.json calls one with the `table` of embeddings, is that; a copy is left
    /// out, and another is noted.
    ///
    /// # Errors
    /// As [`Source::tensor`].
    pub(crate) fn settle_projection(
        &mut self,
        own: &str,
        table: &str,
        notes: &mut Vec<String>,
    ) -> Result<bool, InterchangeError> {
        // What writes a table that two share once may keep the projection's name.
        self.alias(own, table);
        if !self.has(own) {
            return Ok(true);
        }
        let is_copy = self.are_equal(own, table)?;
        if is_copy {
            self.drop(own);
        } else {
            let note = format!("{own} differs from the embeddings: it is used, although config.json calls them one");
            notes.push(note);
        }
        Ok(is_copy)
    }

    /// Adds a line to what is wrong.
    pub(crate) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Holds a number of layers, the setting `key` of config.json, against the tensors named `{prefix}{layer}.…`: the file
    /// says how many there are before anything is made for them.
    ///
    /// # Errors
    /// [`InterchangeError::Mismatch`] if config.json has more.
    pub(crate) fn check_layers(&self, key: &str, n: usize, prefix: &str) -> Result<(), InterchangeError> {
        let index = |name: &String| name.strip_prefix(prefix)?.split(['.', '_']).next()?.parse::<usize>().ok();
        let found: BTreeSet<usize> = self
            .tensors
            .range(prefix.to_owned()..)
            .map_while(|(name, _)| name.starts_with(prefix).then(|| index(name)))
            .flatten()
            .collect();
        if n <= found.len() {
            return Ok(());
        }
        let first = self.tensors.values().next().filter(|_| found.is_empty());
        let first = first.map(|(_, name)| format!("; the first tensor is {name}")).unwrap_or_default();
        let problem = format!("{key} is {n}, and there are tensors of {} such, {prefix}…{first}", found.len());
        // Of fewer layers than config.json says, a file may still be of the class that is read.
        let lacks = found.is_empty();
        Err(InterchangeError::Mismatch { path: self.folder.clone(), problems: vec![problem], lacks, exceeds: false })
    }

    /// Takes the blocks of all slots, and leaves their tensors out.
    ///
    /// # Errors
    /// [`InterchangeError::Weights`] if a tensor can't be read; one that is missing or of another shape is noted for
    /// [`Source::finish`].
    pub(crate) fn take(&mut self, slots: Vec<Slot>, order: &Order) -> Result<Tensors, InterchangeError> {
        let mut params = Tensors::new();
        let mut slots = slots.into_iter().peekable();
        while let Some(slot) = slots.next() {
            let mut group = vec![slot];
            while let Some(slot) = slots.next_if(|slot| slot.theirs == group[0].theirs) {
                group.push(slot);
            }
            if let Some(tensor) = self.take_one(&group[0])? {
                place(group, tensor, order, &mut params);
            }
        }
        Ok(params)
    }

    /// Takes the matrices of the slots that a GGUF file has in blocks of a kind that is kept, by the name of our parameter, out of
    /// `slots`; gives the number of those in other blocks, too. `reorder` puts the rows of a parameter in another order.
    ///
    /// # Errors
    /// [`InterchangeError::Weights`] if a tensor can't be read, or a number in it is not finite.
    pub(crate) fn take_blocks(
        &mut self,
        slots: &mut Vec<Slot>,
        reorder: impl Fn(&str, &mut [usize]),
    ) -> Result<(BTreeMap<String, Blocks>, usize), InterchangeError> {
        let (mut kept, mut n_others) = (BTreeMap::new(), 0);
        // Slots of one tensor are next to each other.
        let mut last: Option<(&str, GgufTensor)> = None;
        for Slot { ours, theirs, layout } in &*slots {
            let Some((file, name)) = self.tensors.get(theirs) else { continue };
            let File::Gguf(file) = &mut self.files[*file] else { continue };
            let Some(GgufEntry { shape, kind: Ok(kind), .. }) = file.entry(name) else { continue };
            if kind.block_len() == 1 || shape != layout.theirs() {
                continue;
            }
            let blocks = match layout.lines() {
                Some((mut lines, axis)) => {
                    reorder(ours, &mut lines);
                    let tensor = match last.take() {
                        Some((of, tensor)) if of == theirs => tensor,
                        _ => file.read(name)?,
                    };
                    let (_, tensor) = last.insert((theirs, tensor));
                    Blocks::of_lines(tensor, &lines, axis)
                }
                None => None,
            };
            match blocks {
                Some(blocks) => {
                    blocks.check_finite(ours)?;
                    kept.insert(ours.clone(), blocks);
                }
                None => n_others += 1,
            }
        }
        let (taken, left): (Vec<Slot>, _) = slots.drain(..).partition(|slot| kept.contains_key(&slot.ours));
        *slots = left;
        // A tensor of which a part is left is still to be read.
        let is_left = |theirs: &str| slots.iter().any(|slot| slot.theirs == theirs);
        taken.iter().filter(|slot| !is_left(&slot.theirs)).for_each(|slot| drop(self.tensors.remove(&slot.theirs)));
        Ok((kept, n_others))
    }

    /// Takes a tensor out, if it is there and has its shape.
    fn take_one(&mut self, Slot { theirs: name, layout, .. }: &Slot) -> Result<Option<HostTensor>, InterchangeError> {
        let shape = layout.theirs();
        if !self.has(name) {
            self.problems.push(format!("missing: {name} {shape:?}"));
            self.lacks = true;
            return Ok(None);
        }
        if let Some(found) = self.shape(name).filter(|&found| found != shape) {
            self.problems.push(format!("{name}: {shape:?} by config.json, {found:?} in the file"));
            self.drop(name);
            return Ok(None);
        }
        let (file, stored) = &self.tensors[name];
        let file = &self.files[*file];
        if file.shape(stored).is_some() && !file.is_float(stored) {
            self.problems.push(format!("{name}: whole numbers, as of quantized weights: save it as f32, f16 or bf16"));
            self.drop(name);
            return Ok(None);
        }
        let tensor = self.tensor(name)?;
        self.drop(name);
        Ok(Some(tensor))
    }

    /// Ends the taking; a note names the tensors that were left out, if there are any. Those of whole numbers and truth values
    /// are: they are buffers, which no model needs. Others are only where `drops_unknown` allows it.
    ///
    /// # Errors
    /// [`InterchangeError::Mismatch`] lists what was missing, of another shape, or is left.
    pub(crate) fn finish(mut self, drops_unknown: bool) -> Result<Option<String>, InterchangeError> {
        let is_buffer = |(file, name): &(usize, String)| !self.files[*file].is_float(name);
        let (left_out, unknown): (Vec<_>, Vec<_>) =
            self.tensors.iter().partition(|(_, place)| drops_unknown || is_buffer(place));
        self.problems.extend(unknown.iter().map(|(name, _)| format!("not in the model: {name}")));
        if !unknown.is_empty() {
            self.problems.push("drop_unknown leaves out what is not in the model".to_owned());
        }
        if !self.problems.is_empty() {
            let exceeds = !unknown.is_empty();
            let Self { folder: path, problems, lacks, .. } = self;
            return Err(InterchangeError::Mismatch { path, problems, lacks, exceeds });
        }
        let names: Vec<&str> = left_out.into_iter().map(|(name, _)| name.as_str()).collect();
        let note = || format!("tensors that are not in the model are left out: {}", names.join(", "));
        Ok((!names.is_empty()).then(note))
    }
}

/// Copies a tensor of theirs into the parameters that it holds.
fn place(group: Vec<Slot>, tensor: HostTensor, order: &Order, params: &mut Tensors) {
    if let [Slot { layout, .. }] = &group[..]
        && layout.is_same(order)
    {
        let shape = layout.ours().to_vec();
        params.extend(group.into_iter().map(|slot| slot.ours).zip([HostTensor { shape, ..tensor }]));
        return;
    }
    for Slot { ours, layout, .. } in group {
        let param = params.entry(ours).or_insert_with(|| zeros(layout.ours()));
        layout.for_each(order, |to, from| param.values[to] = tensor.values[from]);
    }
}

/// The names of the tables of an encoder–decoder: the one that embeddings share, each stack's own, and the projection.
pub(crate) struct Tables {
    pub(crate) shared: &'static str,
    pub(crate) own: [&'static str; 2],
    pub(crate) projection: &'static str,
}

impl Tables {
    /// Compares the tables of a file that config.json says to be one: whether source and target share theirs, and whether
    /// the projection is the target's, if the configuration wants that. Copies are left out; a table that differs is
    /// used, as transformers does. A projection that is not there is the shared table.
    ///
    /// # Errors
    /// [`InterchangeError::Weights`] if a table can't be read.
    pub(crate) fn settle(&self, source: &mut Source, wants_tied: bool) -> Result<[bool; 2], InterchangeError> {
        let Self { shared, own: [encoder, decoder], projection } = *self;
        for copy in [decoder, encoder, projection] {
            source.alias(copy, shared);
        }
        if !source.has(shared) {
            return Ok([true, wants_tied]); // the tensor is said to be missing
        }
        for copy in [encoder, decoder].into_iter().chain(wants_tied.then_some(projection)) {
            source.alias(shared, copy);
        }
        let are_shared = source.are_equal(encoder, shared)? && source.are_equal(decoder, shared)?;
        let is_tied = wants_tied && source.are_equal(projection, decoder)?;
        let copies: &[&str] = if are_shared { &[encoder, decoder] } else { &[shared] };
        for copy in copies.iter().copied().chain(is_tied.then_some(projection)) {
            source.drop(copy);
        }
        Ok([are_shared, is_tied])
    }

    /// Notes for a file that has other tables than config.json says, `wanted`: shared embeddings, a tied projection.
    pub(crate) fn notes(&self, wanted: [bool; 2], found: [bool; 2]) -> Vec<String> {
        let Self { own: [encoder, decoder], projection, .. } = self;
        let mut notes = Vec::new();
        if wanted[0] && !found[0] {
            notes.push(format!("{encoder} and {decoder} differ: each is used, although config.json calls them one"));
        }
        if wanted[1] && !found[1] {
            notes.push(format!("{projection} differs from {decoder}: it is used, although config.json calls them one"));
        }
        notes
    }
}
