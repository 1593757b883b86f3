/** Steering: a direction between two kinds of texts, added while the model writes. */
import { explain, postJSON } from "../api.js";
import { bringIntoView, el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** @param {() => string} model the name of the chosen model */
export function steerCard(model) {
  const prompt = el("textarea", { rows: 1, value: t("steer.example.prompt"), id: "steer-prompt" });
  const towards = el("textarea", { rows: 3, value: t("steer.example.towards"), id: "steer-towards" });
  const away = el("textarea", { rows: 3, value: t("steer.example.away"), id: "steer-away" });
  const layer = slider(t("steer.layer"), t("steer.layer.hint"), 0, 0, 1, 0, (value) => Number(value) + 1);
  const strength = slider(t("steer.strength"), t("steer.strength.hint"), -4, 4, 0.25, 1, String);
  const go = el("button.primary", { type: "submit" }, t("steer.go"));
  const note = el("div", { "aria-live": "polite" }), result = el("div.steered", { "aria-live": "polite" });
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); run({ isPressed: true }); } },
    el("label.field", {}, el("span", {}, t("steer.prompt")), prompt),
    el("div.two", {}, el("label.field", {}, el("span", {}, t("steer.towards")), towards),
      el("label.field", {}, el("span", {}, t("steer.away")), away)),
    el("div.two", {}, layer.element, strength.element),
    el("div.row.controls", {}, el("span.grow"), go));
  const element = el("section.card", {}, el("h2", {}, t("steer")), el("p.quiet.small", {}, t("steer.hint")), form, note, result);
  let waiting = null, running = false, again = false, isKnown = false;

  function slider(name, title, low, high, step, value, shownAs) {
    const shown = el("b", {}, high > low ? shownAs(value) : "–");
    const input = el("input", { type: "range", min: String(low), max: String(high), step: String(step), value: String(value),
      oninput: () => { shown.textContent = shownAs(input.value); soon(); } });
    return { input, shown, element: el("label.field", { title }, el("span", {}, name, shown), input) };
  }

  /** A moved slider asks again once it rests, and after the answer under way. */
  function soon() {
    if (!isKnown) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (running) again = true; else run(); }, 250);
  }

  /** A press brings the replies up; a slider that moves stays where it is. */
  async function run({ isPressed = false } = {}) {
    running = true;
    go.disabled = true;
    const body = { model: model(), prompt: prompt.value, towards: lines(towards.value), away: lines(away.value),
      strengths: [0, Number(strength.input.value)], max_tokens: 24 };
    if (isKnown) body.layer = Number(layer.input.value);
    try {
      const answer = await postJSON("/inspect/steer", body);
      // Another model may have been chosen meanwhile.
      if (body.model === model()) { show(answer); replace(note); if (isPressed) bringIntoView(result); }
    } catch (error) {
      replace(note, el("p.notice", { role: "alert" }, explain(error)));
    }
    running = false;
    go.disabled = false;
    if (again) { again = false; run(); }
  }

  function show(answer) {
    layer.input.max = String(answer.layers - 1);
    if (!isKnown) {
      layer.input.value = String(answer.layer);
      layer.shown.textContent = answer.layer + 1;
    }
    isKnown = true;
    replace(result, el("p.small.quiet", {}, t("steer.length", { length: number(answer.length, 1), stream: number(answer.residual_length, 1) })),
      el("div.two", {}, answer.replies.map((reply) => el("div.reply", { data: { strength: reply.strength } },
        el("h3", {}, reply.strength === 0 ? t("steer.plain") : t("steer.with", { n: number(reply.strength, 2) })),
        el("p.written", {}, el("span.quiet", {}, prompt.value), reply.text),
        el("p.small.quiet", {}, t("next"), ": ", reply.next.slice(0, 5).map((one) => `${visible(one.text)} ${percent(one.probability)}`).join("   "))))));
  }
  return { element, clear: () => { isKnown = false; replace(result); replace(note); } };
}
