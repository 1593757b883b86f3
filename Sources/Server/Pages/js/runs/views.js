/** Curves, samples, scores and configurations of the runs that are chosen. */
import { lineChart } from "../chart.js";
import { el, replace } from "../dom.js";
import { number, percent, significant, t } from "../i18n.js";
import { compareConfigurations, evaluationsOf, points, smooth } from "./curves.js";

/** Name in the log, kind of line, title, what lies along the vertical axis. */
const charts = [
  ["loss", "step", "loss", "unit.nats"], ["loss", "evaluation", "validation", "unit.nats"], ["reward", "step"], ["learning_rate", "step"], ["gradient_norm", "step"],
  ["tokens_per_second", "step"], ["peak_memory_bytes", "step", "memory", "unit.mb"],
];

export function drawCurves(target, runs, { smoothing, axis, isLog }) {
  const figures = [];
  for (const [name, kind, title, unit] of charts) {
    const series = runs.flatMap((run) => {
      const scale = name === "peak_memory_bytes" ? 1e-6 : 1;
      const raw = points(run, name, axis, kind).map(([x, y]) => [x, y * scale]);
      if (!raw.length) return [];
      const line = (points, more) => ({ name: run.name, colour: run.colour, points, ...more });
      if (kind === "evaluation") return [line(raw, { dots: raw.length < 40 })];
      const isNoisy = smoothing > 0 && !["learning_rate", "peak_memory_bytes"].includes(name);
      return isNoisy ? [line(raw, { faint: true }), line(smooth(raw, smoothing))] : [line(raw)];
    });
    if (!series.length) continue;
    const figure = el("figure.chart");
    lineChart(figure, { title: t(title ?? name), yName: t(unit ?? name), series, log: isLog && !["learning_rate", "reward"].includes(name),
      xName: t("axis." + axis) });
    figures.push(figure);
  }
  replace(target, figures.length ? figures : el("p.quiet", {}, t("no.data")));
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

export function drawScores(target, runs) {
  const rows = runs.flatMap((run) => (run.scores ?? []).map((score) => ({ run, score })));
  if (!rows.length) { replace(target); return; }
  replace(target, el("section.card", {}, el("h2", {}, t("scores")), el("div.wide", {}, el("table.data", {},
    el("thead", {}, el("tr", {}, [t("run"), t("task"), t("step"), t("accuracy")].map((name) => el("th", {}, name)))),
    el("tbody", {}, rows.map(({ run, score }) => el("tr", {}, el("td", {}, dot(run), run.name), el("td", {}, score.task),
      el("td.number", {}, number(score.step)), el("td", {}, `${percent(score.right / score.questions)} `,
        el("span.small.quiet", {}, `(${number(score.right)} / ${number(score.questions)})`)))))))));
}

export function drawConfiguration(target, runs, { onlyDifferences }) {
  const rows = compareConfigurations(runs.filter((run) => run.configuration))
    .filter((row) => !onlyDifferences || runs.length < 2 || row.differs);
  if (!rows.length) { replace(target, el("p.quiet", {}, t("no.differences"))); return; }
  replace(target, el("div.wide", {}, el("table.data", {},
    el("thead", {}, el("tr", {}, el("th", {}, t("option")), runs.map((run) => el("th", {}, dot(run), run.name)))),
    el("tbody", {}, rows.map((row) => el("tr", { class: row.differs && runs.length > 1 ? "differs" : "" }, el("td.mono.small", {}, row.name),
      row.options.map((option) => el("td", {}, option ? el("span.mono.small", {}, text(option.value)) : "–",
        option?.origin ? el("span.origin", {}, option.origin) : null))))))));
}

/** Which program computed the steps, where, when and from what: a row for each process that trained. */
export function drawProvenance(target, runs) {
  const rows = runs.flatMap((run) => (run.sessions ?? []).map((session) => ({ run, session })));
  if (!rows.length) { replace(target, el("p.quiet", {}, t("no.data"))); return; }
  const names = ["date", "version", "command", "machine", "data"];
  replace(target, el("div.wide", {}, el("table.data", {},
    el("thead", {}, el("tr", {}, [t("run"), t("step"), ...names.map((name) => t("run." + name))].map((name) => el("th", {}, name)))),
    el("tbody", {}, rows.map(({ run, session }) => el("tr", {}, el("td", {}, dot(run), run.name),
      el("td.number", {}, number(session.step)), names.map((name) => el("td.small", {}, session[name] ?? "–"))))))));
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
