/** The logit lens as a table, and how long the residual stream is. */
import { lineChart } from "../chart.js";
import { arrowKeys, el, replace } from "../dom.js";
import { percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";

const where = (layer, token) => (layer === 0 ? `${t("embedding")}, ${token}` : t("lens.at", { layer, token }));

export function lensCard() {
  const table = arrowKeys(el("div.wide.lens", { tabIndex: 0, role: "group", "aria-label": t("lens") }));
  const reading = el("p.small.reading", { "aria-live": "polite" });
  const element = el("section.card", {}, el("h2", {}, t("lens")), el("p.quiet.small", {}, t("lens.hint")), table, reading);

  function draw({ tokens, lens }) {
    const rows = lens.map((positions, layer) => ({ positions, layer })).reverse();
    replace(table, el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}, ""), tokens.map((token) => el("th", { scope: "col" }, visible(token.text))))),
      el("tbody", {}, rows.map(({ positions, layer }) => el("tr", {},
        el("th", { scope: "row" }, layer === 0 ? t("embedding") : layer), positions.map((best, at) => cell(best, layer, at, tokens)))))));
    replace(reading);
  }

  function cell(best, layer, at, tokens) {
    const all = best.map((one) => `${visible(one.text)} ${percent(one.probability)}`).join("   ");
    const show = () => {
      table.querySelector(".seen")?.classList.remove("seen");
      box.classList.add("seen");
      replace(reading, el("b", {}, where(layer, visible(tokens[at].text)) + " → "), all);
    };
    const box = el("td", { title: all, onmouseenter: show, onclick: show }, visible(best[0].text));
    box.style.setProperty("--sure", best[0].probability.toFixed(3));
    return box;
  }
  return { element, draw };
}

export function normsCard() {
  const figure = el("figure.chart");
  const element = el("section.card", {}, el("h2", {}, t("norms")), el("p.quiet.small", {}, t("norms.hint")), figure);
  const draw = ({ tokens, residual_norms: norms }) => {
    const series = tokens.map((token, at) => ({
      name: visible(token.text), points: norms.map((row, layer) => [layer, row[at]]), faint: at !== 0 && at !== tokens.length - 1,
      colour: at === 0 ? "#c8702e" : "#3b82b8",
    }));
    const first = visible(tokens[0].text), last = visible(tokens.at(-1).text);
    lineChart(figure, { title: tokens.length > 1 ? `${first} / ${last}` : first, series, log: true, xName: t("layer"), yName: t("norms") });
  };
  return { element, draw };
}
