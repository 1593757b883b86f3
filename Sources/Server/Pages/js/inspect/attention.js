/** Attention of a layer: a small map a head, and one of them large with its tokens. */
import { bringIntoView, el, replace } from "../dom.js";
import { percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";
import { attentionOf } from "./data.js";

function paint(canvas, weight, tokens, size) {
  const ratio = Math.min(3, devicePixelRatio || 1);
  const cell = Math.max(1, Math.floor((size * ratio) / tokens));
  canvas.width = canvas.height = cell * tokens;
  const context = canvas.getContext("2d");
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--heat").trim();
  for (let row = 0; row < tokens; row++) {
    for (let column = 0; column <= row; column++) {
      const value = weight(row, column);
      // The square root lets faint attention be seen.
      context.fillStyle = `rgba(${colour}, ${0.04 + 0.96 * Math.sqrt(value)})`;
      context.fillRect(column * cell, row * cell, cell, cell);
    }
  }
}

/**
 * @param {() => {answer: object, off: Set<string>}} state what is shown and which heads ("layer,head") are off
 * @param {(layer: number, head: number) => void} toggle switches a head off or on
 */
export function attentionCard(state, toggle) {
  let layer = 0, head = 0;
  const slider = el("input", { type: "range", min: "0", value: "0", "aria-label": t("layer"), oninput: () => {
    layer = Number(slider.value);
    draw();
  } });
  const name = el("b.number");
  const heads = el("div.heads", { role: "group", "aria-label": t("head") });
  const large = el("div.large");
  const element = el("section.card", {}, el("h2", {}, t("attention")), el("p.quiet.small", {}, t("attention.hint")),
    el("label.row.layer", {}, el("span", {}, t("layer")), el("span.grow", {}, slider), name), el("div.maps", {}, heads, large));

  function draw() {
    const { answer, off } = state();
    if (!answer) return;
    slider.max = String(answer.layers - 1);
    layer = Math.min(layer, answer.layers - 1);
    head = Math.min(head, answer.heads - 1);
    name.textContent = `${layer + 1} / ${answer.layers}`;
    const count = answer.tokens.length, weights = attentionOf(answer.attention[layer], count);
    replace(heads, Array.from({ length: answer.heads }, (_, index) => {
      const canvas = el("canvas");
      paint(canvas, (row, column) => weights(index, row, column), count, 72);
      return el("button.head", { type: "button", "aria-pressed": String(index === head), title: t("one.head", { layer: layer + 1, head: index + 1 }),
        class: off.has(`${layer},${index}`) ? "off" : "", onclick: () => { head = index; draw(); bringIntoView(large); } }, canvas, el("span", {}, index + 1));
    }));
    drawLarge(answer, off, (row, column) => weights(head, row, column));
  }

  function drawLarge(answer, off, weight) {
    const tokens = answer.tokens, isOff = off.has(`${layer},${head}`);
    const canvas = el("canvas.map", { role: "img", "aria-label": t("one.head", { layer: layer + 1, head: head + 1 }) });
    paint(canvas, weight, tokens.length, 420);
    const reading = el("p.small.reading", { "aria-live": "polite" }, strongest(tokens, weight));
    const isFew = tokens.length <= 40;
    const labels = (kind) => isFew ? el(`div.${kind}`, {}, tokens.map((token) => el("span", {}, visible(token.text)))) : null;
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (value, size) => Math.min(tokens.length - 1, Math.max(0, Math.floor((value / size) * tokens.length)));
      const row = at(event.clientY - box.top, box.height), column = at(event.clientX - box.left, box.width);
      if (column <= row) reading.textContent = look(tokens, row, column, weight(row, column));
    });
    const text = Array.from({ length: tokens.length }, (_, row) => row);
    replace(large, el("div.row", {}, el("b.grow", {}, t("one.head", { layer: layer + 1, head: head + 1 })),
      el("button", { type: "button", "aria-pressed": String(isOff), onclick: () => toggle(layer, head) }, t(isOff ? "head.on" : "head.off"))),
    el("div.framed", { class: isFew ? "labelled" : "" }, labels("rows"), canvas, labels("columns")), reading,
    el("details.small", {}, el("summary.quiet", {}, t("as.text")), el("ul", {}, text.map((row) => {
      const best = Array.from({ length: row + 1 }, (_, column) => column).sort((a, b) => weight(row, b) - weight(row, a))[0];
      return el("li", {}, look(tokens, row, best, weight(row, best)));
    }))));
  }
  return { element, draw };
}

const look = (tokens, row, column, share) =>
  t("looks.at", { from: visible(tokens[row].text), to: visible(tokens[column].text), share: percent(share, 0) });

/** Of the last token, that it looks at most. */
function strongest(tokens, weight) {
  const row = tokens.length - 1;
  let best = 0;
  for (let column = 0; column <= row; column++) if (weight(row, column) > weight(row, best)) best = column;
  return look(tokens, row, best, weight(row, best));
}
