// Trainings: a table of runs, and their curves, while they run.
import { call, NoAnswer } from "./api.js";
import { chart } from "./chart.js";
import { el, grouped, lineColour, percent } from "./dom.js";

/** Milliseconds between looks at a run that trains. */
const EVERY = 2000;
const AT_ONCE = 8;

/** The view of all runs. */
export function runs() {
  const chosen = new Map(); // name of a run: its colour's number
  const known = new Map();
  let timer, open = true, listed = [];
  const status = el("p", { class: "status", role: "status" });
  const body = el("tbody"), charts = el("div", { class: "charts" });
  const table = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs" }, el("table", { class: "runs" },
    el("thead", {}, el("tr", {}, ["run", "task", "state", "step", "changed"].map((text) => el("th", { scope: "col" }, text)))), body));
  const empty = el("p", { class: "empty", hidden: true }, "No training has been run in the folder that the server was given.");

  const ago = (updated) => {
    const seconds = (Date.now() - (typeof updated === "number" ? updated * 1000 : Date.parse(updated))) / 1000;
    if (!Number.isFinite(seconds)) return "";
    const [n, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : seconds < 129600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
    return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.round(n), unit);
  };

  function free() {
    const taken = new Set(chosen.values());
    return Array.from({ length: AT_ONCE }, (_, i) => i).find((i) => !taken.has(i)) ?? 0;
  }

  function list() {
    empty.hidden = listed.length > 0;
    table.hidden = !listed.length;
    const focused = document.activeElement?.name === "run" ? document.activeElement.value : null;
    body.replaceChildren(...listed.map((run) => {
      const box = el("input", { type: "checkbox", name: "run", value: run.name, onchange: () => {
        if (box.checked) chosen.set(run.name, free()); else chosen.delete(run.name);
        list();
        curves();
      } });
      box.checked = chosen.has(run.name);
      const dot = el("span", { class: "dot" });
      if (box.checked) dot.style.setProperty("--colour", lineColour(chosen.get(run.name)));
      const share = run.max_steps ? run.step / run.max_steps : 0, done = el("span", { class: "bar-line" });
      done.style.setProperty("--share", Math.min(1, share));
      return el("tr", {}, el("th", { scope: "row" }, el("label", {}, box, dot, run.name)), el("td", {}, run.task), el("td", { class: run.state }, run.state),
        el("td", { class: "number" }, `${grouped(run.step)}${run.max_steps ? ` of ${grouped(run.max_steps)}` : ""}`,
          run.state === "running" && el("span", { class: "bar", role: "img", "aria-label": percent(share) }, done)), el("td", { class: "soft" }, ago(run.updated)));
    }));
    if (focused) body.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
  }

  async function curves(again = false) {
    const names = [...chosen.keys()];
    await Promise.all(names.map(async (name) => {
      const running = listed.find((run) => run.name === name)?.state === "running";
      if (!known.has(name) || (again && running)) known.set(name, (await call(`runs/${encodeURIComponent(name)}/curves`)).series);
    }));
    const panels = new Map();
    for (const run of names.filter((name) => chosen.has(name))) {
      for (const { name, unit, points } of known.get(run)) {
        if (!panels.has(name)) panels.set(name, { name, unit, lines: [] });
        if (points.length) panels.get(name).lines.push({ name: run, colour: lineColour(chosen.get(run)), points });
      }
    }
    // A panel that is there stays, with what the reader has opened in it.
    const there = new Map([...charts.children].map((node) => [node.dataset.name, node]));
    charts.replaceChildren(...[...panels.values()].filter((panel) => panel.lines.length).map((panel) => {
      const node = there.get(panel.name) ?? chart();
      node.dataset.name = panel.name;
      node.show(panel);
      return node;
    }));
  }

  async function look() {
    clearTimeout(timer);
    let wait = EVERY;
    try {
      if (!document.hidden) {
        const first = !listed.length;
        listed = (await call("runs")).runs;
        if (!open) return;
        status.textContent = "";
        if (first && listed.length) chosen.set((listed.find((run) => run.state === "running") ?? listed[0]).name, 0);
        list();
        await curves(true);
        if (!listed.some((run) => run.state === "running")) wait = 5 * EVERY;
      }
    } catch (e) {
      if (!(e instanceof NoAnswer)) throw e;
      status.textContent = e.message;
    } finally {
      if (open) timer = setTimeout(look, wait);
    }
  }
  look();
  return {
    nodes: [el("section", { class: "runs-view" }, el("h1", {}, "Runs"), table, empty, status, charts)],
    close: () => { open = false; clearTimeout(timer); },
  };
}
