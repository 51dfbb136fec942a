// Trainings: a table of runs, and their curves, while they run.
import { call, NoAnswer } from "./api.js";
import { chart } from "./chart.js";
import { dot, el, grouped, lineColour, percent, scroll } from "./dom.js";

/** Milliseconds between looks at runs, of which one trains. */
const EVERY = 2000;

/** Units of time, with the seconds up to which each is used. */
const UNITS = [["second", 1, 90], ["minute", 60, 5400], ["hour", 3600, 129600], ["day", 86400, Infinity]];

/** "3 minutes ago", of seconds since 1970 or of a date. */
function ago(updated) {
  const seconds = Date.now() / 1000 - (typeof updated === "number" ? updated : Date.parse(updated) / 1000);
  if (!Number.isFinite(seconds)) return "";
  const [unit, length] = UNITS.find(([, , end]) => seconds < end);
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.round(seconds / length), unit);
}

/** The view of all runs. */
export function runs() {
  const chosen = new Map(); // the number of its colour, by a run's name
  const known = new Map(); // its curves
  let timer, open = true, listed = [];
  const status = el("p.status", { role: "status" }), body = el("tbody"), charts = el("div.charts");
  const head = ["run", "task", "state", "step", "changed"].map((text) => el("th", { scope: "col" }, text));
  const table = scroll("Runs", el("table.runs", el("thead", el("tr", head)), body));
  const empty = el("p.empty", { hidden: true }, "There are no runs in the folder that the server was given.");

  function choose({ target: { checked, value } }) {
    const taken = [...chosen.values()];
    if (checked) chosen.set(value, [...taken.keys(), taken.length].find((i) => !taken.includes(i)));
    else chosen.delete(value);
    list();
    curves().catch(tell);
  }

  function tell(e) {
    if (!(e instanceof NoAnswer)) throw e;
    status.textContent = e.message;
  }

  function list() {
    empty.hidden = listed.length > 0;
    table.hidden = !listed.length;
    const focused = document.activeElement?.name === "run" ? document.activeElement.value : null;
    body.replaceChildren(...listed.map(({ name, task, state, step, max_steps, updated }) => {
      const box = el("input", { type: "checkbox", name: "run", value: name, onchange: choose });
      box.checked = chosen.has(name);
      const share = max_steps ? Math.min(1, step / max_steps) : 0;
      return el("tr",
        el("th", { scope: "row" }, el("label", box, dot(lineColour(chosen.get(name) ?? 0)), name)),
        el("td", task), el(`td.${state}`, state),
        el("td", grouped(step), max_steps && ` of ${grouped(max_steps)}`, state === "running"
          && el("span.bar", { role: "img", "aria-label": percent(share) }, el("span.bar-line", { "--share": share }))),
        el("td.soft", ago(updated)));
    }));
    if (focused) body.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Shows the curves of the chosen runs; those of runs that train are asked for again. */
  async function curves() {
    await Promise.all([...chosen.keys()].map(async (name) => {
      const running = listed.find((run) => run.name === name)?.state === "running";
      if (running || !known.has(name)) known.set(name, (await call(`runs/${encodeURIComponent(name)}/curves`)).series);
    }));
    const panels = new Map();
    for (const [run, colour] of chosen) {
      for (const { name, unit, points } of known.get(run) ?? []) {
        if (!points.length) continue;
        if (!panels.has(name)) panels.set(name, { name, unit, lines: [] });
        panels.get(name).lines.push({ name: run, colour: lineColour(colour), points });
      }
    }
    // A panel that is there stays, with what the reader has opened in it.
    const there = new Map([...charts.children].map((node) => [node.dataset.name, node]));
    charts.replaceChildren(...[...panels.values()].map((panel) => {
      const node = there.get(panel.name) ?? chart();
      node.dataset.name = panel.name;
      return node;
    }));
    for (const node of charts.children) node.show(panels.get(node.dataset.name));
  }

  async function look() {
    let wait = EVERY;
    try {
      if (!document.hidden) {
        const first = !listed.length;
        listed = (await call("runs")).runs;
        if (!open) return;
        status.textContent = "";
        // Nobody could unchoose a run that is gone, whose curves are missing.
        for (const name of chosen.keys()) if (!listed.some((run) => run.name === name)) chosen.delete(name);
        const running = listed.find((run) => run.state === "running");
        if (first && listed.length) chosen.set((running ?? listed[0]).name, 0);
        list();
        await curves();
        if (!running) wait = 5 * EVERY;
      }
    } catch (e) {
      tell(e);
    } finally {
      if (open) timer = setTimeout(look, wait);
    }
  }
  look();
  return {
    nodes: [el("section.runs-view", el("h2", "Runs"), table, empty, status, charts)],
    close: () => {
      open = false;
      clearTimeout(timer);
    },
  };
}
