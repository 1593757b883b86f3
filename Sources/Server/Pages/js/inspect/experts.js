/** Which experts the tokens of the text go to: a heat map of their loads, layer by layer. */
import { arrowKeys, el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";

/**
 * The loads of a layer's experts.
 * @param {number[][]} tokens for each expert the places of its tokens
 * @returns {{counts: number[], total: number, largest: number}} `largest`: the largest load over the mean; 1 when all are even
 */
export function loadsOf(tokens) {
  const counts = tokens.map((one) => one.length), total = counts.reduce((sum, one) => sum + one, 0);
  return { counts, total, largest: total ? (Math.max(...counts) * counts.length) / total : 0 };
}

export function expertsCard() {
  const table = arrowKeys(el("div.wide.lens.experts", { tabIndex: 0, role: "group", "aria-label": t("experts") }));
  const reading = el("p.small.reading", { "aria-live": "polite" });
  const element = el("section.card", { hidden: true }, el("h2", {}, t("experts")), el("p.quiet.small", {}, t("experts.hint")), table, reading);

  /** A dense model has none: then there is no card. */
  function draw({ tokens, experts }) {
    element.hidden = experts.length === 0;
    replace(reading, t("experts.choose"));
    if (element.hidden) return replace(table);
    const most = Math.max(...experts.map((one) => one.tokens.length));
    const rows = experts.map((one) => ({ ...one, ...loadsOf(one.tokens) })).reverse();
    replace(table, el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}, t("layer")),
        Array.from({ length: most }, (_, expert) => el("th", { scope: "col" }, expert + 1)), el("th", { scope: "col" }, t("experts.largest")))),
      el("tbody", {}, rows.map((row) => el("tr", {}, el("th", { scope: "row" }, row.layer + 1),
        Array.from({ length: most }, (_, expert) => expert < row.counts.length ? cell(row, expert, tokens) : el("td.none")),
        el("td.largest", {}, number(row.largest, 2)))))));
  }

  function cell(row, expert, tokens) {
    const count = row.counts[expert], share = row.total ? count / row.total : 0;
    const name = t("experts.at", { layer: row.layer + 1, expert: expert + 1, n: number(count), share: percent(share, 0) });
    const show = () => {
      table.querySelector(".seen")?.classList.remove("seen");
      box.classList.add("seen");
      replace(reading, el("b", {}, name), " ", row.tokens[expert].map((at) => visible(tokens[at].text)).join(" "));
    };
    const box = el("td", { title: name, onmouseenter: show, onclick: show }, count);
    // As strong as its load over the layer's largest.
    box.style.setProperty("--sure", (count / Math.max(1, ...row.counts)).toFixed(3));
    return box;
  }
  return { element, draw };
}
