/** How texts become tokens, for one model or two. */
import { explain, postJSON } from "../api.js";
import { el, replace } from "../dom.js";
import { number, t } from "../i18n.js";
import { hex, pieces, visible } from "./tokens.js";

export function tokenizerCard(models) {
  const text = el("textarea", { rows: 3, value: t("tokenizer.example"), "aria-label": t("tokenizer.text"), id: "tokenizer-text" });
  const options = () => models.map((model) => el("option", { value: model.id }, model.id));
  const first = el("select", { "aria-label": t("model") }, options());
  const second = el("select", { "aria-label": t("second") }, el("option", { value: "" }, t("none")), options());
  const check = (label, isOn = false) => {
    const box = el("input", { type: "checkbox", checked: isOn });
    return { box, element: el("label.check", {}, box, label) };
  };
  const ids = check(t("show.ids"), true), bytes = check(t("show.bytes")), special = check(t("special.add"));
  const results = el("div.columns");
  let timer, round = 0;

  async function run() {
    const mine = ++round;
    const chosen = [first.value, second.value].filter(Boolean);
    try {
      const lists = await Promise.all(chosen.map(async (model) => {
        const answer = await postJSON("/tokenize", { model, content: text.value, add_special: special.box.checked,
          parse_special: true, with_pieces: true });
        return { model, tokens: pieces(answer.tokens) };
      }));
      if (mine === round) replace(results, lists.map((list) => draw(list, lists)));
    } catch (error) {
      if (mine === round) replace(results, el("p.notice", { role: "alert" }, explain(error)));
    }
  }

  function draw({ model, tokens }, lists) {
    const size = new TextEncoder().encode(text.value).length;
    const other = lists.find((list) => list.model !== model);
    const fewer = other && tokens.length < other.tokens.length
      ? t("less.tokens", { n: number((1 - tokens.length / other.tokens.length) * 100), other: other.model }) : null;
    const boxes = tokens.map((token, index) => el("span", { class: `piece hue${index % 5}`, title: `${token.id}: ${hex(token.bytes)}` },
      el("b", {}, token.text === null ? "�" : visible(token.text)),
      ids.box.checked ? el("small", {}, token.id) : null, bytes.box.checked ? el("small", {}, hex(token.bytes)) : null));
    return el("div", {}, el("h2", {}, model), el("p.small.quiet", {},
      t("counts", { tokens: number(tokens.length), bytes: number(size), ratio: number(size / Math.max(tokens.length, 1), 2) }),
      fewer ? el("b", {}, " · " + fewer) : null), el("div.pieces", {}, boxes));
  }

  const later = () => { clearTimeout(timer); timer = setTimeout(run, 200); };
  text.addEventListener("input", later);
  for (const input of [first, second, ids.box, bytes.box, special.box]) input.addEventListener("change", run);
  if (models.length) run();
  return el("section.card", { id: "tokenizer" }, el("h2", {}, t("tokenizer.title")), el("p.quiet.small", {}, t("tokenizer.more")), text,
    el("div.row.controls", {}, first, el("label.short", {}, t("second"), second), ids.element, bytes.element, special.element),
    results);
}
