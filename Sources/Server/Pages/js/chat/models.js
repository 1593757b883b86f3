/** Which models answer: one, or several side by side. */
import { modelLabel } from "../api.js";
import { el, icon, iconButton, replace } from "../dom.js";
import { t } from "../i18n.js";

const name = "martlet-chat-models";
const most = 4;

export function modelPicker() {
  const element = el("div.models");
  const picker = { element, chosen: [], fill };
  let list = [], changed = () => {};

  function fill(models, onchange) {
    list = models;
    changed = onchange;
    const stored = JSON.parse(localStorage.getItem(name) ?? "[]").filter((id) => list.some((model) => model.id === id));
    // A link may name the model to talk to.
    const asked = new URLSearchParams(location.search).get("model");
    picker.chosen = list.some((model) => model.id === asked) ? [asked]
      : stored.length ? stored : list.slice(0, 1).map((model) => model.id);
    draw();
  }

  function set(chosen) {
    picker.chosen = chosen;
    localStorage.setItem(name, JSON.stringify(chosen));
    draw();
    changed();
  }

  function draw() {
    const several = picker.chosen.length > 1;
    replace(element, picker.chosen.map((id, index) => el("span.choice", {},
      choice(id, index), several
        ? iconButton("close", t("compare.less"), () => set(picker.chosen.filter((_, at) => at !== index))) : null)),
    picker.chosen.length && picker.chosen.length < most
      ? el("button.plain", { type: "button", title: t("compare.more"), onclick: () => {
        const other = list.find((model) => !picker.chosen.includes(model.id)) ?? list[0];
        set([...picker.chosen, other.id]);
      } }, icon("columns"), several ? null : el("span.label", {}, t("compare"))) : null);
  }

  function choice(id, index) {
    const select = el("select", { "aria-label": t("model"), onchange: () =>
      set(picker.chosen.map((old, at) => (at === index ? select.value : old))) },
    list.map((model) => el("option", { value: model.id, selected: model.id === id }, modelLabel(model))));
    return select;
  }
  return picker;
}
