/** The page that looks inside the model. */
import { explain, postJSON, textModels } from "../api.js";
import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { modelSelect, shell } from "../shell.js";
import { attentionCard } from "./attention.js";
import { expertsCard } from "./experts.js";
import { lensCard, normsCard } from "./lens.js";
import { nextCard } from "./next.js";
import { patchCard } from "./patch.js";
import { steerCard } from "./steer.js";

shell("/inspect");
let answer = null, whole = null;
const off = new Set();
const text = el("textarea", { rows: 2, value: t("inspect.example"), "aria-label": t("inspect.text"), id: "inspect-text" });
const go = el("button.primary", { type: "submit" }, t("look"));
const note = el("div", { "aria-live": "polite" }), switched = el("div.row.switched");
const attention = attentionCard(() => ({ answer, off }), toggle), lens = lensCard(), norms = normsCard(), next = nextCard(), experts = expertsCard();
const results = el("div", { hidden: true }, attention.element, next.element, lens.element, experts.element, norms.element);
let model;
const patch = patchCard(() => model?.value), steer = steerCard(() => model?.value);

async function look() {
  go.disabled = true;
  replace(note);
  try {
    const heads = [...off].map((place) => place.split(",").map(Number));
    const found = await postJSON("/inspect", { model: model.value, text: text.value, heads_off: heads });
    answer = found;
    if (!heads.length) whole = answer;
    results.hidden = false;
    attention.draw();
    lens.draw(answer);
    experts.draw(answer);
    norms.draw(answer);
    next.draw(answer, heads.length ? whole : null);
  } catch (error) {
    replace(note, el("p.notice", { role: "alert" }, explain(error)));
  }
  drawSwitched();
  go.disabled = false;
}

function toggle(layer, head) {
  const place = `${layer},${head}`;
  if (!off.delete(place)) off.add(place);
  look();
}

function drawSwitched() {
  const chips = [...off].map((place) => {
    const [layer, head] = place.split(",").map(Number);
    return el("button", { type: "button", title: t("head.on"), onclick: () => toggle(layer, head) }, `${layer + 1}.${head + 1} ×`);
  });
  replace(switched, off.size ? [el("span.small.quiet", {}, t("heads.off")), chips,
    el("button.plain", { type: "button", onclick: () => { off.clear(); look(); } }, t("all.on"))] : null);
}

const form = el("form.card", { onsubmit: (event) => { event.preventDefault(); off.clear(); whole = null; look(); } }, text,
  el("div.row.controls", {}, el("span.picker"), el("span.grow"), go), note, switched);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.isComposing && !event.shiftKey) { event.preventDefault(); form.requestSubmit(); }
});
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("inspect.title")), el("p", {}, t("inspect.more"))), form, results, patch.element, steer.element)));
document.addEventListener("martlet-theme", () => attention.draw());
textModels().then((all) => {
  // Encoder-decoders are not looked into.
  const models = all.filter((one) => !one.capabilities?.includes("translation"));
  if (!models.length) {
    for (const part of [form, patch.element, steer.element]) part.hidden = true;
    form.before(el("p.notice.calm", {}, t("no.text.model")));
    return;
  }
  model = modelSelect(models, "inspect", () => { off.clear(); answer = whole = null; results.hidden = true; patch.clear(); steer.clear(); });
  replace(form.querySelector(".picker"), model);
  look();
}, (error) => replace(note, el("p.notice", { role: "alert" }, explain(error))));
