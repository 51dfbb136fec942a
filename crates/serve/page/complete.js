// A language model that goes on with a text: each token as probable as it was, with what else it might have been.
import { NoAnswer, stream } from "./api.js";
import { along, bar, button, chip, el, grow, percent } from "./dom.js";

/** How many other tokens are shown. */
const ALTERNATIVES = 8;
/** Nats at which a token is as deep as can be. */
const DEEPEST = 5;

function number(label, attributes) {
  const input = el("input", { type: "number", ...attributes });
  return { node: el("label", label, input), value: () => (input.value === "" ? undefined : Number(input.value)) };
}

/** A token with its white space to be seen. */
const visible = (text) => text.replaceAll("\n", "↵").replace(/^ | $/g, "␣");
const probability = ({ log_prob }) => Math.exp(log_prob);
const surprise = ({ log_prob }) => Math.min(1, -log_prob / DEEPEST);

/** The view of a model that completes text. */
export function complete(model, { text: first, changed }) {
  let controller = null, prompt = "", written = [];
  const area = el("textarea", {
    id: "prompt", rows: 3, dir: "auto", spellcheck: "false", placeholder: "Write the beginning",
  });
  const halt = button("button", () => controller?.abort(), { hidden: true }, "Stop");
  const settings = {
    max_tokens: number("tokens", { min: 1, max: 2048, value: 60 }),
    temperature: number("temperature", { min: 0, max: 5, step: 0.1, value: 0.8 }),
    top_k: number("top k", { min: 1, placeholder: "all" }),
    seed: number("seed", { min: 0, placeholder: "any" }),
  };
  const take = (text) => {
    area.value = text;
    grow(area);
    area.focus();
  };
  const examples = (model.examples ?? []).slice(0, 4).map((text) => chip(text, take));
  const submit = (event) => {
    event.preventDefault();
    write(area.value, []);
  };
  const form = el("form.ask", { onsubmit: submit }, el("label", { for: "prompt" }, "A beginning"), area,
    el("div.chips", examples), el("div.settings", Object.values(settings).map(({ node }) => node),
      el("span.space"), halt, el("button.main", "Continue")));

  const status = el("p.status", { role: "status" });
  const begun = el("span.soft"), ended = el("span.soft"), text = el("span");
  const output = el("div.written", { dir: "auto", role: "group", "aria-label": "What it wrote, token by token" },
    begun, text, ended);
  const panel = el("aside", { "aria-live": "polite", hidden: true });
  const scale = el("p.scale", "probability of a token", [0.9, 0.5, 0.2, 0.05, 0.01].map((p) =>
    el("span.token", { "--surprise": surprise({ log_prob: Math.log(p) }) }, percent(p))));
  const result = el("section.result", { "aria-label": "Completion", hidden: true },
    el("div.spread", output, panel), scale);

  function add(event) {
    const i = written.push(event) - 1, { token } = event;
    // A button would not break with the line.
    text.append(el("span.token", {
      role: "button", tabindex: i ? -1 : 0, "aria-pressed": false, "--surprise": surprise(token),
      "aria-label": `${visible(token.text)}, ${percent(probability(token))}`, onclick: () => open(i),
    }, token.text));
  }

  /** What a token might have been; another one writes on from there. */
  function open(i) {
    [...text.children].forEach((node, j) => {
      node.setAttribute("aria-pressed", i === j);
      node.tabIndex = i === j ? 0 : -1;
    });
    const { token, alternatives } = written[i];
    const own = (one) => (one.id === undefined ? one.text === token.text : one.id === token.id);
    const all = alternatives.some(own) ? alternatives : [token, ...alternatives];
    const instead = (one) => () => own(one)
      || write(prompt, [...written.slice(0, i), { token: one, alternatives: all }]);
    panel.hidden = false;
    panel.replaceChildren(el("h3", "Instead of ", el("b", visible(token.text))),
      el("ul.bars-list", all.map((one) => el("li", button("button", instead(one),
        { "aria-current": own(one) }, bar(visible(one.text), probability(one)))))));
  }

  /** Goes on from a prompt and the tokens after it that the reader wants to keep. */
  async function write(from, keep) {
    controller?.abort();
    const own = (controller = new AbortController());
    prompt = from;
    written = [];
    changed(from);
    begun.textContent = prompt;
    text.replaceChildren();
    ended.textContent = status.textContent = "";
    keep.forEach(add);
    panel.hidden = true;
    result.hidden = halt.hidden = false;
    output.setAttribute("aria-busy", true);
    const kept = keep.map(({ token }) => token.text).join("");
    const asked = Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value()]));
    try {
      const body = { model: model.name, prompt: prompt + kept, alternatives: ALTERNATIVES, ...asked };
      for await (const event of stream("complete", body, own.signal)) {
        // Text that is left at the end, of half a letter for example, is of no token.
        if (event.token?.log_prob !== null && event.token) add(event);
        else if (event.token) text.lastElementChild?.append(event.token.text);
        if (event.ended) ended.textContent = event.ended === "stop" ? " ∎" : " …";
      }
    } catch (e) {
      if (e instanceof NoAnswer) status.textContent = e.message;
      else if (e.name !== "AbortError") throw e;
    } finally {
      if (own === controller) {
        halt.hidden = true;
        output.setAttribute("aria-busy", false);
      }
    }
  }

  area.addEventListener("input", () => grow(area));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") panel.hidden = true;
    const step = ["Enter", " "].includes(event.key) ? 0 : along(event, output);
    const to = [...text.children].indexOf(document.activeElement) + step;
    if (!(to in text.children)) return;
    event.preventDefault();
    text.children[to].focus();
    open(to);
  });
  area.value = first ?? model.examples?.[0] ?? "";
  return { nodes: [form, status, result], close: () => controller?.abort() };
}
