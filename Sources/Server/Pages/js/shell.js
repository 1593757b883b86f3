/** The bar on top of every page: pages, language, light or dark, key. */
import { el, icon, iconButton, replace } from "./dom.js";
import { apiKey, modelLabel, setApiKey } from "./api.js";
import { language, setLanguage, t } from "./i18n.js";

const pages = [["/", "nav.chat"], ["/playground", "nav.playground"], ["/inspect", "nav.inspect"], ["/runs", "nav.runs"], ["/tune", "nav.tune"], ["/docs", "nav.docs"]];

function bird() {
  const svg = icon("");
  svg.setAttribute("viewBox", "0 0 32 32");
  svg.firstChild.setAttribute(
    "d", "M2 9c6 0 10 2 12.5 5.5C17 9 22 5 30 4c-2 6-5 10-9.5 12.5 1 4-.5 8.5-4.5 11.5l-1-8C9 19 4.5 15 2 9z");
  return svg;
}

function dark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const theme = localStorage.getItem("martlet-theme");
if (theme) document.documentElement.dataset.theme = theme;

/** @param {boolean} isNeeded the server asks for one */
function askForKey(isNeeded = false) {
  if (document.querySelector("dialog[open]")) return;
  const field = el("input", { type: "password", value: apiKey(), autocomplete: "off", id: "api-key" });
  const dialog = el("dialog", { onclose: () => dialog.remove() },
    el("form", { method: "dialog", onsubmit: () => { setApiKey(field.value.trim()); location.reload(); } },
      el("h2", {}, t("key.title")),
      isNeeded && apiKey() ? el("p.notice", { role: "alert" }, t("key.refused")) : null,
      el("label.field", {}, el("span", {}, t("key.hint")), field),
      el("footer", {}, el("button", { type: "button", onclick: () => dialog.close() }, t("cancel")),
        el("button.primary", { type: "submit" }, t("save")))));
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Puts the bar at the top of the page.
 * @param {string} current the path of this page
 * @param {Node[]} leading what stands before the brand, as a button for a drawer
 */
export function shell(current, { leading = [], trailing = [] } = {}) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = (current === "/" ? "" : t(pages.find((page) => page[0] === current)[1]) + " · ") + "Martlet";
  const links = pages.map(([path, name]) =>
    el("a", { href: path, "aria-current": path === current ? "page" : null }, t(name)));
  const shade = iconButton(dark() ? "sun" : "moon", t("theme"), () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("martlet-theme", next);
    replace(shade, icon(next === "dark" ? "sun" : "moon"));
    document.dispatchEvent(new Event("martlet-theme"));
  });
  const other = language === "zh" ? "en" : "zh";
  document.body.prepend(
    el("a.skip", { href: "#main" }, t("skip")),
    el("header.bar", {}, leading,
      el("a.brand", { href: "/", "aria-label": "Martlet" }, bird(), el("span", {}, "Martlet")),
      el("nav", { "aria-label": t("nav") }, links), el("span.grow"), trailing,
      el("button.plain", { type: "button", lang: other, onclick: () => setLanguage(other) },
        other === "zh" ? "中文" : "EN"),
      iconButton("key", t("key.title"), () => askForKey()), shade));
  document.addEventListener("martlet-key-needed", () => askForKey(true));
}

/** A select of models that fills itself; remembers the choice under `name`. */
export function modelSelect(list, name, onchange) {
  const stored = localStorage.getItem("martlet-model-" + name);
  const select = el("select", { "aria-label": t("model"), onchange: () => {
    localStorage.setItem("martlet-model-" + name, select.value);
    onchange?.(select.value);
  } }, list.map((model) => el("option", { value: model.id }, modelLabel(model))));
  const asked = new URLSearchParams(location.search).get("model");
  const first = [asked, stored].find((id) => list.some((model) => model.id === id));
  if (first) select.value = first;
  return select;
}
