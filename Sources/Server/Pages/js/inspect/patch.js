/** Activation patching: activations of the first text put into the second, and what of its answer comes back. */
import { explain, postJSON } from "../api.js";
import { bringIntoView, el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";

const parts = ["residual", "attention", "feedforward"];

/** The colour of a share of the answer: blue for what comes back, orange for what goes the other way. */
export const tint = (share) =>
  `color-mix(in srgb, ${share < 0 ? "#d55e00" : "#0072b2"} ${Math.round(Math.min(1, Math.abs(share)) * 70)}%, transparent)`;

/** @param {() => string} model the name of the chosen model */
export function patchCard(model) {
  const clean = el("textarea", { rows: 1, value: t("patch.example.clean"), id: "patch-clean" });
  const corrupted = el("textarea", { rows: 1, value: t("patch.example.corrupted"), id: "patch-corrupted" });
  const part = el("select", { id: "patch-part", "aria-label": t("patch.part") },
    parts.map((name) => el("option", { value: name }, t("patch." + name))));
  const heads = el("input", { type: "checkbox" });
  const go = el("button.primary", { type: "submit" }, t("patch.go"));
  const note = el("div", { "aria-live": "polite" }), result = el("div.patched");
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); run(); } },
    el("label.field", {}, el("span", {}, t("patch.clean")), clean),
    el("label.field", {}, el("span", {}, t("patch.corrupted")), corrupted),
    el("div.row.controls", {}, part, el("label.row", {}, heads, t("patch.heads")), el("span.grow"), go));
  const element = el("section.card", {}, el("h2", {}, t("patch")), el("p.quiet.small", {}, t("patch.hint")), form, note, result);
  let asked = null;

  const question = () => ({ model: model(), clean: clean.value, corrupted: corrupted.value, part: part.value });

  async function run() {
    go.disabled = true;
    replace(note, el("p.small.quiet", {}, t("patch.wait")));
    asked = question();
    try {
      const answer = await postJSON("/inspect/patch", { ...asked, heads: heads.checked });
      if (asked.model === model()) { show(answer); replace(note); bringIntoView(result); }
    } catch (error) {
      replace(result);
      replace(note, el("p.notice", { role: "alert" }, explain(error)));
    }
    go.disabled = false;
  }

  function show(answer) {
    const reading = el("p.small.reading", { "aria-live": "polite" }, t("patch.click"));
    const columns = answer.clean_tokens.map((token, at) =>
      token === answer.corrupted_tokens[at] ? visible(token) : `${visible(token)}/${visible(answer.corrupted_tokens[at])}`);
    const cells = (layer, at) => async (event) => {
      const box = event.currentTarget;
      result.querySelector(".seen")?.classList.remove("seen");
      box.classList.add("seen");
      try {
        const { cell } = await postJSON("/inspect/patch", { ...asked, cell: { layer, token: at } });
        // Another cell may have been chosen meanwhile.
        if (!box.classList.contains("seen")) return;
        const all = cell.next.slice(0, 5).map((one) => `${visible(one.text)} ${percent(one.probability)}`).join("   ");
        replace(reading, el("b", {}, t("patch.at", { layer: layer + 1, token: columns[at], share: percent(cell.restored, 0) }), " → "), all);
      } catch (error) { replace(reading, explain(error)); }
    };
    replace(result,
      el("p", {}, t("patch.says", { answer: visible(answer.answer), wrong: visible(answer.wrong),
        clean: number(answer.clean, 2), corrupted: number(answer.corrupted, 2) })),
      grid(answer.residuals, columns, t("layer"), cells), reading,
      answer.heads ? [el("h3", {}, t("patch.by.head")),
        grid(answer.heads, answer.heads[0].map((_, head) => String(head + 1)), t("layer"))] : null);
  }

  /** The first layer stands at the bottom. */
  function grid(values, columns, name, cells) {
    const rows = values.map((row, layer) => ({ row, layer })).reverse();
    return el("div.wide.lens", { tabIndex: 0 }, el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}, name), columns.map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, rows.map(({ row, layer }) => el("tr", {}, el("th", { scope: "row" }, layer + 1), row.map((share, at) => {
        const text = number(share, 2);
        const box = el("td", {}, cells ? el("button.plain", { type: "button", onclick: (event) => cells(layer, at)(
          { currentTarget: event.currentTarget.parentElement }) }, text) : text);
        box.style.background = tint(share);
        return box;
      }))))));
  }
  return { element, clear: () => { replace(result); replace(note); } };
}
