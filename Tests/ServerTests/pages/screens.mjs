// Pictures of every page, on a phone and on a desk, light and dark, in both languages, and whether anything overhangs.
//
//   martlet serve smollm2 gemma3 runs/moe --runs RUNS --tune DATA &
//   node Tests/ServerTests/pages/screens.mjs http://127.0.0.1:8080 FOLDER [--mixture moe] [--file report=RUNS/report.html]…
//     [--only tune,runs] [--few] [--whole]
//
// --mixture: a served model with experts, whose loads are looked at. --file: a page of its own, as martlet report, results,
// compare and inspect write them; in English alone. --only: these pages alone. --few: light English and dark Chinese alone.
// --whole: of pages that scroll, all of them. A run of two steps is begun from the Tune page where it has data.
// Ends with 1 where a page is wider than its window, an element of it reaches out of what it stands in, a result is not to be
// seen without scrolling on a phone, a text is hard to read before what is behind it, or a Chinese page has a sentence in English.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Browser, faintTexts } from "./browser.mjs";

const [address, folder, ...given] = process.argv.slice(2);
if (!folder) { console.error("usage: screens.mjs ADDRESS FOLDER [--only NAMES] [--few] [--whole]"); process.exit(2); }
const option = (name) => (given.includes(name) ? given[given.indexOf(name) + 1] : undefined);
const mixture = option("--mixture");
const files = given.flatMap((word, at) => (given[at - 1] === "--file" ? [word.split("=", 2)] : []));
const only = given.includes("--only") ? given[given.indexOf("--only") + 1].split(",") : null;
mkdirSync(folder, { recursive: true });

const settled = "!document.querySelector('.message.pending, [aria-busy=true]')";
/** Name, path, and what is done before the picture. */
const screens = [
  ["chat-empty", "/", async (page) => page.until("document.querySelector('.models select')")],
  ["chat", "/", async (page) => {
    await page.evaluate(`localStorage.setItem("martlet-chat-defaults", '{"settings":{"max_tokens":80},"system":""}')`);
    await page.go(address + "/");
    await page.until("document.querySelector('.models select')");
    await page.write("#ask", "Compare tea and coffee in a table, then list `three` **birds**.");
    await page.press("Enter");
    await page.until("document.querySelectorAll('.message').length >= 2 && " + settled, 120);
  }],
  ["chat-history", "/", async (page) => {
    await page.until("document.querySelector('.models select')");
    await page.evaluate("document.querySelector('.chat').classList.add('with-side')");
  }],
  ["chat-settings", "/", async (page) => {
    await page.until("document.querySelector('.models select')");
    await page.evaluate("document.querySelector('.chat').classList.remove('with-side')");
    await page.evaluate("[...document.querySelectorAll('.bar button.icon[aria-pressed]')][0].click()");
  }],
  ["playground", "/playground", async (page) => {
    await page.until("document.querySelector('#prompt')");
    await page.evaluate("document.querySelector('form').requestSubmit()");
    await page.until("document.querySelectorAll('.token').length > 5 && " + settled, 120);
    await new Promise((resolve) => setTimeout(resolve, 600));
  }],
  ["inspect", "/inspect", async (page) => page.until("document.querySelectorAll('.head canvas').length && document.querySelector('.lens td')", 60)],
  ["inspect-deep", "/inspect", async (page) => {
    await page.until("document.querySelectorAll('.head canvas').length", 60);
    await page.evaluate("document.querySelector('.patched').closest('section').querySelector('input[type=checkbox]').click()");
    for (const [form, result] of [["#patch-clean", ".patched td"], ["#steer-prompt", ".steered .reply"]]) {
      await page.evaluate(`document.querySelector('${form}').form.requestSubmit()`);
      await page.until(`document.querySelector('${result}')`, 180);
    }
    await page.evaluate("document.querySelector('.patched').scrollIntoView()");
  }],
  ["inspect-experts", "/inspect", async (page) => {
    await page.go(`${address}/inspect?model=${encodeURIComponent(mixture)}`);
    await page.until("document.querySelector('.experts td')", 60);
    await page.evaluate("[...document.querySelectorAll('.experts td')].find((cell) => Number(cell.textContent) > 0).click()");
    await page.evaluate("document.querySelector('.experts').closest('section').scrollIntoView()");
  }],
  ["runs", "/runs", async (page) => page.until("document.querySelector('.chart .curve, .notice')", 30)],
  ["tune", "/tune", async (page) => page.until("document.querySelector('.numbers .field, .command, .notice')", 30)],
  ["tune-more", "/tune", async (page) => {
    await page.until("document.querySelector('details.more, .command, .notice')", 30);
    await page.evaluate("document.querySelector('details.more')?.setAttribute('open', '')");
  }],
  ["tune-refused", "/tune", async (page) => {
    await page.until("document.querySelector('.numbers .field, .command, .notice')", 30);
    // Nothing is chosen to learn from: the server says so, in the language of the page.
    await page.evaluate("document.querySelector('form')?.requestSubmit()");
    await page.until("document.querySelector('.notice, .command')", 30);
    await page.evaluate("document.querySelector('form .notice')?.scrollIntoView({ block: 'center' })");
  }],
  ["tune-run", "/tune", async (page) => {
    await page.until("document.querySelector('.numbers .field, .command, .notice')", 30);
    const begun = await page.evaluate(`(() => {
      const box = document.querySelector(".files input[type=checkbox]");
      if (!box) return false;
      box.click();
      for (const [name, value] of [["steps", "2"], ["batch_rows", "2"], ["context_length", "128"]]) {
        const field = [...document.querySelectorAll(".numbers .field")].find((one) => one.querySelector("code")?.textContent === name);
        field.querySelector("input").value = value;
      }
      document.querySelector("form").requestSubmit();
      return true;
    })()`);
    if (begun) await page.until("document.querySelector('.chosen .state.finished, .chosen .state.failed, form .notice')", 300);
    await page.evaluate("(document.querySelector('form .notice') ?? document.querySelector('.chosen'))?.scrollIntoView()");
  }],
  ["key", "/", async (page) => {
    await page.until("document.querySelector('.models select')");
    await page.evaluate("[...document.querySelectorAll('.bar button.icon')].at(-2).click()");
    await page.until("document.querySelector('dialog[open]')");
  }],
  ["docs", "/docs", async (page) => page.until("document.querySelector('.docs h1') && document.querySelector('.contents a')")],
];

/** Elements of which a part lies beside the window, or beside a box that does not scroll. */
const overhanging = (all, width) => `[...document.querySelectorAll("${all}")].filter((element) => {
  const box = element.getBoundingClientRect();
  if (!box.width || !box.height || getComputedStyle(element).position === "fixed") return false;
  if (element.closest("[hidden], .skip, svg")) return false;
  for (let parent = element.parentElement; parent; parent = parent.parentElement) {
    const style = getComputedStyle(parent);
    if (/auto|scroll|hidden/.test(style.overflowX)) return false;
    if (parent.matches(".side, .card, .composer, .drawer, .bar, .run")) {
      const outer = parent.getBoundingClientRect();
      if (box.right > outer.right + 1 || box.left < outer.left - 1) return true;
    }
  }
  return box.right > ${width} + 1 || box.left < -1;
}).map((element) => element.tagName + "." + element.className + " " + element.textContent.slice(0, 30)).slice(0, 5)`;

/** On a Chinese page: sentences in English, but for code and what models and people wrote. */
const english = `[...document.querySelectorAll("main *, .bar *, dialog *")].filter((element) =>
  !element.closest("code, pre, .mono, blockquote, .plaintext, .contents, .markdown, svg, textarea, .output, .texts, .origin, .reply, td, .token, [hidden]")
  && [...element.childNodes].some((node) => node.nodeType === 3 && /[A-Za-z]{3,} [A-Za-z]{2,} [A-Za-z]{2,}/.test(node.data)
    && !/[\\u4e00-\\u9fff]/.test(node.data))).map((element) => element.tagName + "." + element.className + " " + element.textContent.slice(0, 60)).slice(0, 5)`;

/** Whether the first words of the result are in the window. */
const resultIsShown = `(() => {
  const box = document.querySelector(".output .token")?.getBoundingClientRect();
  return Boolean(box) && box.top >= 0 && box.bottom <= innerHeight;
})()`;

const browser = await Browser.launch();
let wrong = 0;

/** Whether a page that is shown fits; its picture is taken, too, where it has a title. */
async function look(page, title, all = "main *, .bar *, .side *, .drawer *, dialog *", takes = true) {
  // A phone makes its own innerWidth as wide as a page that overhangs.
  const width = title.includes("-phone-") ? 390 : 1280;
  const wide = await page.evaluate(`document.documentElement.scrollWidth - ${width}`);
  const out = await page.evaluate(overhanging(all, width));
  if (takes) await page.screenshot(join(folder, title + ".png"));
  const faint = await page.evaluate(faintTexts);
  if (faint.length) { wrong++; console.log(`not ok ${title}: hard to read: ${faint.join(" | ")}`); }
  if (wide > 0 || out.length) { wrong++; console.log(`not ok ${title}: ${wide} px too wide; ${out.join(" | ")}`); }
}

for (const [size, shape] of [["phone", { phone: true }], ["desk", { width: 1280, height: 800 }]]) {
  for (const dark of [false, true]) {
    for (const [tag, language] of [["en", "en"], ["zh", "zh-CN"]]) {
      if (given.includes("--few") && dark !== (tag === "zh")) continue;
      for (const [name, path, act] of screens) {
        if (only ? !only.includes(name) : name === "inspect-experts" && !mixture) continue;
        const page = await browser.page({ ...shape, dark, language });
        await page.go(address + path);
        await act(page);
        const title = `${name}-${size}-${dark ? "dark" : "light"}-${tag}`;
        await look(page, title);
        const left = tag === "zh" ? await page.evaluate(english) : [];
        if (left.length) { wrong++; console.log(`not ok ${title}: in English: ${left.join(" | ")}`); }
        if (name === "playground" && !(await page.evaluate(resultIsShown))) { wrong++; console.log(`not ok ${title}: the result is hidden`); }
        if (given.includes("--whole")) {
          const height = await page.evaluate("document.querySelector('.page') ? document.querySelector('.page').scrollHeight + 140 : 0");
          if (height > shape.height || (shape.phone && height > 844)) {
            await page.resize({ ...shape, height: Math.min(height, 6000) });
            await new Promise((resolve) => setTimeout(resolve, 200));
            await page.screenshot(join(folder, title + "-whole.png"));
          }
        }
        if (name === "docs") {
          const all = await page.evaluate("[...document.querySelectorAll('.contents a')].map((link) => link.href)");
          for (const link of all) {
            await page.go(link);
            await page.until("document.querySelector('.docs h1') && document.querySelector('.contents a')");
            await look(page, `${title} ${link.split("=").at(-1)}`, undefined, false);
          }
        }
        await page.close();
      }
      for (const [name, path] of tag === "en" ? files : []) {
        if (only && !only.includes(name)) continue;
        const page = await browser.page({ ...shape, dark, language });
        await page.open(pathToFileURL(path).href);
        await look(page, `${name}-${size}-${dark ? "dark" : "light"}`, "body *");
        await page.close();
      }
    }
  }
}
await browser.close();
console.log(wrong ? `${wrong} pictures with something wrong` : "nothing overhangs");
process.exit(wrong ? 1 : 0);
