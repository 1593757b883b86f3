/** Inline Markdown to a tree of plain objects: {tag, attributes?, children?} and strings. No HTML passes through. */
import { parseTeX } from "./tex.js";

const escapable = /[!-/:-@[-`{-~]/;

/** Links lead to the web, to mail, or nowhere. Control characters and spaces hide schemes from naive checks. */
export function safeAddress(address) {
  const plain = address.replace(/[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/g, "");
  return /^(https?:\/\/|mailto:)/i.test(plain) ? plain : null;
}

/** @param {string} text @returns {Array} */
export function inline(text, depth = 0) {
  const out = [];
  let plain = "";
  const flush = () => { if (plain) out.push(plain); plain = ""; };
  const put = (node) => { flush(); out.push(node); };
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const found = depth < 12 ? construct(text, at, rest, depth) : null;
    if (found) {
      put(found.node);
      at += found.length;
    } else if (text[at] === "\\" && at + 1 < text.length && escapable.test(text[at + 1])) {
      plain += text[at + 1];
      at += 2;
    } else if (text[at] === "`") {
      // Fence ticks without a partner are themselves, all of them.
      const ticks = rest.match(/^`+/)[0];
      plain += ticks;
      at += ticks.length;
    } else {
      plain += text[at++];
    }
  }
  flush();
  return out;
}

function construct(text, at, rest, depth) {
  let match;
  const before = at > 0 ? text[at - 1] : " ";
  switch (rest[0]) {
    case "`":
      match = /^(`+)(?!`)([\s\S]*?[^`])\1(?!`)/.exec(rest);
      return match && { length: match[0].length, node: { tag: "code", children: [match[2].replace(/^ (.*) $/s, "$1")] } };
    case "$":
      match = /^\$\$([^$]+?)\$\$/.exec(rest);
      if (match) return math(match, true);
      // Dollars of money are followed or preceded by a space, or by a digit after the end.
      match = /^\$(?![\s$])((?:\\.|[^$\\\n])*?[^\s\\])\$(?!\d)/.exec(rest);
      return match && !/^\d[\d.,]*\s/.test(match[1]) ? math(match, false) : null;
    case "\\":
      match = /^\\\(([\s\S]+?)\\\)/.exec(rest);
      if (match) return math(match, false);
      match = /^\\\[([\s\S]+?)\\\]/.exec(rest);
      if (match) return math(match, true);
      match = /^\\\n/.exec(rest);
      return match && { length: 2, node: { tag: "br" } };
    case " ":
      match = /^ {2,}\n/.exec(rest);
      return match && { length: match[0].length, node: { tag: "br" } };
    case "*":
    case "_":
      return emphasis(rest, before, depth);
    case "~":
      match = /^~~(?!\s)([\s\S]*?[^\s~])~~/.exec(rest);
      return match && { length: match[0].length, node: { tag: "del", children: inline(match[1], depth + 1) } };
    case "!":
      // Pictures of the outside are not fetched: what a model says must not make this page speak to other machines.
      match = /^!\[((?:[^\]\\]|\\.)*)\]\(\s*([^\s)]*)[^)]*\)/.exec(rest);
      return match && { length: match[0].length, node: link(match[2], match[1] ? [match[1]] : [match[2]]) };
    case "[":
      return reference(rest, depth);
    case "<":
      match = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/i.exec(rest);
      if (match) return { length: match[0].length, node: link(match[1], [match[1]]) };
      match = /^<br\s*\/?>/i.exec(rest);
      return match && { length: match[0].length, node: { tag: "br" } };
    case "h":
      if (/\w/.test(before)) return null;
      match = /^https?:\/\/[^\s<>()[\]"'`，。；！？、]+(?:\([^\s<>()]*\)[^\s<>()[\]"'`]*)?/.exec(rest);
      if (!match) return null;
      match[0] = match[0].replace(/[.,;:!?*_]+$/, "");
      return { length: match[0].length, node: link(match[0], [match[0]]) };
    default:
      return null;
  }
}

const math = (match, isBlock) => ({ length: match[0].length, node: parseTeX(match[1], isBlock) });

function link(address, children) {
  const safe = safeAddress(address);
  return safe
    ? { tag: "a", attributes: { href: safe, rel: "noopener noreferrer nofollow", target: "_blank" }, children }
    : { tag: "span", children };
}

/** [text](address "title"), with brackets that match. */
function reference(rest, depth) {
  let open = 0, end = -1;
  for (let index = 0; index < rest.length && index < 2000; index++) {
    if (rest[index] === "\\") { index++; continue; }
    if (rest[index] === "[") open++;
    if (rest[index] === "]" && --open === 0) { end = index; break; }
  }
  if (end < 0) return null;
  const match = /^\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\([^\s()]*\))*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/
    .exec(rest.slice(end + 1));
  if (!match) return null;
  const label = rest.slice(1, end);
  return { length: end + 1 + match[0].length, node: link(match[1] ?? match[2], inline(label, depth + 1)) };
}

function emphasis(rest, before, depth) {
  const mark = rest[0];
  if (mark === "_" && /[\p{L}\p{N}]/u.test(before)) return null;
  const run = rest.match(mark === "*" ? /^\*+/ : /^_+/)[0].length;
  if (run > 3 || /^\s/.test(rest.slice(run)) || rest.length === run) return null;
  for (let width = run; width >= 1; width--) {
    const end = closing(rest, mark, width);
    if (end < 0) continue;
    const children = inline(rest.slice(width, end), depth + 1);
    const node = width === 3
      ? { tag: "strong", children: [{ tag: "em", children }] }
      : { tag: width === 2 ? "strong" : "em", children };
    return { length: end + width, node };
  }
  return null;
}

/** Where a run of exactly `width` marks closes what begins at 0, skipping code; -1 when nowhere. */
function closing(rest, mark, width) {
  for (let index = width; index < rest.length; index++) {
    if (rest[index] === "\\") { index++; continue; }
    if (rest[index] === "`") {
      const code = /^(`+)(?!`)[\s\S]*?[^`]\1(?!`)/.exec(rest.slice(index));
      if (code) index += code[0].length - 1;
      continue;
    }
    if (rest[index] !== mark) continue;
    let length = 1;
    while (rest[index + length] === mark) length++;
    const after = rest[index + length] ?? " ";
    const closes = !/\s/.test(rest[index - 1]) && (mark === "*" || !/[\p{L}\p{N}]/u.test(after));
    if (closes && (length === width || length > width && length - width !== width)) {
      return index + (length > width ? length - width : 0);
    }
    index += length - 1;
  }
  return -1;
}
