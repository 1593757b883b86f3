/** Texts of the pages in the language of the reader. */
import { en } from "./i18n/en.js";
import { serverMessages, serverSentences } from "./i18n/server.js";
import { zh } from "./i18n/zh.js";

export const tables = { en, zh };
const stored = globalThis.localStorage?.getItem("martlet-language");
const preferred = (globalThis.navigator?.languages ?? ["en"]).find((tag) => /^(zh|en)/.test(tag)) ?? "en";
export const language = stored ?? (preferred.startsWith("zh") ? "zh" : "en");

/** The text called `key`; `{name}` in it becomes `values.name`. */
export function t(key, values = {}) {
  const text = tables[language]?.[key] ?? en[key] ?? key;
  return fill(text, values);
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));

/** A sentence of the server in the page's language where it is a known one, else as it is. */
export function serverSentence(text, tag = language) {
  for (const [form, told] of serverSentences[tag] ?? []) {
    const parts = form.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const found = new RegExp(`^${parts.join("(.+?)")}$`, "s").exec(text);
    if (found) return fill(told, found);
  }
  return text;
}

/** An error of the server in the page's language; its own words, which are English, where that is the language. */
export function serverText(code, why, at = "", tag = language) {
  const text = serverMessages[tag]?.[code], told = serverSentence(why, tag);
  return text ? fill(text, { why: told, at }) : t("server.other", { why: told });
}

export function setLanguage(tag) {
  localStorage.setItem("martlet-language", tag);
  location.reload();
}

const locale = language === "zh" ? "zh-CN" : "en";
/** What rounds to nothing has no sign. */
export const number = (value, digits = 0) =>
  value === null || value === undefined || !Number.isFinite(value) ? "–"
    : value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" });
/** Four significant digits, in powers of ten where it is very small or large. */
export const significant = (value) =>
  value === null || value === undefined || !Number.isFinite(value) ? "–"
    : value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6) ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
export const percent = (share, digits = 1) => number(share * 100, digits) + " %";
export const date = (milliseconds) =>
  new Date(milliseconds).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
