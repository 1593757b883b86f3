/** The page that watches training: runs of a folder, side by side, as they are written. */
import { explain, getJSON, postJSON } from "../api.js";
import { coloursOf } from "../chart.js";
import { el, replace, toast } from "../dom.js";
import { number, significant, t } from "../i18n.js";
import { shell } from "../shell.js";
import { addLines, evaluationsOf, share } from "./curves.js";
import { drawConfiguration, drawCurves, drawProvenance, drawSamples, drawScores, drawTables } from "./views.js";

shell("/runs");
/** By name: what the list says, the log so far (`offset`), the configuration. */
const runs = new Map();
const chosen = new Set();
const view = { smoothing: 0, axis: "step", isLog: false, onlyDifferences: true, sample: null, table: null, hasMore: false };
let isFirst = true;

const list = el("div.runs"), note = el("div", { "aria-live": "polite" });
const parts = { curves: el("div"), tables: el("div"), samples: el("div"), scores: el("div"), configuration: el("div"), provenance: el("div") };
const shown = () => [...runs.values()].filter((run) => chosen.has(run.name) && run.steps);

function controls() {
  const smoothing = el("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: String(view.smoothing),
    oninput: () => { view.smoothing = Number(smoothing.value); drawCurves(parts.curves, shown(), view); } });
  const axis = el("select", { onchange: () => { view.axis = axis.value; drawCurves(parts.curves, shown(), view); } },
    ["step", "time", "tokens"].map((name) => el("option", { value: name }, t("axis." + name))));
  const isLog = el("input", { type: "checkbox", onchange: () => { view.isLog = isLog.checked; drawCurves(parts.curves, shown(), view); } });
  return el("div.row.controls", {}, el("label.short", {}, t("smoothing"), smoothing), el("label.short", {}, t("axis"), axis),
    el("label.check", {}, isLog, t("log.scale")));
}

function drawAll() {
  drawList();
  const all = shown();
  drawCurves(parts.curves, all, view);
  drawTables(parts.tables, all, view);
  drawSamples(parts.samples, all, view);
  drawScores(parts.scores, all);
  drawConfiguration(parts.configuration, all, view);
  drawProvenance(parts.provenance, all);
}

// MARK: - The list

/** How far a run is, by what bounds it: steps, minutes, both or nothing. */
function progress(run) {
  const steps = run.steps_planned ? t("progress", { n: number(run.step), of: number(run.steps_planned) })
    : t("progress.steps", { n: number(run.step) });
  const minutes = run.minutes_planned
    ? t("progress.minutes", { n: number(run.minutes, 1), of: number(run.minutes_planned, run.minutes_planned % 1 ? 1 : 0) }) : null;
  return [steps, minutes].filter(Boolean).join(" · ");
}

function drawList() {
  const focus = document.activeElement?.dataset?.run;
  replace(list, [...runs.values()].map((run) => {
    const box = el("input", { type: "checkbox", checked: chosen.has(run.name), data: { run: run.name }, onchange: async () => {
      if (box.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      await load(run);
      drawAll();
    } });
    box.style.accentColor = run.colour;
    // The log of a run that is not chosen is not read.
    const held = run.validation_loss ?? (run.evaluations && evaluationsOf(run).at(-1))?.loss;
    const bar = el("i");
    bar.style.width = 100 * share(run) + "%";
    bar.style.background = run.colour;
    return el("div.run", { class: run.running ? "running" : "" },
      el("label.check", {}, box, el("b", {}, run.name)),
      el("span.state", {}, t(run.stopping && run.running ? "stopping" : run.running ? "running" : run.finished ? "finished" : "paused")),
      el("span.track", { title: progress(run) }, bar), el("span.number.small", {}, progress(run)),
      el("span.number.small", {}, `${t("loss")} ${significant(run.loss)}`),
      el("span.number.small", {}, Number.isFinite(held) ? `${t("validation")} ${significant(held)}` : ""),
      run.step > 0 ? el("button", { type: "button", onclick: () => talk(run) }, t("run.talk")) : el("span"),
      run.running ? el("button.danger", { type: "button", disabled: Boolean(run.stopping), onclick: () => stop(run) }, t("run.stop")) : el("span"));
  }));
  if (focus) [...list.querySelectorAll("input")].find((box) => box.dataset.run === focus)?.focus();
}

/** Has the server offer the run's model, and goes where one talks to it. */
async function talk(run) {
  try {
    const { name, chat } = await postJSON(`/api/runs/${encodeURIComponent(run.name)}/offer`, {});
    location.href = (chat ? "/" : "/playground") + "?model=" + encodeURIComponent(name);
  } catch (error) {
    toast(explain(error));
  }
}

async function stop(run) {
  if (!confirm(t("run.stop.sure", { name: run.name }))) return;
  try {
    await postJSON(`/api/runs/${encodeURIComponent(run.name)}/stop`, {});
    run.stopping = true;
    toast(t("run.stop.asked", { name: run.name }));
  } catch (error) {
    toast(explain(error));
  }
  drawList();
}

// MARK: - Loading

async function load(run) {
  const path = `/api/runs/${encodeURIComponent(run.name)}`;
  run.configuration ??= (await getJSON(path)).configuration;
  for (;;) {
    const { offset, lines, restarted, more } = await getJSON(`${path}/log?offset=${run.offset ?? 0}`);
    if (restarted) run.steps = run.evaluations = run.scores = run.sessions = run.tables = undefined;
    addLines(run, lines);
    run.offset = offset;
    if (!more) return;
  }
}

async function refresh() {
  try {
    const { data, watched } = await getJSON("/api/runs");
    const old = [...runs.values()].map((run) => [run.name, run.modified, run.running].join());
    for (const name of [...runs.keys()]) if (!data.some((run) => run.name === name)) runs.delete(name);
    const colours = coloursOf(data.map((run) => run.name));
    data.forEach((found) => {
      const { steps, ...rest } = found;
      // A run keeps the colour that it was first seen in.
      const run = runs.get(found.name) ?? { colour: colours.get(found.name) };
      runs.set(found.name, Object.assign(run, rest, { steps_planned: steps }));
    });
    if (isFirst) {
      // What is running, or else what is newest.
      const newest = data.toSorted((a, b) => b.modified - a.modified);
      for (const run of newest.filter((one, index) => one.running || index < 3)) chosen.add(run.name);
    }
    const changed = [...runs.values()].map((run) => [run.name, run.modified, run.running].join());
    await Promise.all([...chosen].map((name) => runs.get(name)).filter((run) => run && (run.running || !run.steps || isFirst)).map(load));
    if (isFirst || old.join() !== changed.join()) drawAll();
    isFirst = false;
    replace(note, data.length ? null : el("p.notice.calm", {}, t(watched === false ? "runs.off" : "runs.none")));
    content.hidden = data.length === 0;
  } catch (error) {
    replace(note, el("p.notice", { role: "alert" }, explain(error)));
    // A key is asked for once, not every two seconds: with one the page loads anew.
    if (error.status === 401) return;
  }
  setTimeout(refresh, document.hidden ? 15_000 : 2_000);
}

const card = (title, ...children) => el("section.card", {}, el("h2", {}, t(title)), children);
const differences = el("input", { type: "checkbox", checked: true, onchange: () => {
  view.onlyDifferences = differences.checked;
  drawConfiguration(parts.configuration, shown(), view);
} });
const content = el("div", { hidden: true }, el("section.card", { "aria-label": t("choose.runs") }, list),
  card("curves", controls(), parts.curves), parts.tables, card("samples", parts.samples), parts.scores,
  card("configuration", el("label.check.small", {}, differences, t("only.differences")), parts.configuration), card("provenance", parts.provenance));
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("runs.title")), el("p", {}, t("runs.more"))), note, content)));
refresh();
