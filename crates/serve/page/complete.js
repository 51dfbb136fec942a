// A language model that goes on with a text: each token as probable as it was, with what else it might have been.
import { NoAnswer, stream } from "./api.js";
import { bar, el, grow, percent } from "./dom.js";

const number = (label, attributes) => {
  const input = el("input", { type: "number", ...attributes });
  return { node: el("label", {}, label, input), value: () => (input.value === "" ? undefined : Number(input.value)) };
};

/** The view of a model that completes text. */
export function complete(model, { text: first, changed }) {
  let controller = null, prompt = "", written = [];
  const area = el("textarea", { id: "prompt", rows: 3, dir: "auto", spellcheck: "false", placeholder: "Write the beginning" });
  const go = el("button", { type: "submit", class: "main" }, "Continue");
  const halt = el("button", { type: "button", hidden: true, onclick: () => controller?.abort() }, "Stop");
  const length = number("tokens", { min: 1, max: 2048, value: 60 }), heat = number("temperature", { min: 0, max: 5, step: 0.1, value: 0.8 });
  const top = number("top k", { min: 1, placeholder: "all" }), seed = number("seed", { min: 0, placeholder: "any" });
  const status = el("p", { class: "status", role: "status" });
  const begun = el("span", { class: "soft" }), ended = el("span", { class: "soft" });
  const text = el("span", {});
  const output = el("div", { class: "written", dir: "auto", role: "group", "aria-label": "What it wrote, token by token" }, begun, text, ended);
  const panel = el("aside", { class: "alternatives", "aria-live": "polite", hidden: true });
  const examples = (model.examples ?? []).slice(0, 4).map((text) => el("button", { type: "button", class: "chip", title: text, onclick: () => { area.value = text; grow(area); area.focus(); } }, text));
  const form = el("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); start(area.value, []); } },
    el("label", { for: "prompt" }, "A beginning"), area, examples.length ? el("div", { class: "chips" }, examples) : null,
    el("div", { class: "settings" }, length.node, heat.node, top.node, seed.node, el("span", { class: "space" }), halt, go));
  const scale = el("p", { class: "scale" }, "probability of a token", [0.9, 0.5, 0.2, 0.05, 0.01].map((p) => {
    const sample = el("span", { class: "token" }, percent(p));
    sample.style.setProperty("--surprise", surprise(Math.log(p)));
    return sample;
  }));
  const result = el("section", { class: "result", "aria-label": "Completion", hidden: true }, el("div", { class: "spread" }, output, panel), scale);

  function surprise(log_prob) {
    return Math.min(1, -log_prob / 5).toFixed(2);
  }

  function show(event) {
    const i = written.length;
    written.push(event);
    // A button would not break with the line.
    const node = el("span", { role: "button", tabindex: i ? -1 : 0, class: "token", "aria-pressed": false, "aria-label": `${visible(event.token.text)}, ${percent(Math.exp(event.token.log_prob))}`, onclick: () => open(i) }, event.token.text);
    node.style.setProperty("--surprise", surprise(event.token.log_prob));
    text.append(node);
  }

  /** What a token might have been; another one writes on from there. */
  function open(i) {
    [...text.children].forEach((node, j) => {
      node.setAttribute("aria-pressed", j === i);
      node.tabIndex = j === i ? 0 : -1;
    });
    const { token, alternatives } = written[i];
    const all = alternatives.some((one) => one.text === token.text) ? alternatives : [token, ...alternatives];
    panel.hidden = false;
    panel.replaceChildren(el("h3", {}, "Instead of ", el("b", { class: "literal" }, visible(token.text))),
      el("ul", { class: "bars-list" }, all.map((one) => el("li", {}, el("button", { type: "button", "aria-current": one.text === token.text ? "true" : null, onclick: () => one.text !== token.text && start(prompt, [...written.slice(0, i), { token: one, alternatives: all }]) },
        bar(visible(one.text), Math.exp(one.log_prob)))))));
  }

  const visible = (text) => text.replaceAll("\n", "↵").replace(/^ | $/g, "␣");

  async function start(from, kept) {
    controller?.abort();
    const own = (controller = new AbortController());
    prompt = from;
    changed(from);
    panel.hidden = true;
    written = [];
    begun.textContent = prompt;
    text.replaceChildren();
    ended.textContent = "";
    kept.forEach(show);
    result.hidden = false;
    status.textContent = "";
    halt.hidden = false;
    output.setAttribute("aria-busy", "true");
    try {
      const so_far = prompt + kept.map(({ token }) => token.text).join("");
      for await (const event of stream("complete", {
        model: model.name, prompt: so_far, max_tokens: length.value(), temperature: heat.value(), top_k: top.value(), seed: seed.value(), alternatives: 8,
      }, own.signal)) {
        if (event.token) show(event);
        if (event.ended === "stop") ended.textContent = " ∎";
        if (event.ended === "length") ended.textContent = " …";
      }
    } catch (e) {
      if (e instanceof NoAnswer) status.textContent = e.message;
      else if (e.name !== "AbortError") throw e;
    } finally {
      if (own === controller) {
        halt.hidden = true;
        output.removeAttribute("aria-busy");
      }
    }
  }

  area.addEventListener("input", () => grow(area));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Enter: 0, " ": 0 }[event.key];
    if (event.key === "Escape") panel.hidden = true;
    const along = getComputedStyle(output).direction === "rtl" ? -1 : 1;
    const to = [...text.children].indexOf(document.activeElement) + step * along;
    if (!(to in text.children)) return;
    event.preventDefault();
    text.children[to].focus();
    open(to);
  });
  area.value = first ?? model.examples?.[0] ?? "";
  return { nodes: [form, status, result], close: () => controller?.abort() };
}
