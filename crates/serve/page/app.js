// The frame of the page: which model, which view, which colours.
import { call, NoAnswer, useKey } from "./api.js";
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
/** Characters of a text that an address can have. */
const LONGEST = 2000;
const THEMES = { "": "as the system has them", light: "light", dark: "dark" };

const [menu, views, main, state, footer, theme] = ["model", "views", "main", "state", "about", "theme"]
  .map((id) => document.getElementById(id));
let models = [], has_runs = false, has_key = false, resting, view = null, shown = null;

/** The page's address has its model, view and text, so that it can be handed on. */
const address = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const link = (change) =>
  `#${new URLSearchParams(Object.entries({ ...address(), ...change }).filter(([, value]) => value))}`;

/** Changes the address, with its links, when the reader rests: browsers limit how often it may change. */
function keep(change) {
  clearTimeout(resting);
  resting = setTimeout(() => {
    history.replaceState(null, "", link(change));
    for (const node of views.children) node.href = link({ view: node.dataset.view });
  }, 500);
}

function show() {
  const asked = address();
  const model = models.find(({ name }) => name === asked.model) ?? models[0];
  const [label, make] = KINDS[model?.kind] ?? ["Model"];
  const here = asked.view === "runs" && has_runs ? "runs"
    : asked.view === "inside" && model?.kind === "translation" ? "inside" : "";
  const links = [
    model && ["", label],
    model?.kind === "translation" && ["inside", "Inside"],
    has_runs && ["runs", "Runs"],
  ].filter(Boolean);
  views.replaceChildren(...links.map(([view, text]) =>
    el("a", { href: link({ view }), "data-view": view, "aria-current": view === here ? "page" : null }, text)));
  if (model) menu.value = model.name;

  const key = here === "runs" ? here : model?.name;
  if (key !== shown || !view) {
    view?.close?.();
    clearTimeout(resting);
    shown = key;
    view = here === "runs" ? runs() : make ? make(model, {
      text: asked.model && asked.model !== model.name ? undefined : asked.text,
      changed: (text) => keep({ model: models.length > 1 ? model.name : "", text: text.length > LONGEST ? "" : text }),
    }) : { nodes: [el("p.empty", model ? `There is no view of ${model.kind} models; programs can ask it.`
      : "The server has no model.")] };
    main.replaceChildren(...view.nodes);
    footer.textContent = about(model ?? {});
  }
  if (here === "inside") {
    view.inside.node.open = true;
    view.inside.node.scrollIntoView();
  }
}

/** A model in a line. */
function about({ name, family, n_parameters, layers, heads }) {
  const count = (n, what) => n && `${grouped(n)} ${what}${n === 1 ? "" : "s"}`;
  const depth = ["encoder", "decoder"].map((part) => count(layers?.[part], `${part} layer`));
  return [name, family, count(n_parameters, "parameter"), ...depth, count(heads, "head")].filter(Boolean).join(" · ");
}

menu.addEventListener("change", () => {
  location.hash = link({ model: menu.value, text: "", view: "" });
});
addEventListener("hashchange", show);

function paint(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  theme.title = `Colours: ${THEMES[name]}`;
  theme.setAttribute("aria-label", theme.title);
  painted();
}
theme.addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length];
  kept.set("theme", next);
  paint(next);
});
const painted = () => document.dispatchEvent(new Event("colours"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", painted);
paint(kept.get("theme") in THEMES ? kept.get("theme") : "");

function askForKey(message) {
  const input = el("input", { type: "password", autocomplete: "current-password" });
  const submit = (event) => {
    event.preventDefault();
    useKey(input.value);
    has_key = true;
    start();
  };
  main.replaceChildren(el("form.settings", { onsubmit: submit },
    el("label", "This server asks for a key", input), el("button.main", "Use it")), el("p.status", message));
  input.focus();
}

async function start(attempt = 0) {
  try {
    const got = await call("models");
    if (got.key_required && !has_key) return askForKey("");
    ({ models, runs: has_runs } = got);
  } catch (e) {
    if (!(e instanceof NoAnswer)) throw e;
    if (e.status === 401) return askForKey(e.message);
    const seconds = Math.min(2 ** attempt, 15);
    // The form for a key may have taken its place.
    if (!state.isConnected) main.replaceChildren(state);
    state.textContent = `${e.message} Asking again in ${seconds} s.`;
    setTimeout(start, seconds * 1000, attempt + 1);
    return;
  }
  menu.replaceChildren(...models.map(({ name }) => el("option", { value: name }, name)));
  menu.disabled = models.length < 2;
  show();
}
start();
