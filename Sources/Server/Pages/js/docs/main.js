/** The documentation, as it lies in the program. */
import { explain, getText } from "../api.js";
import { el, replace } from "../dom.js";
import { language, t } from "../i18n.js";
import { renderMarkdown } from "../markdown/render.js";
import { shell } from "../shell.js";
import { headingId, names, withLinks } from "./links.js";

shell("/docs");
const body = el("article.markdown"), note = el("p.notice.calm", {}, t("docs.english"));
const list = el("nav.contents", { "aria-label": t("docs.list") });
document.body.append(el("main.page", { id: "main" }, el("div.sheet.docs", {}, list, el("div", {}, body))));

const asked = new URLSearchParams(location.search);
const wanted = asked.get("page"), isInEnglish = asked.get("in") === "en";
const current = names.includes(wanted) ? wanted : names[0];

/** In the reader's language, unless a link leads to the English page. */
async function text(name, inEnglish = false) {
  const path = language === "zh" && !inEnglish ? `zh/${name}` : name;
  return getText(`/ui/docs/${path}.md`);
}

const title = (source, name) => /^#\s+(.+)$/m.exec(source)?.[1].replaceAll("`", "") ?? name;

async function start() {
  const source = await text(current, isInEnglish);
  renderMarkdown(body, withLinks(source, location.origin));
  if (language === "zh" && isInEnglish) {
    body.lang = "en";
    body.before(note);
  }
  for (const link of body.querySelectorAll("a")) if (link.origin === location.origin) link.removeAttribute("target");
  for (const heading of body.querySelectorAll("h1, h2, h3")) heading.id = headingId(heading.textContent);
  document.title = title(source, current) + " · Martlet";
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  const entries = await Promise.all(names.map(async (name) => {
    try { return { name, title: title(await text(name), name) }; } catch { return null; }
  }));
  replace(list, entries.filter(Boolean).map((entry) => el("a", { href: "/docs?page=" + entry.name,
    "aria-current": entry.name === current ? "page" : null }, entry.title)));
}
start().catch((error) => replace(body, el("p.notice", { role: "alert" }, explain(error))));
