/** Runs begun from here, and one of them as it goes: how far it is, its curves, what it wrote. */
import { explain, getJSON, postJSON } from "../api.js";
import { lineChart } from "../chart.js";
import { el, replace, toast } from "../dom.js";
import { number, serverSentence, significant, t } from "../i18n.js";
import { addLines, isInNats, points, share } from "../runs/curves.js";

const isOver = (state) => !["running", "stopping"].includes(state);
/** Name in the log, kind of line, title, what its axis says. */
const charts = [["loss", "step", "loss", "unit.nats"], ["loss", "evaluation", "validation", "unit.nats"], ["reward", "step", "reward", "reward"],
  ["rewards/margins", "step"], ["rewards/accuracies", "step"], ["kl", "step"], ["mean_token_accuracy", "step"], ["entropy", "step"]];

/** @returns {{element: HTMLElement, show: (name: string) => void, list: (runs: object[]) => void}} */
export function watchCard(onchange) {
  let name = null, log = {}, run = null, timer;
  const chosen = el("div.chosen"), runs = el("div.begun"), note = el("div", { "aria-live": "polite" });
  const bar = el("i"), steps = el("span.small.quiet.number"), title = el("b"), state = el("span.state"), buttons = el("div.row");
  const figures = el("div.charts"), output = el("pre.output", { tabIndex: 0 });
  const box = el("div", { hidden: true }, el("div.row.heading", {}, title, state, el("span.grow"), buttons),
    el("span.track", {}, bar), steps, note, figures, el("details.written", { open: true }, el("summary.quiet.small", {}, t("tune.output")), output));
  replace(chosen, box);
  const element = el("section.card", { hidden: true }, el("h2", {}, t("tune.runs")), runs, chosen);

  function list(all) {
    element.hidden = all.length === 0;
    replace(runs, all.map((one) => el("button.begun-one", { type: "button", "aria-pressed": String(one.name === name), onclick: () => show(one.name) },
      el("b", {}, one.name), el("span.small.quiet", {}, `${t("method." + one.method)} · ${one.model}`), el("span.state", { class: one.state }, t("tune.state." + one.state)))));
  }

  function show(next) {
    // Nothing of another run stands under this one's name until it has answered.
    if (next !== name) { name = next; log = {}; run = null; replace(figures); box.hidden = true; }
    clearTimeout(timer);
    poll();
  }

  async function poll() {
    const mine = name;
    try {
      const found = await getJSON("/api/tune/" + encodeURIComponent(mine));
      if (mine !== name) return;
      const before = run?.state;
      run = found;
      await read(mine);
      if (mine !== name) return;
      draw();
      replace(note, run.reason ? el("p.notice", { role: "alert" }, serverSentence(run.reason)) : null);
      if (before !== run.state) onchange();
    } catch (error) {
      if (mine === name) replace(note, el("p.notice", { role: "alert" }, explain(error)));
      if (error.status === 401) return;
    }
    if (mine === name && !(run && isOver(run.state))) timer = setTimeout(poll, 2000);
  }

  /** The run's log: it is not there before the program has read its data. */
  async function read(mine) {
    const path = `/api/runs/${encodeURIComponent(mine)}`;
    try {
      for (;;) {
        const { offset, lines, restarted, more } = await getJSON(`${path}/log?offset=${log.offset ?? 0}`);
        if (restarted) log = {};
        addLines(log, lines);
        log.offset = offset;
        if (!more) break;
      }
      const { steps: planned, ...rest } = await getJSON(path);
      Object.assign(log, rest, { steps_planned: planned });
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }

  function draw() {
    box.hidden = false;
    title.textContent = run.name;
    state.textContent = t("tune.state." + run.state);
    state.className = "state " + run.state;
    bar.style.width = 100 * (log.step ? share(log) : 0) + "%";
    steps.textContent = log.step ? [log.steps_planned ? t("progress", { n: number(log.step), of: number(log.steps_planned) }) : t("progress.steps", { n: number(log.step) }),
      Number.isFinite(log.loss) ? `${t("loss")} ${significant(log.loss)}` : null].filter(Boolean).join(" · ") : isOver(run.state) ? "" : t("tune.preparing");
    const drawn = charts.flatMap(([metric, kind, label, unit]) => {
      const line = log.steps ? points(log, metric, "step", kind) : [];
      if (!line.length) return [];
      const figure = el("figure.chart");
      const own = label ? t(label) : metric;
      lineChart(figure, { title: own, yName: unit && (unit !== "unit.nats" || isInNats(log)) ? t(unit) : own, xName: t("axis.step"),
        series: [{ name: run.name, colour: "#3b82b8", points: line, dots: line.length < 40 && kind === "evaluation" }] });
      return [figure];
    });
    replace(figures, drawn);
    const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
    output.textContent = run.output.join("\n");
    if (isAtEnd) output.scrollTop = output.scrollHeight;
    replace(buttons, isOver(run.state) ? null : el("button.danger", { type: "button", disabled: run.state === "stopping", onclick: stop }, t("run.stop")),
      ["stopped", "failed"].includes(run.state) && log.step ? el("button", { type: "button", onclick: resume }, t("tune.resume")) : null,
      log.step && run.method !== "reward" ? el("button", { type: "button", onclick: talk }, t("run.talk")) : null,
      log.step ? el("a.button", { href: "/runs" }, t("tune.curves")) : null);
  }

  const act = async (work) => {
    try { await work(); } catch (error) { toast(explain(error)); }
    show(name);
    onchange();
  };
  const stop = () => {
    if (confirm(t("run.stop.sure", { name }))) act(() => postJSON(`/api/tune/${encodeURIComponent(name)}/stop`, {}));
  };
  const resume = () => act(() => postJSON("/api/tune", { name, resume: true }));
  async function talk() {
    try {
      const { name: model, chat } = await postJSON(`/api/runs/${encodeURIComponent(name)}/offer`, {});
      location.href = (chat ? "/" : "/playground") + "?model=" + encodeURIComponent(model);
    } catch (error) {
      toast(explain(error));
    }
  }
  return { element, show, list };
}
