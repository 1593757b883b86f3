/** Turns the trees of `blocks.js` into elements, of known kinds and attributes only. */
import { copyText, el } from "../dom.js";
import { t } from "../i18n.js";
import { parseMarkdown } from "./blocks.js";
import { highlight } from "./highlight.js";

const mathML = "http://www.w3.org/1998/Math/MathML";
const tags = new Set(`p h1 h2 h3 h4 h5 h6 hr blockquote ul ol li table thead tbody tr th td code em strong del a span br
  input`.split(/\s+/));
const mathTags = new Set(`math mrow mi mo mn mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover
  mtable mtr mtd`.split(/\s+/));
const attributes = new Set(`href rel target start class type disabled checked display mathvariant stretchy fence largeop
  movablelimits accent linethickness width linebreak`.split(/\s+/));

/** Markdown as elements. What was drawn before and is the same stays, so that selections outlive a stream. */
export function renderMarkdown(target, text) {
  const trees = parseMarkdown(text);
  trees.forEach((tree, index) => {
    const mark = JSON.stringify(tree);
    const present = target.children[index];
    if (present?.markdownSource === mark) return;
    const element = build(tree);
    element.markdownSource = mark;
    if (present) present.replaceWith(element);
    else target.append(element);
  });
  while (target.children.length > trees.length) target.lastElementChild.remove();
}

function build(tree) {
  if (typeof tree === "string") return document.createTextNode(tree);
  if (tree.tag === "codeblock") return codeBlock(tree);
  const isMath = tree.math && mathTags.has(tree.tag);
  if (!isMath && !tags.has(tree.tag)) return document.createTextNode("");
  const element = isMath ? document.createElementNS(mathML, tree.tag) : document.createElement(tree.tag);
  for (const [name, value] of Object.entries(tree.attributes ?? {})) {
    if (attributes.has(name)) element.setAttribute(name, value);
  }
  for (const child of tree.children ?? []) element.append(build(child));
  return tree.tag === "table" ? el("div.wide", {}, element) : element;
}

export function coloured(source, language) {
  return highlight(source, language).map((part) =>
    part.kind ? el("span", { class: "hl-" + part.kind }, part.text) : part.text);
}

function codeBlock({ language, text }) {
  const button = el("button.plain", { type: "button", onclick: async () => {
    button.textContent = (await copyText(text)) ? t("copied") : t("copy.failed");
    setTimeout(() => { button.textContent = t("copy"); }, 1500);
  } }, t("copy"));
  return el("figure.code", {}, el("figcaption", {}, el("span", {}, language || t("code")), button),
    el("pre", { tabIndex: 0 }, el("code", {}, coloured(text, language))));
}
