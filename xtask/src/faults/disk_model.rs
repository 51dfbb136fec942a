//! A disk that loses its power: files and names as a program sees them, and as they are after the loss.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::trace::Call;

/// Which names in folders are left after a loss of power. Of a file's bytes those are left that were synced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Names {
    /// Those that were synced with their folder.
    Synced,
    /// All: the disk has been faster with them than with the bytes of files.
    All,
}

/// What is left at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Left {
    Folder,
    File(Vec<u8>),
    Link(PathBuf),
}

/// What is left in a folder, by path.
pub(super) type Tree = BTreeMap<PathBuf, Left>;

/// A folder's names, or a file's bytes, twice: as they are, and as they are on the disk.
#[derive(Debug)]
enum Node {
    Folder { now: BTreeMap<String, usize>, synced: BTreeMap<String, usize> },
    File { now: Vec<u8>, synced: Vec<u8> },
    Link(PathBuf),
}

/// An open file.
#[derive(Debug, Clone, Copy)]
struct Open {
    node: usize,
    at: u64,
    appends: bool,
}

/// A folder on a disk, and the files that are open.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// The root comes first.
    nodes: Vec<Node>,
    open: HashMap<u64, Open>,
}

impl Disk {
    /// The disk with what is in `root` now, all of it synced.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut disk = Self { root: root.to_owned(), nodes: vec![Node::folder()], open: HashMap::new() };
        for (path, left) in tree(root)? {
            let node = match left {
                Left::Folder => Node::folder(),
                Left::File(bytes) => Node::File { now: bytes.clone(), synced: bytes },
                Left::Link(target) => Node::Link(target),
            };
            disk.insert(&root.join(path), node);
        }
        disk.nodes.iter_mut().for_each(Node::sync);
        Ok(disk)
    }

    /// Does what a call did; returns whether anything may have changed.
    pub(super) fn apply(&mut self, call: &Call) -> bool {
        match call {
            Call::Open { fd, path, creates, truncates, appends } => {
                return self.open(*fd, path, [*creates, *truncates, *appends]);
            }
            Call::Close { fd } => {
                self.open.remove(fd);
                return false;
            }
            Call::Seek { fd, to } => {
                self.open.entry(*fd).and_modify(|open| open.at = *to);
                return false;
            }
            Call::Write { fd, at, bytes } => return self.write(*fd, *at, bytes),
            Call::Truncate { fd, length } => {
                let Some(file) = self.file_of(*fd) else { return false };
                file.resize(*length as usize, 0);
            }
            Call::Sync { fd } => {
                let Some(open) = self.open.get(fd) else { return false };
                self.nodes[open.node].sync();
            }
            Call::Rename { from, to, exchanges } => {
                let (Some(moved), replaced) = (self.take(from), self.take(to)) else { return false };
                self.name(to, moved);
                if let Some(replaced) = replaced.filter(|_| *exchanges) {
                    self.name(from, replaced);
                }
            }
            Call::Link { from, to } => {
                let Some(node) = self.find(from) else { return false };
                self.name(to, node);
            }
            Call::Symlink { target, path } => self.insert(path, Node::Link(target.clone())),
            Call::MakeFolder { path } => self.insert(path, Node::folder()),
            Call::Remove { path } => return self.take(path).is_some(),
        }
        true
    }

    fn open(&mut self, fd: u64, path: &Path, [creates, truncates, appends]: [bool; 3]) -> bool {
        // A number that is used again belongs to the new file, wherever that is.
        self.open.remove(&fd);
        let found = self.find(path);
        if found.is_none() && creates {
            self.insert(path, Node::File { now: Vec::new(), synced: Vec::new() });
        }
        let Some(node) = found.or_else(|| self.find(path)) else { return false };
        if let (Node::File { now, .. }, true) = (&mut self.nodes[node], truncates) {
            now.clear();
        }
        self.open.insert(fd, Open { node, at: 0, appends });
        found.is_none() || truncates
    }

    fn write(&mut self, fd: u64, at: Option<u64>, bytes: &[u8]) -> bool {
        let Some(open) = self.open.get(&fd).copied() else { return false };
        let Some(file) = self.file_of(fd) else { return false };
        let start = if open.appends { file.len() } else { at.unwrap_or(open.at) as usize };
        let end = start + bytes.len();
        file.resize(file.len().max(end), 0);
        file[start..end].copy_from_slice(bytes);
        if at.is_none() {
            self.open.insert(fd, Open { at: end as u64, ..open });
        }
        true
    }

    fn file_of(&mut self, fd: u64) -> Option<&mut Vec<u8>> {
        match &mut self.nodes[self.open.get(&fd)?.node] {
            Node::File { now, .. } => Some(now),
            _ => None,
        }
    }

    /// The node of a path inside the root.
    fn find(&self, path: &Path) -> Option<usize> {
        let mut node = 0;
        for part in path.strip_prefix(&self.root).ok()?.components() {
            let (Component::Normal(name), Node::Folder { now, .. }) = (part, &self.nodes[node]) else { return None };
            node = *now.get(name.to_str()?)?;
        }
        Some(node)
    }

    /// The names in the folder that a path is in, and the last name of the path.
    fn entry(&mut self, path: &Path) -> Option<(&mut BTreeMap<String, usize>, String)> {
        let parent = self.find(path.parent()?)?;
        let name = path.file_name()?.to_str()?.to_owned();
        match &mut self.nodes[parent] {
            Node::Folder { now, .. } => Some((now, name)),
            _ => None,
        }
    }

    fn name(&mut self, path: &Path, node: usize) {
        if let Some((names, name)) = self.entry(path) {
            names.insert(name, node);
        }
    }

    fn take(&mut self, path: &Path) -> Option<usize> {
        let (names, name) = self.entry(path)?;
        names.remove(&name)
    }

    fn insert(&mut self, path: &Path, node: Node) {
        self.nodes.push(node);
        self.name(path, self.nodes.len() - 1);
    }

    /// What a program sees.
    pub(super) fn seen(&self) -> Tree {
        self.walk(|node| match node {
            Node::Folder { now, .. } => (Left::Folder, Some(now)),
            Node::File { now, .. } => (Left::File(now.clone()), None),
            Node::Link(target) => (Left::Link(target.clone()), None),
        })
    }

    /// What is left after a loss of power.
    pub(super) fn left(&self, names: Names) -> Tree {
        self.walk(|node| match (node, names) {
            (Node::Folder { synced, .. }, Names::Synced) => (Left::Folder, Some(synced)),
            (Node::Folder { now, .. }, Names::All) => (Left::Folder, Some(now)),
            (Node::File { synced, .. }, _) => (Left::File(synced.clone()), None),
            (Node::Link(target), _) => (Left::Link(target.clone()), None),
        })
    }

    fn walk<'a>(&'a self, look: impl Fn(&'a Node) -> (Left, Option<&'a BTreeMap<String, usize>>)) -> Tree {
        let mut tree = Tree::new();
        let mut waiting = vec![(PathBuf::new(), 0)];
        while let Some((path, node)) = waiting.pop() {
            let (left, inside) = look(&self.nodes[node]);
            waiting.extend(inside.into_iter().flatten().map(|(name, &node)| (path.join(name), node)));
            tree.insert(path, left);
        }
        tree.remove(Path::new(""));
        tree
    }
}

impl Node {
    fn folder() -> Self {
        Self::Folder { now: BTreeMap::new(), synced: BTreeMap::new() }
    }

    fn sync(&mut self) {
        match self {
            Self::Folder { now, synced } => synced.clone_from(now),
            Self::File { now, synced } => synced.clone_from(now),
            Self::Link(_) => {}
        }
    }
}

/// What is in a folder.
pub(super) fn tree(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (path, kind) = (folder.join(entry.file_name()), entry.file_type()?);
            let left = if kind.is_symlink() {
                Left::Link(fs::read_link(entry.path())?)
            } else if kind.is_dir() {
                waiting.push(path.clone());
                Left::Folder
            } else {
                Left::File(fs::read(entry.path())?)
            };
            tree.insert(path, left);
        }
    }
    Ok(tree)
}

/// Writes a tree into an empty folder.
pub(super) fn restore(tree: &Tree, root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    for (path, left) in tree {
        let path = root.join(path);
        match left {
            Left::Folder => fs::create_dir(path)?,
            Left::File(bytes) => fs::write(path, bytes)?,
            #[cfg(unix)]
            Left::Link(target) => std::os::unix::fs::symlink(target, path)?,
            #[cfg(not(unix))]
            Left::Link(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_dir::TempDir;

    fn file(left: &str) -> Left {
        Left::File(left.into())
    }

    /// A file is written, with or without a sync, and renamed over another, with or without a sync of the folder.
    #[test]
    fn what_was_not_synced_is_lost() {
        let [root, new, old] = ["/d", "/d/new", "/d/old"].map(PathBuf::from);
        let open =
            |fd, path: &PathBuf| Call::Open { fd, path: path.clone(), creates: true, truncates: true, appends: false };
        for (syncs_file, syncs_folder) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut disk = Disk { root: root.clone(), nodes: vec![Node::folder()], open: HashMap::new() };
            disk.insert(&old, Node::File { now: b"old".into(), synced: b"old".into() });
            disk.nodes[0].sync();
            let write = Call::Write { fd: 3, at: None, bytes: b"new".into() };
            let mut calls = vec![open(3, &new), write];
            calls.extend(syncs_file.then_some(Call::Sync { fd: 3 }));
            calls.push(Call::Rename { from: new.clone(), to: old.clone(), exchanges: false });
            calls.extend(syncs_folder.then(|| open(4, &root)).into_iter().chain([Call::Sync { fd: 4 }]));
            for call in &calls {
                disk.apply(call);
            }
            let (whole, lost) = (file("new"), file(if syncs_file { "new" } else { "" }));
            assert_eq!(disk.seen(), [("old".into(), whole)].into());
            assert_eq!(disk.left(Names::All), [("old".into(), lost.clone())].into());
            let kept = if syncs_folder { lost } else { file("old") };
            assert_eq!(disk.left(Names::Synced), [("old".into(), kept)].into());
        }
    }

    #[test]
    fn an_exchange_has_both_names() {
        let folder = TempDir::new("disk-model").ok().unwrap();
        let folder = folder.path();
        fs::create_dir_all(folder.join("a/inner")).unwrap();
        fs::write(folder.join("b"), "b").unwrap();
        let mut disk = Disk::of(folder).unwrap();
        let exchange = Call::Rename { from: folder.join("a"), to: folder.join("b"), exchanges: true };
        assert!(disk.apply(&exchange));
        let before = tree(folder).unwrap();
        assert_eq!(disk.left(Names::Synced), before);
        let after: Tree =
            [("a".into(), file("b")), ("b".into(), Left::Folder), ("b/inner".into(), Left::Folder)].into();
        assert_eq!(disk.left(Names::All), after);
        let copy = folder.join("copy");
        restore(&after, &copy).unwrap();
        assert_eq!(tree(&copy).unwrap(), after);
    }
}
