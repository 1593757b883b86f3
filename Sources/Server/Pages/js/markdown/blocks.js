/** Markdown blocks to a tree of plain objects. A text that is still being written parses at any point of it. */
import { inline } from "./inline.js";
import { parseTeX } from "./tex.js";

/** @param {string} text @returns {Array} nodes: {tag, attributes?, children?}, or {tag: "codeblock", language, text} */
export function parseMarkdown(text) {
  return blocks(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0);
}

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const heading = /^ {0,3}(#{1,6})(?:\s+(.*?))?\s*#*\s*$/;
const rule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const item = /^( {0,8})([-*+]|\d{1,9}[.)])(\s+|$)/;
const tableRule = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const blank = /^\s*$/;

function blocks(lines, depth) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (blank.test(line)) { at++; continue; }
    const step = code(lines, at) ?? mathBlock(lines, at) ?? single(line) ?? quote(lines, at, depth)
      ?? list(lines, at, depth) ?? table(lines, at) ?? paragraph(lines, at);
    out.push(step.node);
    at += step.length;
  }
  return out;
}

function code(lines, at) {
  const open = fence.exec(lines[at]);
  if (!open) return null;
  const close = new RegExp(`^ {0,3}${open[1][0] === "`" ? "`" : "~"}{${open[1].length},}\\s*$`);
  let end = at + 1;
  while (end < lines.length && !close.test(lines[end])) end++;
  const language = open[2].trim().split(/\s+/)[0].replace(/[^\w+#.-]/g, "").toLowerCase();
  const indent = lines[at].search(/\S/);
  const inner = lines.slice(at + 1, end).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
  return { node: { tag: "codeblock", language, text: inner.join("\n") }, length: end - at + 1 };
}

/** $$ … $$ or \[ … \] over several lines. */
function mathBlock(lines, at) {
  const open = /^\s*(\$\$|\\\[)(.*)$/.exec(lines[at]);
  if (!open) return null;
  const close = open[1] === "$$" ? "$$" : "\\]";
  let text = open[2], end = at;
  while (!text.includes(close) && end + 1 < lines.length && !blank.test(lines[end + 1])) text += "\n" + lines[++end];
  const cut = text.indexOf(close);
  if (cut < 0 || text.slice(cut + 2).trim()) return null;
  return { node: { tag: "p", children: [parseTeX(text.slice(0, cut), true)] }, length: end - at + 1 };
}

function single(line) {
  const title = heading.exec(line);
  if (title) return { node: { tag: "h" + title[1].length, children: inline(title[2] ?? "") }, length: 1 };
  return rule.test(line) ? { node: { tag: "hr" }, length: 1 } : null;
}

function quote(lines, at, depth) {
  if (!/^ {0,3}>/.test(lines[at]) || depth > 8) return null;
  let end = at;
  while (end < lines.length && !blank.test(lines[end]) && (/^ {0,3}>/.test(lines[end]) || !starts(lines[end]))) end++;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return { node: { tag: "blockquote", children: blocks(inner, depth + 1) }, length: end - at };
}

const starts = (line) => fence.test(line) || heading.test(line) || rule.test(line) || item.test(line);

function list(lines, at, depth) {
  const first = item.exec(lines[at]);
  if (!first || depth > 8) return null;
  const ordered = /\d/.test(first[2]), mark = first[2].at(-1), base = first[1].length;
  const items = [];
  let end = at, loose = false;
  while (end < lines.length) {
    const match = item.exec(lines[end]);
    if (!match || match[1].length < base || match[1].length > base + 1 || match[2].at(-1) !== mark
      || rule.test(lines[end])) break;
    const width = match[0].length > match[1].length + match[2].length + 4
      ? match[1].length + match[2].length + 1 : match[0].length;
    const inner = [lines[end].slice(Math.min(width, lines[end].length))];
    end++;
    while (end < lines.length) {
      const line = lines[end], indent = line.search(/\S/);
      if (indent < 0) {
        const next = lines.slice(end).findIndex((later) => !blank.test(later));
        if (next < 0) break;
        const after = lines[end + next];
        if (after.search(/\S/) < Math.min(width, base + 2)) break;
        inner.push("");
      } else if (indent >= Math.min(width, base + 2)) inner.push(line.slice(Math.min(indent, width)));
      else if (item.test(line) || starts(line) || blank.test(lines[end - 1]) || /^ {0,3}>/.test(line)) break;
      else inner.push(line.trim());
      end++;
    }
    let skipped = end;
    while (skipped < lines.length && blank.test(lines[skipped])) skipped++;
    const follows = skipped < lines.length && item.exec(lines[skipped])?.[2].at(-1) === mark;
    if (inner.some((line, index) => line === "" && index < inner.length - 1) || follows && skipped > end) loose = true;
    items.push(inner);
    if (skipped > end && follows) end = skipped;
  }
  const children = items.map((inner) => itemNode(inner, depth, loose));
  const start = ordered ? Number.parseInt(first[2], 10) : 1;
  return {
    node: { tag: ordered ? "ol" : "ul", attributes: start !== 1 ? { start: String(start) } : undefined, children },
    length: end - at,
  };
}

function itemNode(lines, depth, loose) {
  const task = /^\[([ xX])\]\s+/.exec(lines[0]);
  if (task) lines = [lines[0].slice(task[0].length), ...lines.slice(1)];
  let children = blocks(lines, depth + 1);
  if (!loose) children = children.flatMap((node) => (node.tag === "p" ? node.children : [node]));
  if (task) {
    const checked = task[1] === " " ? {} : { checked: "" };
    children.unshift({ tag: "input", attributes: { type: "checkbox", disabled: "", ...checked } }, " ");
  }
  return { tag: "li", children };
}

function cells(line) {
  const text = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  const out = [];
  let cell = "", inCode = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\" && text[at + 1] === "|") { cell += "|"; at++; continue; }
    if (text[at] === "`") inCode = !inCode;
    if (text[at] === "|" && !inCode) { out.push(cell); cell = ""; } else cell += text[at];
  }
  return [...out, cell].map((part) => part.trim());
}

function table(lines, at) {
  const under = lines[at + 1];
  if (!lines[at].includes("|") || under === undefined || !tableRule.test(under) || !under.includes("-")) return null;
  const head = cells(lines[at]), marks = cells(under);
  if (head.length !== marks.length) return null;
  const sides = marks.map((mark) => (/:$/.test(mark) ? (/^:/.test(mark) ? "center" : "right") : null));
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && !blank.test(lines[end])) end++;
  const cell = (tag) => (text, column) => ({
    tag, attributes: sides[column] ? { class: sides[column] } : undefined, children: inline(text),
  });
  const row = (line) => ({
    tag: "tr", children: head.map((_, column) => cells(line)[column] ?? "").map(cell("td")),
  });
  const body = lines.slice(at + 2, end).map(row);
  return {
    node: { tag: "table", children: [
      { tag: "thead", children: [{ tag: "tr", children: head.map(cell("th")) }] }, { tag: "tbody", children: body },
    ] },
    length: end - at,
  };
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && !blank.test(lines[end])) {
    const numbered = /^ {0,3}\d+[.)]/.test(lines[end]) && !/^ {0,3}1[.)]/.test(lines[end]);
    if (starts(lines[end]) && !numbered || /^ {0,3}>/.test(lines[end]) || /^\s*(\$\$|\\\[)/.test(lines[end])) break;
    if (lines[end].includes("|") && tableRule.test(lines[end + 1] ?? "") && lines[end + 1].includes("|")) break;
    end++;
  }
  const text = lines.slice(at, end).map((line, index, all) =>
    index < all.length - 1 ? line.trimStart() : line.trim()).join("\n");
  return { node: { tag: "p", children: inline(text) }, length: end - at };
}
