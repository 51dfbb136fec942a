// The frame of the page: which model, which view, which colours.
import { call, NoAnswer } from "./api.js";
import { complete } from "./complete.js";
import { el, grouped, kept } from "./dom.js";
import { classify, embed, fill } from "./encode.js";
import { runs } from "./runs.js";
import { translate } from "./translate.js";

/** What each kind of model is asked for: the name of its view, and the view. */
const KINDS = {
  translation: ["Translate", translate],
  "language-model": ["Write", complete],
  "masked-lm": ["Fill", fill],
  embedding: ["Compare", embed],
  classification: ["Classify", classify],
};

const $ = (id) => document.getElementById(id);
const [menu, views, main, state] = ["model", "views", "main", "state"].map($);
let models = [], has_runs = false, view = null, shown = {};

/** The page's address has its model, view and text, so that it can be handed on. */
const address = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const link = (change) => `#${new URLSearchParams(Object.entries({ ...address(), ...change }).filter(([, value]) => value))}`;

function show() {
  const asked = address();
  const model = models.find((one) => one.name === asked.model) ?? models[0];
  const name = asked.view === "runs" && has_runs ? "runs" : "task";
  const [label, make] = KINDS[model?.kind] ?? ["Model", null];
  const inside = model?.kind === "translation";
  views.replaceChildren(...[
    model && ["", label, name === "task" && asked.view !== "inside"],
    inside && ["inside", "Inside", name === "task" && asked.view === "inside"],
    has_runs && ["runs", "Runs", name === "runs"],
  ].filter(Boolean).map(([view, text, here]) => el("a", { href: link({ view }), "aria-current": here ? "page" : null }, text)));
  if (model) menu.value = model.name;
  if (shown.name !== name || shown.model !== model) {
    view?.close?.();
    shown = { name, model };
    const text = asked.model && asked.model !== model?.name ? undefined : asked.text;
    const changed = (text) => history.replaceState(null, "", link({ model: models.length > 1 ? model.name : "", text }));
    if (name === "runs") view = runs();
    else if (make) view = make(model, { text, changed });
    else view = { nodes: [el("p", { class: "empty" }, model ? `There is no view for a model of ${model.kind} yet; programs can ask it.` : "The server has no model.")] };
    main.replaceChildren(...view.nodes);
    about(model);
  }
  if (asked.view === "inside" && view.inside) {
    view.inside.node.open = true;
    view.inside.node.scrollIntoView();
  }
}

function about(model) {
  const { family, n_parameters, layers, heads } = model ?? {};
  const count = (n, what) => n && `${grouped(n)} ${what}${n === 1 ? "" : "s"}`;
  const depth = ["encoder", "decoder"].map((part) => count(layers?.[part], `${part} layer`)).filter(Boolean).join(", ");
  $("about").textContent = [model?.name, family, count(n_parameters, "parameter"), depth, count(heads, "head")].filter(Boolean).join(" · ");
}

menu.addEventListener("change", () => {
  location.hash = link({ model: menu.value, text: "", view: address().view === "runs" ? "" : address().view });
});
addEventListener("hashchange", show);

const THEMES = { "": "as the system has them", light: "light", dark: "dark" };
function theme(name) {
  if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
  $("theme").setAttribute("aria-label", `Colours: ${THEMES[name]}`);
  $("theme").title = `Colours: ${THEMES[name]}`;
  document.dispatchEvent(new Event("colours"));
}
$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length];
  kept.set("theme", next);
  theme(next);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("colours")));
theme(kept.get("theme") in THEMES ? kept.get("theme") : "");

async function start(attempt = 0) {
  try {
    ({ models, runs: has_runs } = await call("models"));
  } catch (e) {
    if (!(e instanceof NoAnswer)) throw e;
    const seconds = Math.min(2 ** attempt, 15);
    state.textContent = `${e.message} Asking again in ${seconds} s.`;
    setTimeout(start, seconds * 1000, attempt + 1);
    return;
  }
  menu.replaceChildren(...models.map((model) => el("option", { value: model.name }, model.name)));
  menu.disabled = models.length < 2;
  show();
}
start();
