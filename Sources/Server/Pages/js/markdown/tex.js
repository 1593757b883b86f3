/** A subset of TeX's mathematics to MathML, as a tree of plain objects. What is not known is shown as it was written. */
import { greek, operators, functions, accents, alphabets } from "./symbols.js";

const node = (tag, children = [], attributes) => ({ tag, math: true, attributes, children });

/** @param {string} source without its dollars */
export function parseTeX(source, isBlock) {
  const reader = new Reader(tokens(source));
  const row = reader.row(() => false, 0);
  return node("math", [row], isBlock ? { display: "block", class: "display" } : { display: "inline" });
}

function tokens(source) {
  return source.match(/\\[a-zA-Z]+\*?|\\[\s\S]|\s+|\d+(?:\.\d+)?|[\s\S]/gu) ?? [];
}

const large = new Set(["∑", "∏", "∐", "⋃", "⋂", "⨁", "⨂", "⋁", "⋀"]);
const limits = new Set(["lim", "max", "min", "sup", "inf", "limsup", "liminf", "argmax", "argmin"]);
const fences = {
  "(": "(", ")": ")", "[": "[", "]": "]", "|": "|", ".": "", "/": "/", "\\{": "{", "\\}": "}", "\\|": "‖",
  "\\lvert": "|", "\\rvert": "|", "\\lVert": "‖", "\\rVert": "‖", "\\langle": "⟨", "\\rangle": "⟩",
  "\\lfloor": "⌊", "\\rfloor": "⌋", "\\lceil": "⌈", "\\rceil": "⌉", "<": "⟨", ">": "⟩", "\\vert": "|", "\\Vert": "‖",
};
const surroundings = {
  matrix: ["", ""], pmatrix: ["(", ")"], bmatrix: ["[", "]"], Bmatrix: ["{", "}"], vmatrix: ["|", "|"],
  Vmatrix: ["‖", "‖"], cases: ["{", ""], aligned: ["", ""], align: ["", ""], "align*": ["", ""], array: ["", ""],
  gathered: ["", ""], smallmatrix: ["", ""], split: ["", ""], equation: ["", ""], "equation*": ["", ""],
};
const spaces = { "\\,": "0.17em", "\\:": "0.22em", "\\;": "0.28em", "\\ ": "0.25em", "\\quad": "1em", "\\qquad": "2em",
  "~": "0.25em", "\\!": "0" };
const fence = (text) => node("mo", [text], { stretchy: "true", fence: "true" });

class Reader {
  constructor(tokens) {
    this.tokens = tokens;
    this.at = 0;
  }
  /** The token to come; spaces mean nothing except between braces that are read as they are. */
  get next() {
    while (/^\s/.test(this.tokens[this.at] ?? "")) this.at++;
    return this.tokens[this.at];
  }
  take() {
    const token = this.next;
    this.at++;
    return token;
  }

  /** Up to a token that `ends` wants, which is not taken, or the end. */
  row(ends, depth) {
    const children = [];
    while (this.next !== undefined && !ends(this.next)) {
      if (depth > 40) { children.push(node("mtext", [this.take()])); continue; }
      children.push(this.scripted(depth));
    }
    return children.length === 1 ? children[0] : node("mrow", children);
  }

  /** An atom with what hangs below and above it. */
  scripted(depth) {
    const base = this.next === "^" || this.next === "_" ? node("mrow") : this.atom(depth);
    let below, above;
    for (;;) {
      if (this.next === "_" && !below) { this.take(); below = this.argument(depth); }
      else if (this.next === "^" && !above) { this.take(); above = this.argument(depth); }
      else if (this.next === "'") {
        let primes = "";
        while (this.next === "'") { this.take(); primes += "′"; }
        const mark = node("mo", [primes]);
        above = above ? node("mrow", [mark, above]) : mark;
      } else if (this.next === "\\limits" || this.next === "\\nolimits") this.take();
      else break;
    }
    if (!below && !above) return base;
    const under = base.isLimit;
    const parts = [base, ...(below ? [below] : []), ...(above ? [above] : [])];
    const tag = below && above ? (under ? "munderover" : "msubsup")
      : below ? (under ? "munder" : "msub") : under ? "mover" : "msup";
    return node(tag, parts);
  }

  argument(depth) {
    if (this.next === undefined) return node("mrow");
    if (/^\d./.test(this.next)) {
      // Without braces an argument is one digit.
      const number = this.tokens[this.at];
      this.tokens[this.at] = number.slice(1);
      return node("mn", [number[0]]);
    }
    return this.next === "{" ? this.group(depth) : this.atom(depth + 1);
  }

  group(depth) {
    this.take();
    const row = this.row((token) => token === "}", depth + 1);
    this.take();
    return row;
  }

  /** The text between braces as it was written. */
  raw() {
    if (this.next !== "{") return this.take() ?? "";
    this.take();
    let text = "", open = 1;
    while (this.at < this.tokens.length) {
      const token = this.tokens[this.at++];
      if (token === "{") open++;
      if (token === "}" && --open === 0) break;
      text += token;
    }
    return text;
  }

  atom(depth) {
    const token = this.take();
    if (token === "{") { this.at--; return this.group(depth); }
    if (/^\d/.test(token)) return node("mn", [token]);
    if (token[0] === "\\") return this.command(token, depth);
    if (token in spaces) return node("mspace", [], { width: spaces[token] });
    if (/^[\p{L}]$/u.test(token)) return node("mi", [token]);
    if (token === "-") return node("mo", ["−"]);
    if (token === "*") return node("mo", ["∗"]);
    if (token === "&") return node("mrow");
    if ("()[]|".includes(token)) return node("mo", [token], { stretchy: "false" });
    return node("mo", [token]);
  }

  command(token, depth) {
    const name = token.slice(1);
    if (token in spaces) return node("mspace", [], { width: spaces[token] });
    if (Object.hasOwn(greek, name)) return node("mi", [greek[name]], /^[A-Z]/.test(name) ? { mathvariant: "normal" } : undefined);
    if (Object.hasOwn(operators, name)) {
      const sign = node("mo", [operators[name]]);
      if (large.has(operators[name])) { sign.isLimit = true; sign.attributes = { largeop: "true", movablelimits: "true" }; }
      return sign;
    }
    if (functions.has(name)) {
      const word = node("mi", [name], { mathvariant: "normal" });
      word.isLimit = limits.has(name);
      return word;
    }
    if (Object.hasOwn(accents, name)) {
      const wide = /^(over|under|wide)/.test(name);
      const tag = /^under/.test(name) ? "munder" : "mover";
      return node(tag, [this.argument(depth), node("mo", [accents[name]], { stretchy: String(wide) })], { accent: "true" });
    }
    if (Object.hasOwn(alphabets, name)) return alphabet(this.argument(depth), alphabets[name]);
    if (Object.hasOwn(fences, token)) return node("mo", [fences[token]], { stretchy: "false" });
    return this.structure(name, token, depth);
  }

  structure(name, token, depth) {
    switch (name) {
      case "frac": case "dfrac": case "tfrac": case "cfrac":
        return node("mfrac", [this.argument(depth), this.argument(depth)]);
      case "binom": case "dbinom":
        return node("mrow", [fence("("), node("mfrac", [this.argument(depth), this.argument(depth)], { linethickness: "0" }),
          fence(")")]);
      case "sqrt": {
        let index;
        if (this.next === "[") {
          this.take();
          index = this.row((next) => next === "]", depth + 1);
          this.take();
        }
        const under = this.argument(depth);
        return index ? node("mroot", [under, index]) : node("msqrt", [under]);
      }
      case "text": case "mathrm": case "textrm": case "operatorname": case "operatorname*": case "mbox": case "textbf":
      case "textit": case "mathtt": case "texttt":
        return this.words(name);
      case "left": return this.fenced(depth);
      case "begin": return this.environment(depth);
      case "big": case "Big": case "bigg": case "Bigg": case "bigl": case "bigr": case "Bigl": case "Bigr":
        return node("mo", [fences[this.next] ?? this.next ?? ""], (this.take(), { stretchy: "false" }));
      case "not":
        return node("mo", [{ "=": "≠", "\\in": "∉", "\\equiv": "≢" }[this.take()] ?? "̸"]);
      case "overset": case "stackrel": {
        const above = this.argument(depth);
        return node("mover", [this.argument(depth), above]);
      }
      case "underset": {
        const below = this.argument(depth);
        return node("munder", [this.argument(depth), below]);
      }
      case "boxed": return node("mrow", [this.argument(depth)], { class: "boxed" });
      case "displaystyle": case "textstyle": case "scriptstyle": case "nonumber": case "notag": return node("mrow");
      case "right": this.take(); return node("mrow");
      case "label": case "tag": this.raw(); return node("mrow");
      case "\\": return node("mspace", [], { linebreak: "newline" });
      case "%": case "$": case "#": case "&": case "_": return node("mo", [name]);
      default: return node("mtext", [token], { class: "unknown" });
    }
  }

  words(name) {
    const text = this.raw();
    const tag = /^(operatorname|mathrm)/.test(name) ? "mi" : "mtext";
    return node(tag, [text], tag === "mi" ? { mathvariant: "normal" } : undefined);
  }

  fenced(depth) {
    const open = fences[this.take()] ?? "";
    const inner = this.row((token) => token === "\\right", depth + 1);
    this.take();
    const close = fences[this.take()] ?? "";
    return node("mrow", [...(open ? [fence(open)] : []), inner, ...(close ? [fence(close)] : [])]);
  }

  environment(depth) {
    const name = this.raw();
    const [open, close] = surroundings[name] ?? ["", ""];
    if (name === "array" && this.next === "{") this.raw();
    const rows = [[]];
    while (this.next !== undefined && this.next !== "\\end") {
      const cell = this.row((token) => token === "&" || token === "\\\\" || token === "\\end", depth + 1);
      rows.at(-1).push(node("mtd", [cell]));
      if (this.next === "&") this.take();
      else if (this.next === "\\\\") { this.take(); rows.push([]); }
      if (this.next === "\\hline") this.take();
    }
    this.take();
    this.raw();
    if (rows.at(-1).length === 0) rows.pop();
    const kind = /align|split/.test(name) ? "aligned" : name === "cases" ? "cases" : "matrix";
    const table = node("mtable", rows.map((cells) => node("mtr", cells)), { class: kind });
    if (!open && !close) return table;
    return node("mrow", [fence(open), table, ...(close ? [fence(close)] : [])]);
  }
}

/** Letters of an alphabet of their own: blackboard, calligraphic, bold. */
function alphabet(tree, table) {
  if (typeof tree === "string") return tree;
  const isLetters = tree.tag === "mi" || tree.tag === "mn";
  return {
    ...tree,
    attributes: isLetters ? { ...tree.attributes, mathvariant: "normal" } : tree.attributes,
    children: tree.children.map((child) =>
      typeof child === "string" ? (isLetters ? [...child].map((letter) => table(letter)).join("") : child)
        : alphabet(child, table)),
  };
}
