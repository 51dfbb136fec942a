//! The table of allowed dependencies, compared with cargo's metadata.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use super::Breaches;
use crate::cargo::{cargo, root};

/// Each crate and its allowed imports from the workspace. `testkit` is for tests: a dev-dependency of any crate.
const MAY_IMPORT: [(&str, &[&str]); 29] = [
    // 0: know nothing of the others
    ("tokenizer", &[]),
    ("metrics", &[]),
    ("kernels", &[]),
    ("core", &[]),
    ("corpus", &[]),
    ("weights", &[]),
    ("plot", &[]),
    ("collective", &[]),
    ("testkit", &[]),
    // 1
    ("backend", &["kernels", "core"]),
    ("data", &["core"]),
    ("decode", &["core"]),
    ("environments", &["core"]),
    ("speech", &["core"]),
    // 2
    ("attention", &["backend"]),
    ("optim", &["backend", "collective"]),
    ("vision", &["core", "data"]),
    ("trainer", &["backend", "collective", "core", "optim", "weights"]),
    // 3
    ("model", &["attention", "backend", "core"]),
    // 4
    ("engine", &["attention", "core", "kernels", "model", "weights"]),
    // 5
    (
        "bundle",
        &["backend", "core", "decode", "engine", "environments", "model", "speech", "tokenizer", "vision", "weights"],
    ),
    // 6
    ("inspect", &["backend", "bundle", "core", "corpus", "decode", "metrics", "model", "tokenizer", "weights"]),
    ("interchange", &["attention", "bundle", "core", "model", "speech", "tokenizer", "vision", "weights"]),
    // 7
    (
        "task",
        &[
            "backend",
            "bundle",
            "collective",
            "core",
            "corpus",
            "data",
            "decode",
            "environments",
            "interchange",
            "metrics",
            "model",
            "optim",
            "speech",
            "tokenizer",
            "trainer",
            "vision",
            "weights",
        ],
    ),
    // 8
    (
        "run",
        &[
            "backend",
            "bundle",
            "collective",
            "core",
            "data",
            "kernels",
            "model",
            "optim",
            "plot",
            "task",
            "tokenizer",
            "trainer",
            "weights",
        ],
    ),
    // 9
    (
        "paper",
        &[
            "attention",
            "backend",
            "bundle",
            "collective",
            "core",
            "corpus",
            "data",
            "inspect",
            "model",
            "optim",
            "plot",
            "run",
            "task",
            "tokenizer",
            "trainer",
            "weights",
        ],
    ),
    (
        "serve",
        &[
            "backend",
            "bundle",
            "core",
            "corpus",
            "data",
            "decode",
            "inspect",
            "interchange",
            "model",
            "run",
            "tokenizer",
        ],
    ),
    // 10
    (
        "attentive",
        &[
            "attention",
            "backend",
            "bundle",
            "collective",
            "core",
            "corpus",
            "data",
            "decode",
            "engine",
            "environments",
            "inspect",
            "interchange",
            "kernels",
            "metrics",
            "model",
            "optim",
            "paper",
            "plot",
            "run",
            "serve",
            "speech",
            "task",
            "tokenizer",
            "trainer",
            "vision",
            "weights",
        ],
    ),
    // 11
    (
        "cli",
        &[
            "backend",
            "bundle",
            "collective",
            "core",
            "data",
            "decode",
            "environments",
            "inspect",
            "interchange",
            "kernels",
            "metrics",
            "model",
            "paper",
            "plot",
            "run",
            "serve",
            "speech",
            "task",
            "tokenizer",
            "trainer",
            "vision",
            "weights",
        ],
    ),
];

/// Crates that work without a tensor library.
const NO_BURN: [&str; 14] = [
    "attentive-collective",
    "attentive-core",
    "attentive-corpus",
    "attentive-data",
    "attentive-decode",
    "attentive-environments",
    "attentive-tokenizer",
    "attentive-metrics",
    "attentive-kernels",
    "attentive-plot",
    "attentive-speech",
    "attentive-testkit",
    "attentive-vision",
    "xtask",
];

/// Features that choose a backend: `backend` alone names them; `attentive` and `cli` pass them on.
const BACKEND_FEATURES: [&str; 11] =
    ["flex", "ndarray", "wgpu", "wgpu-unfused", "cuda", "rocm", "metal", "vulkan", "webgpu", "tch", "fusion"];

/// The workspace's own packages, as `cargo metadata` shows them, and the graph of all others from `Cargo.lock`.
///
/// Both are read without the network.
struct Workspace {
    members: Vec<Value>,
    /// Each package's dependencies by name, all versions, features and platforms taken together.
    locked: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    fn load() -> Self {
        let mut command = cargo("metadata");
        let output = command.args(["--format-version", "1", "--no-deps", "--offline"]).output().expect("cargo runs");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
        let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
        Self { members: metadata["packages"].as_array().expect("packages").clone(), locked: parse_lock(&lock) }
    }

    /// Names of all packages that may be needed to build (not to test) the member `name`.
    fn needed_by(&self, name: &str) -> BTreeSet<&str> {
        let member = self.members.iter().find(|package| text(&package["name"]) == name);
        let direct = dependencies(member.unwrap_or_else(|| panic!("no package {name}")));
        let mut open: Vec<&str> = direct.filter(|one| !is_dev(one)).map(|one| text(&one["name"])).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                open.extend(self.locked.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        seen
    }
}

/// The graph in a `Cargo.lock`, by package name.
fn parse_lock(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let mut lines = package.lines().map(str::trim);
        let name = lines.find_map(|line| line.strip_prefix("name = ")).expect("a package has a name");
        let needs = graph.entry(name.trim_matches('"').to_owned()).or_default();
        // A dependency is "name", "name version" or "name version (source)".
        needs.extend(
            lines
                .skip_while(|line| *line != "dependencies = [")
                .filter_map(|line| line.strip_prefix('"')?.split(['"', ' ']).next())
                .map(str::to_owned),
        );
    }
    graph
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(text)
}

fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"].as_array().into_iter().flatten()
}

fn is_dev(dependency: &Value) -> bool {
    dependency["kind"] == "dev"
}

/// The folder of one of our crates, below `crates/`.
fn folder_of(name: &str) -> Option<&str> {
    if name == "attentive" { Some(name) } else { name.strip_prefix("attentive-") }
}

#[test]
fn crates_import_only_what_the_table_allows() {
    let table = BTreeMap::from(MAY_IMPORT);
    let workspace = Workspace::load();
    let mut breaches = Breaches::default();
    let mut found = BTreeSet::new();
    for package in &workspace.members {
        let name = text(&package["name"]);
        let Some(folder) = folder_of(name) else {
            continue;
        };
        found.insert(folder);
        let Some(allowed) = table.get(folder) else {
            breaches.add(name, "has no row in MAY_IMPORT");
            continue;
        };
        let manifest = format!("crates/{folder}/Cargo.toml");
        if !text(&package["manifest_path"]).replace('\\', "/").ends_with(&manifest) {
            breaches.add(name, format!("is not in crates/{folder}"));
        }
        for dependency in dependencies(package).filter(|dependency| !is_dev(dependency)) {
            let imported = folder_of(text(&dependency["name"]));
            if let Some(imported) = imported.filter(|imported| !allowed.contains(imported)) {
                breaches.add(&manifest, format!("may not import {imported}"));
            }
        }
    }
    for (folder, _) in MAY_IMPORT {
        if !found.contains(folder) {
            breaches.add(folder, "is in MAY_IMPORT but not in the workspace");
        }
    }
    breaches.none("imports against the layering");
}

#[test]
fn xtask_needs_no_other_crate() {
    assert_eq!(Workspace::load().needed_by("xtask"), BTreeSet::new());
}

#[test]
fn light_crates_do_not_pull_burn_in() {
    let workspace = Workspace::load();
    let mut breaches = Breaches::default();
    for name in NO_BURN {
        for needed in workspace.needed_by(name) {
            if needed == "burn" || needed.starts_with("burn-") || needed.starts_with("cubecl") {
                breaches.add(name, format!("pulls {needed} in"));
            }
        }
    }
    breaches.none("crates that must do without burn");
    assert!(workspace.needed_by("attentive-backend").contains("burn"), "the walk finds an existing dependency");
}

#[test]
fn only_backend_names_backend_features() {
    let mut breaches = Breaches::default();
    for package in &Workspace::load().members {
        let name = text(&package["name"]);
        // The benches measure one backend.
        if ["attentive-backend", "bench"].contains(&name) {
            continue;
        }
        for dependency in dependencies(package) {
            let of = text(&dependency["name"]);
            let through_burn = of == "burn";
            let in_library = of == "attentive-backend" && !is_dev(dependency);
            for feature in strings(&dependency["features"]) {
                if BACKEND_FEATURES.contains(&feature) && (through_burn || in_library) {
                    breaches.add(name, format!("asks {of} for `{feature}`"));
                }
            }
        }
        let own = package["features"].as_object().expect("features");
        for feature in own.keys().filter(|feature| BACKEND_FEATURES.contains(&feature.as_str())) {
            if !["attentive", "attentive-cli"].contains(&name) {
                breaches.add(name, format!("has a feature `{feature}`"));
            }
        }
    }
    breaches.none("backends named outside crates/backend; tests name them in dev-dependencies on attentive-backend");
}

#[test]
fn manifests_are_ready_for_a_registry() {
    let mut breaches = Breaches::default();
    for package in &Workspace::load().members {
        let name = text(&package["name"]);
        let manifest = fs::read_to_string(text(&package["manifest_path"])).expect("a manifest");
        if !manifest.contains("[lints]\nworkspace = true") {
            breaches.add(name, "does not take the workspace's lints");
        }
        // `publish = false` shows as an empty list of registries.
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        for key in ["description", "license", "repository", "readme"] {
            if text(&package[key]).is_empty() {
                breaches.add(name, format!("has no `{key}`"));
            }
        }
        for key in ["keywords", "categories"] {
            if !(1..=5).contains(&strings(&package[key]).count()) {
                breaches.add(name, format!("needs one to five `{key}`"));
            }
        }
        for dependency in dependencies(package).filter(|dependency| !is_dev(dependency)) {
            if text(&dependency["req"]) == "*" {
                breaches.add(name, format!("takes any version of {}", text(&dependency["name"])));
            }
        }
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        if !root().join(licence).is_file() {
            breaches.add(licence, "is missing");
        }
    }
    breaches.none("manifests");
}
