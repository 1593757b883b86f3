// Markdown and mathematics to trees. Run by hand: node --test Tests/ServerTests/pages/
import assert from "node:assert/strict";
import { test } from "node:test";

const pages = new URL("../../../Sources/Server/Pages/js/markdown/", import.meta.url);
const { parseMarkdown } = await import(new URL("blocks.js", pages));
const { safeAddress } = await import(new URL("inline.js", pages));
const { parseTeX } = await import(new URL("tex.js", pages));
const { highlight } = await import(new URL("highlight.js", pages));

/** A tree as markup, to compare with. */
function markup(node) {
  if (typeof node === "string") return node;
  if (node.tag === "codeblock") return `<pre ${node.language}>${node.text}</pre>`;
  const more = Object.entries(node.attributes ?? {}).filter(([name]) => ["href", "start", "class", "checked"].includes(name))
    .map(([name, value]) => ` ${name}=${value}`).join("");
  return `<${node.tag}${more}>${(node.children ?? []).map(markup).join("")}</${node.tag}>`;
}
const shown = (text) => parseMarkdown(text).map(markup).join("");

const cases = {
  "# Title #": "<h1>Title</h1>",
  "a **b *c* d** ~~e~~": "<p>a <strong>b <em>c</em> d</strong> <del>e</del></p>",
  "***x***": "<p><strong><em>x</em></strong></p>",
  "snake_case_word and 2 * 3 * 4": "<p>snake_case_word and 2 * 3 * 4</p>",
  "`a*b` ``c`d``": "<p><code>a*b</code> <code>c`d</code></p>",
  "\\*not\\*": "<p>*not*</p>",
  "- a\n- b\n  - c\n- d": "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>",
  "3. a\n4. b": "<ol start=3><li>a</li><li>b</li></ol>",
  "- a\n\n- b": "<ul><li><p>a</p></li><li><p>b</p></li></ul>",
  "- [x] done": "<ul><li><input class= checked=></input> done</li></ul>".replace(" class=", ""),
  "> q\n> r": "<blockquote><p>q\nr</p></blockquote>",
  "```py\nx = 1\n```": "<pre py>x = 1</pre>",
  "```\nopen": "<pre >open</pre>",
  "~~~~\n```\n~~~~": "<pre >```</pre>",
  "| a | b |\n|:-:|--:|\n| 1 | 2 |":
    "<table><thead><tr><th class=center>a</th><th class=right>b</th></tr></thead><tbody><tr><td class=center>1</td><td class=right>2</td></tr></tbody></table>",
  "a\n***\nb": "<p>a</p><hr></hr><p>b</p>",
  "[a](http://b.c/d_(e))": "<p><a href=http://b.c/d_(e)>a</a></p>",
  "see https://a.b/c.": "<p>see <a href=https://a.b/c>https://a.b/c</a>.</p>",
  "<b>x</b> &amp; <script>y</script>": "<p><b>x</b> &amp; <script>y</script></p>",
  "costs $5 and $10": "<p>costs $5 and $10</p>",
  "line  \nbreak": "<p>line<br></br>break</p>",
};
for (const [source, wanted] of Object.entries(cases)) {
  test(`markdown: ${JSON.stringify(source)}`, () => assert.equal(shown(source), wanted));
}

test("links go to the web and to mail only", () => {
  for (const address of ["javascript:alert(1)", "JaVaScRiPt:x", "java\nscript:x", " javascript:x", "\u0001javascript:x", "data:text/html,x",
    "vbscript:x", "file:///etc/passwd", "//evil.example", "/relative", "blob:x", "\u200bjavascript:x"]) {
    assert.equal(safeAddress(address), null, address);
    assert.ok(!shown(`[x](<${address}>) [x](${address}) ![x](${address})`).includes("href="), address);
  }
  assert.equal(safeAddress("HTTPS://a.b"), "HTTPS://a.b");
  assert.equal(safeAddress("mailto:a@b.c"), "mailto:a@b.c");
});

test("pictures are links: nothing is fetched for what a model says", () => {
  assert.equal(shown("![a](http://b.c/d.png)"), "<p><a href=http://b.c/d.png>a</a></p>");
});

test("any beginning of a text parses, and only known tags come out", () => {
  const text = Object.keys(cases).join("\n\n") + "\n\n$$\\frac{a}{b}$$ \\(x^2\\) <img onerror=x> [a](b";
  const known = /^(p|h[1-6]|hr|blockquote|ul|ol|li|table|thead|tbody|tr|th|td|code|em|strong|del|a|span|br|input|codeblock|m\w+)$/;
  const check = (node) => {
    if (typeof node === "string") return;
    assert.match(node.tag, known);
    (node.children ?? []).forEach(check);
  };
  for (let end = 0; end <= text.length; end++) parseMarkdown(text.slice(0, end)).forEach(check);
});

// The processor's time, not the clock's: a machine that does other things makes every text wait.
const processorSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

test("hostile text costs little time", () => {
  for (const text of ["*".repeat(20_000), "[".repeat(5_000), "> ".repeat(2_000) + "x", "`".repeat(5_000), "_a".repeat(5_000), "$".repeat(3_000),
    "**a ".repeat(800), "- ".repeat(500), "|".repeat(2_000) + "\n" + "-|".repeat(2_000), "$" + "{".repeat(3_000) + "$"]) {
    const started = processorSeconds();
    parseMarkdown(text);
    const seconds = processorSeconds() - started;
    assert.ok(seconds < 10, `${text.slice(0, 8)}: ${seconds} s`);
  }
});

const tex = (source) => markup(parseTeX(source, false)).replace(/<\/?math>/g, "");
const formulas = {
  "x^2": "<msup><mi>x</mi><mn>2</mn></msup>",
  "x_i^2": "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>",
  "\\frac{1}{n}": "<mfrac><mn>1</mn><mi>n</mi></mfrac>",
  "\\frac12": "<mfrac><mn>1</mn><mn>2</mn></mfrac>",
  "\\sqrt{2}": "<msqrt><mn>2</mn></msqrt>",
  "\\sqrt[3]{x}": "<mroot><mi>x</mi><mn>3</mn></mroot>",
  "\\alpha\\Omega": "<mrow><mi>α</mi><mi>Ω</mi></mrow>",
  "\\sum_{i=1}^n": "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>",
  "\\mathbb{R}": "<mi>ℝ</mi>",
  "\\text{if } x": "<mrow><mtext>if </mtext><mi>x</mi></mrow>",
  "f'": "<msup><mi>f</mi><mo>′</mo></msup>",
  "\\begin{pmatrix}a&b\\\\c&d\\end{pmatrix}":
    "<mrow><mo>(</mo><mtable class=matrix><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd><mi>c</mi></mtd><mtd><mi>d</mi></mtd></mtr></mtable><mo>)</mo></mrow>",
  "\\left(\\frac{a}{b}\\right]": "<mrow><mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>]</mo></mrow>",
  "\\unknown": "<mtext class=unknown>\\unknown</mtext>",
  "\\constructor": "<mtext class=unknown>\\constructor</mtext>",
};
for (const [source, wanted] of Object.entries(formulas)) test(`TeX: ${source}`, () => assert.equal(tex(source), wanted));

test("half a formula is half a formula", () => {
  const whole = "\\frac{\\sqrt[3]{a_{i}^{2}}}{\\left( b \\right)} \\begin{cases} x & y \\\\ z \\end{cases} \\text{words}";
  for (let end = 0; end <= whole.length; end++) assert.equal(parseTeX(whole.slice(0, end), true).tag, "math");
});

test("colouring changes no character", () => {
  const source = 'func f() { // "no"\n  let s = "a // b\\"" + 0x1F /* x */\n}\n# y = \'z\'\n';
  for (const language of ["swift", "python", "js", "rust", "sql", "sh", "json", "html", "c++", "unknown", "constructor", ""]) {
    assert.equal(highlight(source, language).map((part) => part.text).join(""), source, language);
  }
  const kinds = (text, language) => highlight(text, language).filter((part) => part.kind).map((part) => part.kind + ":" + part.text);
  assert.deepEqual(kinds('let x = "a" // b', "swift"), ["word:let", 'string:"a"', "comment:// b"]);
  assert.deepEqual(kinds("def f(x): return 1 # c", "py"), ["word:def", "call:f", "word:return", "number:1", "comment:# c"]);
});
