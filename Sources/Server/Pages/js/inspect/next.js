/** The next token: bars that follow the sampler's sliders. */
import { el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";
import { floatsOf } from "./data.js";
import { distribution } from "./sampling.js";

const sliders = [["temperature", 0, 2, 0.05, 1], ["top_p", 0.01, 1, 0.01, 1], ["top_k", 0, 64, 1, 0], ["min_p", 0, 0.5, 0.01, 0]];

export function nextCard() {
  const values = {}, inputs = [];
  let logits = null, texts = new Map(), note = null;
  for (const [name, low, high, step, usual] of sliders) {
    values[name] = usual;
    const shown = el("b", {}, usual);
    const input = el("input", { type: "range", min: String(low), max: String(high), step: String(step), value: String(usual),
      oninput: () => { values[name] = Number(input.value); shown.textContent = input.value; bars(); } });
    inputs.push(el("label.field", { title: t("hint." + name) }, el("span", {}, t("parameter." + name), shown), input));
  }
  const list = el("ol.bars"), kept = el("p.small.quiet"), original = el("p.small");
  const element = el("section.card", {}, el("h2", {}, t("next")), el("p.quiet.small", {}, t("next.hint")),
    el("div.next", {}, el("div", {}, inputs, kept, original), list));

  function bars() {
    if (!logits) return;
    const { entries, kept: count } = distribution(logits,
      { temperature: values.temperature, topK: values.top_k, topP: values.top_p, minP: values.min_p }, 15);
    kept.textContent = t("kept", { n: number(count) });
    const longest = Math.max(...entries.map((entry) => Math.max(entry.probability, entry.before)));
    replace(list, entries.map((entry) => {
      const drawn = el("i"), before = el("i.before");
      drawn.style.width = (100 * entry.probability) / longest + "%";
      before.style.width = (100 * entry.before) / longest + "%";
      return el("li", { class: entry.probability ? "" : "out" }, el("code", {}, visible(texts.get(entry.token) ?? "#" + entry.token)),
        el("span.track", {}, before, drawn), el("span.number", {}, percent(entry.probability)));
    }));
  }

  /** @param {object|null} whole the answer with no head off, when some are */
  function draw(answer, whole) {
    logits = floatsOf(answer.next.logits);
    texts = new Map(answer.next.top.map((one) => [one.token, one.text]));
    note = whole && distribution(floatsOf(whole.next.logits), { temperature: 1, topK: 0, topP: 1, minP: 0 }, 1).entries[0];
    original.textContent = note ? t("changed.from", {
      token: visible(whole.next.top[0].text), share: percent(note.probability),
    }) : "";
    bars();
  }
  return { element, draw };
}
