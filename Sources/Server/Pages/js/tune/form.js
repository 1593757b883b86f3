/** The form of a run: model, method, data, a few numbers. */
import { el, pickNamedFile, replace, toast } from "../dom.js";
import { language, t } from "../i18n.js";
import { arranged, freeName, size, suggested, usualOf, valueOf } from "./options.js";

/** The schema's English sentences in the page's language. */
const told = language === "zh" ? (await import("../i18n/options-zh.js")).inChinese : (text) => text;
/** Chinese sentences stand side by side. */
const gap = language === "zh" ? "" : " ";
const sentence = (text) => text[0].toUpperCase() + text.slice(1) + t("full.stop");
/** In the page's own, shorter words where it has some, else in the schema's. */
const meaning = (option) => (t("option." + option.name) === "option." + option.name ? told(option.meaning) : t("option." + option.name));

/**
 * @param {object} offer what `GET /api/tune` answers
 * @param {(request: object) => Promise<void>} begin
 * @returns {{element: HTMLElement, note: HTMLElement, rename: (taken: Set<string>) => void}}
 */
export function tuneForm(offer, begin) {
  let upload = null, inputs = new Map(), tellers = [], isNamed = false, taken = new Set();
  const model = el("select", { "aria-label": t("model") }, offer.models.map((name) => el("option", { value: name }, name)));
  const asked = new URLSearchParams(location.search).get("model");
  if (offer.models.includes(asked)) model.value = asked;
  const method = el("select", { "aria-label": t("tune.method"), onchange: () => { drawOptions(); suggestName(); } },
    offer.methods.map((one) => el("option", { value: one.name }, t("method." + one.name))));
  const name = el("input", { type: "text", maxLength: 64, "aria-label": t("tune.name"), spellcheck: false,
    oninput: () => { isNamed = name.value !== ""; } });
  const hint = el("p.small.quiet"), main = el("div.numbers"), more = el("details.more");
  const note = el("div", { "aria-live": "polite" });
  const go = el("button.primary", { type: "submit" }, t("tune.start"));

  const boxes = offer.data.map((file) => ({ file, box: el("input", { type: "checkbox" }) }));
  const own = el("div.own");
  const files = el("div.files", { role: "group", "aria-label": t("tune.data") },
    boxes.length ? boxes.map(({ file, box }) => el("label.check", {}, box, el("span.grow", {}, file.name), el("span.small.quiet", {}, size(file.bytes))))
      : el("p.small.quiet", {}, t("tune.no.data")));
  const take = el("button", { type: "button", onclick: async () => {
    const file = await pickNamedFile(".json,.jsonl,.csv,.tsv,.txt");
    if (!file) return;
    if (file.text.length > 24e6) { toast(t("tune.upload.large")); return; }
    upload = file;
    drawUpload();
  } }, t("tune.upload"));

  function drawUpload() {
    replace(own, upload ? el("label.check", {}, el("input", { type: "checkbox", checked: true, onchange: () => { upload = null; drawUpload(); } }),
      el("span.grow", {}, upload.name), el("span.small.quiet", {}, size(upload.text.length))) : null);
  }

  function field(option) {
    const { type, choices = [], low, high } = option.kind;
    const open = el("option", { value: "" }), rule = el("span");
    let input;
    const names = option.name === "teacher" || option.name === "reference" ? offer.models : type === "flag" ? ["true", "false"] : choices;
    if (names.length) {
      input = el("select", { onchange: tellDefaults }, open, names.map((value) => el("option", { value }, type === "flag" ? t("tune." + value) : value)));
      if (names.includes(suggested[option.name])) input.value = suggested[option.name];
    } else {
      const isNumber = type === "integer" || type === "number";
      input = el("input", { type: "text", inputMode: isNumber ? "decimal" : "text", spellcheck: false,
        title: isNumber ? `${low} … ${high}` : "", list: option.name === "reward" ? "rewards" : null });
    }
    inputs.set(option, input);
    tellers.push(() => {
      const known = usualOf(option, chosen);
      const usual = ["true", "false"].includes(known) ? t("tune." + known) : choices.includes(known) ? known : told(known);
      // A rule is too long for the field: it stands below.
      const isRule = usual.length > 16;
      open.textContent = usual && !isRule ? t("tune.default", { value: usual }) : "–";
      if (!names.length) input.placeholder = isRule ? t("tune.auto") : usual;
      rule.textContent = isRule ? gap + sentence(t("tune.default", { value: usual })) : "";
    });
    return el("label.field", { title: told(option.meaning) }, el("span", {}, el("code", {}, option.name)), input,
      el("span.small.meaning", {}, meaning(option), rule));
  }

  /** What is chosen of an option in the form, or would be where nothing is. */
  function chosen(name) {
    for (const [option, input] of inputs) if (option.name === name) return input.value.trim() || option.default;
    return undefined;
  }

  function tellDefaults() { for (const tell of tellers) tell(); }

  function drawOptions() {
    inputs = new Map();
    tellers = [];
    const described = offer.methods.find((one) => one.name === method.value), { main: few, more: groups } = arranged(described);
    hint.textContent = t("method." + method.value + ".data");
    replace(main, few.map(field), el("datalist", { id: "rewards" }, offer.rewards.map((value) => el("option", { value }))));
    replace(more, el("summary", {}, t("tune.more")), groups.map((group) => el("section", {}, el("h3", {}, told(group.part)),
      el("div.numbers", {}, group.options.map(field)))));
    tellDefaults();
  }

  function suggestName() {
    if (!isNamed) name.value = freeName(method.value, taken);
  }

  async function submit(event) {
    event.preventDefault();
    const options = {};
    for (const [option, input] of inputs) {
      const value = valueOf(option.kind, input.value);
      if (value !== undefined) options[option.name] = value;
    }
    go.disabled = true;
    await begin({ name: name.value.trim(), method: method.value, model: model.value,
      data: boxes.filter(({ box }) => box.checked).map(({ file }) => file.name), upload: upload ?? undefined, options });
    go.disabled = false;
  }

  const labelled = (text, input) => el("label.field", {}, el("span", {}, text), input);
  const element = el("form.card", { onsubmit: submit }, el("div.numbers.top", {}, labelled(t("model"), model), labelled(t("tune.method"), method),
    labelled(t("tune.name"), name)), el("h2", {}, t("tune.data")), hint, files, own, el("div.row", {}, take),
  el("h2", {}, t("tune.numbers")), main, more, note, el("div.row.controls", {}, el("span.grow"), go));
  drawOptions();
  suggestName();
  return { element, note, rename(names) { taken = names; isNamed = false; suggestName(); } };
}
