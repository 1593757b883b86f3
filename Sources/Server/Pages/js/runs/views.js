/** Curves, samples, scores and configurations of the runs that are chosen. */
import { lineChart } from "../chart.js";
import { el, replace } from "../dom.js";
import { language, number, percent, significant, t } from "../i18n.js";
import { compareConfigurations, evaluationsOf, important, isInNats, metricNames, points, smooth, tablesOf } from "./curves.js";

/** Where a value comes from, in the page's language. */
const told = language === "zh" ? (await import("../i18n/options-zh.js")).inChinese : (text) => text;

/** Name in the log, kind of line, title, what lies along the vertical axis. */
const charts = [
  ["loss", "step", "loss", "unit.nats"], ["loss", "evaluation", "validation", "unit.nats"], ["reward", "step"], ["learning_rate", "step"], ["gradient_norm", "step"],
  ["tokens_per_second", "step"], ["peak_memory_bytes", "step", "memory", "unit.mb"],
];

export function drawCurves(target, runs, view) {
  const all = metricNames(runs), metrics = (names) => names.map((name) => [name, "both", null, null]);
  const others = all.filter((name) => !important.includes(name));
  const figures = drawnCharts(runs, [...charts.slice(0, 3), ...metrics(all.filter((name) => important.includes(name))), ...charts.slice(3)], view);
  // An objective logs two dozen numbers: what is looked at less is drawn when it is asked for.
  const rest = el("div.charts");
  const draw = () => replace(rest, view.hasMore ? drawnCharts(runs, metrics(others), view) : null);
  const more = others.length ? el("details.more", { open: view.hasMore, ontoggle: () => { view.hasMore = more.open; draw(); } },
    el("summary.quiet", {}, t("metrics.more", { n: others.length })), rest) : null;
  draw();
  replace(target, figures.length ? el("div.charts", {}, figures) : el("p.quiet", {}, t("no.data")), more);
}

function drawnCharts(runs, list, { smoothing, axis, isLog }) {
  const figures = [];
  for (const [name, kind, title, unit] of list) {
    const series = runs.flatMap((run) => {
      const scale = name === "peak_memory_bytes" ? 1e-6 : 1;
      const raw = points(run, name, axis, kind === "evaluation" ? kind : "step").map(([x, y]) => [x, y * scale]);
      const line = (points, more) => ({ name: run.name, colour: run.colour, points, ...more });
      // What was found on held-out rows stands beside it as dots.
      const held = kind === "both" ? points(run, name, axis, "evaluation") : [];
      const beside = held.length ? [line(held, { dots: true, faint: true })] : [];
      if (!raw.length) return beside;
      if (kind === "evaluation") return [line(raw, { dots: raw.length < 40 })];
      const isNoisy = smoothing > 0 && !["learning_rate", "peak_memory_bytes"].includes(name);
      return [...beside, ...(isNoisy ? [line(raw, { faint: true }), line(smooth(raw, smoothing))] : [line(raw)])];
    });
    if (!series.length) continue;
    const figure = el("figure.chart");
    // The objective's own numbers keep the names they have everywhere.
    const plain = kind === "both" ? name : null;
    const isNamed = unit && (unit !== "unit.nats" || runs.every(isInNats));
    lineChart(figure, { title: plain ?? t(title ?? name), yName: plain ?? t(isNamed ? unit : title ?? name), series, log: isLog && !["learning_rate", "reward"].includes(name),
      xName: t("axis." + axis) });
    figures.push(figure);
  }
  return figures;
}

const dot = (run) => {
  const mark = el("i.dot");
  mark.style.background = run.colour;
  return mark;
};

export function drawSamples(target, runs, view) {
  const steps = [...new Set(runs.flatMap((run) => evaluationsOf(run).filter((one) => one.sample).map((one) => one.step)))]
    .sort((a, b) => a - b);
  if (!steps.length) { replace(target, el("p.quiet", {}, t("no.data"))); return; }
  const box = el("div.samples");
  const show = (index) => {
    replace(box, runs.map((run) => {
      const one = evaluationsOf(run).findLast((evaluation) => evaluation.step <= steps[index] && evaluation.sample);
      return one && el("figure", {}, el("figcaption.small", {}, dot(run), el("b", {}, run.name), " · ",
        t("samples.at", { n: number(one.step), loss: significant(one.loss) })), one.prompt ? el("blockquote.prompt", {}, one.prompt) : null, el("blockquote", {}, one.sample));
    }));
  };
  const at = view.sample === null ? steps.length - 1 : Math.min(view.sample, steps.length - 1);
  const slider = el("input", { type: "range", min: "0", max: String(steps.length - 1), value: String(at), "aria-label": t("step"),
    oninput: () => { view.sample = Number(slider.value) === steps.length - 1 ? null : Number(slider.value); show(Number(slider.value)); } });
  replace(target, steps.length > 1 ? slider : null, box);
  show(at);
}

/** Replies that were written and pairs that were compared, with what they are worth: of a step that can be chosen. */
export function drawTables(target, runs, view) {
  const all = runs.map((run) => ({ run, tables: tablesOf(run) })).filter((one) => one.tables.length);
  if (!all.length) { replace(target); return; }
  const steps = [...new Set(all.flatMap(({ tables }) => tables.map((table) => table.step)))].sort((a, b) => a - b);
  const box = el("div");
  const show = (index) => replace(box, all.map(({ run, tables }) => {
    const table = tables.findLast((one) => one.step <= steps[index]);
    return table && drawTable(run, table);
  }));
  const at = view.table === null ? steps.length - 1 : Math.min(view.table, steps.length - 1);
  const slider = el("input", { type: "range", min: "0", max: String(steps.length - 1), value: String(at), "aria-label": t("step"),
    oninput: () => { view.table = Number(slider.value) === steps.length - 1 ? null : Number(slider.value); show(Number(slider.value)); } });
  show(at);
  replace(target, el("section.card", {}, el("h2", {}, t("completions")), steps.length > 1 ? slider : null, box));
}

function drawTable(run, table) {
  const names = Object.keys(table.rows[0] ?? {}), texts = names.filter((name) => typeof table.rows[0][name] === "string");
  const numbers = names.filter((name) => !texts.includes(name));
  const title = (name) => (texts.includes(name) ? t("column." + name) : ["reward", "advantage"].includes(name) ? t(name) : name);
  return el("div", {}, el("p.small", {}, dot(run), el("b", {}, run.name), " · ",
    t("completions.at", { n: number(table.step), shown: number(table.rows.length), of: number(table.of) })),
  el("div.wide", { tabIndex: 0 }, el("table.data.texts", {}, el("thead", {}, el("tr", {}, names.map((name) => el("th", { class: numbers.includes(name) ? "number" : "" }, title(name))))),
    el("tbody", {}, table.rows.map((row) => el("tr", {}, names.map((name) => (texts.includes(name)
      ? el("td", {}, el("div.text", {}, row[name])) : el("td.number", {}, significant(row[name]))))))))));
}

export function drawScores(target, runs) {
  const rows = runs.flatMap((run) => (run.scores ?? []).map((score) => ({ run, score })));
  if (!rows.length) { replace(target); return; }
  replace(target, el("section.card", {}, el("h2", {}, t("scores")), el("div.wide", { tabIndex: 0 }, el("table.data", {},
    el("thead", {}, el("tr", {}, [t("run"), t("task"), t("step"), t("accuracy")].map((name) => el("th", {}, name)))),
    el("tbody", {}, rows.map(({ run, score }) => el("tr", {}, el("td", {}, dot(run), run.name), el("td", {}, score.task),
      el("td.number", {}, number(score.step)), el("td", {}, `${percent(score.right / score.questions)} `,
        el("span.small.quiet", {}, `(${number(score.right)} / ${number(score.questions)})`)))))))));
}

export function drawConfiguration(target, runs, { onlyDifferences }) {
  const rows = compareConfigurations(runs.filter((run) => run.configuration))
    .filter((row) => !onlyDifferences || runs.length < 2 || row.differs);
  if (!rows.length) { replace(target, el("p.quiet", {}, t("no.differences"))); return; }
  replace(target, el("div.wide", { tabIndex: 0 }, el("table.data", {},
    el("thead", {}, el("tr", {}, el("th", {}, t("option")), runs.map((run) => el("th", {}, dot(run), run.name)))),
    el("tbody", {}, rows.map((row) => el("tr", { class: row.differs && runs.length > 1 ? "differs" : "" }, el("td.mono.small", {}, row.name),
      row.options.map((option) => el("td", {}, option ? el("span.mono.small", {}, text(option.value)) : "–",
        option?.origin ? el("span.origin", {}, told(option.origin)) : null))))))));
}

/** Which program computed the steps, where, when and from what: a row for each process that trained. */
export function drawProvenance(target, runs) {
  const rows = runs.flatMap((run) => (run.sessions ?? []).map((session) => ({ run, session })));
  if (!rows.length) { replace(target, el("p.quiet", {}, t("no.data"))); return; }
  const names = ["date", "version", "command", "machine", "data"];
  replace(target, el("div.wide", { tabIndex: 0 }, el("table.data", {},
    el("thead", {}, el("tr", {}, [t("run"), t("step"), ...names.map((name) => t("run." + name))].map((name) => el("th", {}, name)))),
    el("tbody", {}, rows.map(({ run, session }) => el("tr", {}, el("td", {}, dot(run), run.name),
      el("td.number", {}, number(session.step)), names.map((name) => el("td.small", { class: "of-" + name }, session[name] ?? "–"))))))));
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
