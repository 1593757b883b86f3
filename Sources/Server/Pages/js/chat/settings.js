/** What a request is sent with: parameters, tools and system prompts. */
import { InputError } from "../api.js";
import { el, iconButton, replace } from "../dom.js";
import { t } from "../i18n.js";

/** Name, smallest, largest, step, what is shown where the model's own is not known. Empty means: not sent, the model's own. */
export const parameters = [
  ["temperature", 0, 2, 0.05, 1], ["top_p", 0, 1, 0.01, 1], ["top_k", 0, 200, 1, 0], ["min_p", 0, 1, 0.01, 0],
];

/** For somebody who reads along: a reply has an end, and one that goes round in circles is ended. */
export const chatDefaults = {
  max_tokens: 2048, repetition_detection: { max_pattern_size: 160, min_count: 3, min_tokens: 60 }
};

/** The members of a request body that the settings make. */
export function requestFields(settings) {
  const fields = { ...chatDefaults };
  for (const [name] of parameters) if (Number.isFinite(settings[name])) fields[name] = settings[name];
  if (Number.isFinite(settings.max_tokens)) fields.max_tokens = settings.max_tokens;
  if (Number.isFinite(settings.seed)) fields.seed = settings.seed;
  const stop = (settings.stop ?? "").split("\n").filter(Boolean);
  if (stop.length) fields.stop = stop;
  return fields;
}

/** The tools of a request: a JSON list of functions. @throws {InputError} when it is none */
export function tools(settings) {
  if (!settings.tools?.trim()) return undefined;
  let value;
  try { value = JSON.parse(settings.tools); } catch { throw new InputError(t("tools.broken", { why: t("not.json") })); }
  if (!Array.isArray(value)) throw new InputError(t("tools.broken", { why: t("not.a.list") }));
  return value.map((tool) => (tool.type ? tool : { type: "function", function: tool }));
}

const presetsName = "martlet-system-prompts";
const presets = () => JSON.parse(localStorage.getItem(presetsName) ?? "{}");
const keep = (table) => localStorage.setItem(presetsName, JSON.stringify(table));

/**
 * The panel beside a chat. Calls `onChange` after every change of `state.settings` or `state.system`.
 * @param {{settings: object, system: string}} state
 * @param {object} [own] what the server draws with where a request does not say: `default_sampling` of the model
 */
export function settingsPanel(state, onChange, own = {}) {
  const rows = parameters.map(([name, low, high, step, usual]) =>
    slider(state, name, low, high, step, own[name] ?? usual, name in own, onChange));
  const plain = (name, type, hint) => field(name, el(type === "area" ? "textarea" : "input", {
    type: type === "area" ? undefined : type, rows: type === "area" ? 2 : undefined, min: name === "max_tokens" ? "1" : null,
    value: state.settings[name] ?? "", placeholder: hint, oninput: (event) => {
      const text = event.target.value;
      if (type === "number") state.settings[name] = text === "" ? undefined : Math.trunc(Number(text));
      else state.settings[name] = text || undefined;
      onChange();
    },
  }));
  const toolNote = el("p.small.bad", { role: "alert", hidden: true });
  const toolField = el("textarea.mono", { rows: 3, value: state.settings.tools ?? "", spellcheck: false,
    placeholder: '[{"name": "weather", "parameters": {…}}]', oninput: (event) => {
      state.settings.tools = event.target.value || undefined;
      try { tools(state.settings); toolNote.hidden = true; } catch (error) {
        toolNote.textContent = error.message;
        toolNote.hidden = false;
      }
      onChange();
    } });
  return [
    systemPrompt(state, onChange), el("h2", {}, t("parameters")), rows,
    plain("max_tokens", "number", String(chatDefaults.max_tokens)), plain("seed", "number", t("random")),
    plain("stop", "area", t("stop.hint")), field("tools", toolField), toolNote,
  ];
}

const field = (name, input) => el("label.field", {}, el("span", {}, t("parameter." + name)), input);

function slider(state, name, low, high, step, usual, isKnown, onChange) {
  const shown = el("b");
  const input = el("input", { type: "range", min: String(low), max: String(high), step: String(step),
    "aria-label": t("parameter." + name),
    oninput: () => { state.settings[name] = Number(input.value); update(); onChange(); } });
  const reset = iconButton("close", t("reset"), () => {
    state.settings[name] = undefined;
    update();
    onChange();
  });
  const label = el("div.field.slider", { title: t("hint." + name) },
    el("span", {}, t("parameter." + name), el("span.value", {}, shown, reset)), input);
  const update = () => {
    const isSet = Number.isFinite(state.settings[name]);
    input.value = String(isSet ? state.settings[name] : usual);
    shown.textContent = isSet ? String(state.settings[name]) : isKnown ? `${usual} (${t("of.the.model")})` : t("of.the.model");
    label.classList.toggle("changed", isSet);
    reset.hidden = !isSet;
  };
  update();
  return label;
}

function systemPrompt(state, onChange) {
  const area = el("textarea", { rows: 4, value: state.system, placeholder: t("system.hint"), oninput: () => {
    state.system = area.value;
    onChange();
  } });
  const choice = el("select", { "aria-label": t("presets"), onchange: () => {
    if (!(choice.value in presets())) return;
    area.value = state.system = presets()[choice.value];
    onChange();
  } });
  const fill = (selected) => {
    replace(choice, el("option", { value: "" }, t("presets")),
      Object.keys(presets()).map((name) => el("option", { value: name }, name)));
    choice.value = selected ?? "";
  };
  const name = el("input", { type: "text", placeholder: t("preset.name"), "aria-label": t("preset.name") });
  const save = el("button", { type: "button", onclick: () => {
    const chosen = name.value.trim();
    if (!chosen) { name.focus(); return; }
    keep({ ...presets(), [chosen]: area.value });
    fill(chosen);
    name.value = "";
  } }, t("save"));
  const drop = iconButton("trash", t("preset.remove"), () => {
    const { [choice.value]: _, ...rest } = presets();
    keep(rest);
    fill();
  });
  fill();
  return el("section.system", {}, field("system", area), el("div.row.tight", {}, choice, drop),
    el("div.row.tight", {}, el("div.grow", {}, name), save));
}
