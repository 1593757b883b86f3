// The pages in headless Chromium against a running server.
//
//   martlet serve smollm2 --runs RUNS &
//   node Tests/ServerTests/pages/in_browser.mjs http://127.0.0.1:8080 [--screenshots FOLDER] [--answer Paris]
//
// --answer: what the model must say about the capital of France; left out for random models.
// --runs: there are training runs. --tune: they can be begun, by a program that fails. --key KEY: the server's key.
// --mixture: the model has experts. --only WORDS: the checks whose names hold these words.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Browser, faintTexts } from "./browser.mjs";

const [address, ...given] = process.argv.slice(2);
const option = (name) => (given.includes(name) ? given[given.indexOf(name) + 1] : undefined);
const folder = option("--screenshots"), wanted = option("--answer"), key = option("--key"), only = option("--only");
if (!address) { console.error("usage: in_browser.mjs ADDRESS [--screenshots FOLDER] [--answer TEXT] [--key KEY]"); process.exit(2); }
if (folder) mkdirSync(folder, { recursive: true });

const browser = await Browser.launch();
let count = 0;
/** One check on a page of its own; no page may have had a problem at its end. */
async function check(name, settings, body) {
  if (only && !name.includes(only)) return;
  const page = await browser.page(settings);
  const started = Date.now();
  try {
    if (key && !settings.keyless) {
      await page.go(address + "/");
      await page.until("document.querySelector('dialog[open]')");
      await page.evaluate(`sessionStorage.setItem("martlet-key", ${JSON.stringify(key)})`);
    }
    page.problems.length = 0;
    await body(page);
    assert.deepEqual(page.problems.filter((problem) => !settings.allowed?.test(problem)), []);
    console.log(`ok ${++count} ${name} (${Date.now() - started} ms)`);
  } catch (error) {
    console.log(`not ok ${name}\n${error.stack}`);
    if (folder) await page.screenshot(join(folder, "failed.png"));
    await browser.close();
    process.exit(1);
  }
}
const shot = async (page, name) => { if (folder) await page.screenshot(join(folder, name + ".png")); };
const answered = "!document.querySelector('.message.pending') && document.querySelectorAll('.message.assistant .stats').length";
const shown = "[...document.querySelectorAll('.message')].map((one) => one.querySelector('.body').innerText).join('\\n')";
const isNoWider = "document.documentElement.scrollWidth <= innerWidth";

async function ask(page, text, seconds = 120) {
  await page.until("document.querySelector('.models select')");
  const before = await page.evaluate("document.querySelectorAll('.message').length");
  await page.write("#ask", text);
  await page.press("Enter");
  await page.until(`document.querySelectorAll('.message').length >= ${before} + 2`);
  await page.until(answered, seconds);
  return page.evaluate("[...document.querySelectorAll('.message.assistant .markdown')].at(-1).innerText");
}
/** Short and always the same replies. */
const brief = `localStorage.setItem("martlet-chat-defaults", JSON.stringify({ settings: { temperature: 0, max_tokens: 40 }, system: "" }))`;

if (key) {
  await check("a key is asked for, and kept for this tab only", { keyless: true }, async (page) => {
    await page.go(address + "/");
    await page.until("document.querySelector('dialog[open] #api-key')");
    // On a machine with much to do, a key that is pressed while the page is drawn may be lost: it is pressed again.
    for (let tries = 0; ; tries++) {
      await page.write("#api-key", key);
      await page.press("Enter");
      try { await page.until("!document.querySelector('dialog[open]')", 20); break; }
      catch (error) { if (tries === 3) throw error; }
    }
    // The page loads itself anew. Once in many runs, on a machine with sixteen other things to do, a script of it did not come for two
    // minutes: told, and asked for again, as a person would.
    try { await page.until("document.querySelector('.models select')", 60); }
    catch (error) { console.log(`loaded again: ${error.message}`); await page.go(address + "/"); }
    await page.until("document.querySelector('.models select')");
    assert.equal(await page.evaluate("sessionStorage.getItem('martlet-key')"), key);
    assert.ok(!(await page.evaluate("JSON.stringify(localStorage)")).includes(key));
    page.problems.length = 0;
  });
}

await check("a question is answered, kept, asked again and branched", {}, async (page) => {
  await page.go(address + "/");
  await page.evaluate(brief);
  await page.go(address + "/");
  const answer = await ask(page, "What is the capital of France? Answer in one sentence.");
  assert.ok(answer.trim().length > 0);
  if (wanted) assert.ok(answer.includes(wanted), answer);
  assert.match(await page.evaluate("document.querySelector('.message.assistant .stats').innerText"), /\d tokens/);
  assert.match(await page.evaluate("document.querySelector('.gauge').innerText"), /[1-9]\d* \/ [\d,]+/);
  await shot(page, "chat");
  // Again: a second answer beside the first, with arrows between them.
  await page.evaluate("document.querySelector('.message.assistant [aria-label=\"Answer again\"]').click()");
  await page.until("document.querySelector('.arrows')?.innerText.trim() === '2/2' && " + answered, 120);
  await page.evaluate("document.querySelector('.arrows button').click()");
  await page.until("document.querySelector('.arrows').innerText.trim() === '1/2'");
  assert.ok((await page.evaluate(shown)).includes(answer.trim().slice(0, 20)));
  // Editing the question makes a branch; the old one is still there.
  await page.evaluate("document.querySelector('.message.user [aria-label=Edit]').click()");
  await page.until("document.querySelector('.editing textarea')");
  await page.write(".editing textarea", "Say hello.");
  await page.press("Enter", ["Control"]);
  await page.until("document.querySelector('.message.user .arrows')?.innerText.trim() === '2/2' && " + answered, 120);
  assert.ok((await page.evaluate(shown)).startsWith("Say hello."));
  // Kept: the same after a reload, and found by search.
  await page.go(address + "/");
  await page.until("document.querySelector('.entry .title')");
  await page.write(".side input[type=search]", "capital france");
  await page.until("document.querySelectorAll('.entry').length === 1");
  await page.click(".entry .title");
  await page.until("document.querySelectorAll('.message').length === 2");
  await page.write(".side input[type=search]", "no such words anywhere");
  await page.until("document.querySelectorAll('.entry').length === 0");
});

await check("a reply is stopped and keeps what was said", {}, async (page) => {
  await page.go(address + "/");
  // A random model's context holds 256 tokens.
  const most = wanted ? 2000 : 100;
  await page.evaluate(`localStorage.setItem("martlet-chat-defaults", '{"settings":{"max_tokens":${most}},"system":"You are a storyteller."}')`);
  await page.go(address + "/");
  await page.until("document.querySelector('.models select')");
  await page.write("#ask", "Tell a very long story about a swallow.");
  await page.press("Enter");
  await page.until("document.querySelector('.message.assistant .markdown')?.innerText.length > 20", 60);
  await page.press("Escape");
  await page.until(answered, 10);
  // A random model may have come to the end of its small context before.
  assert.match(await page.evaluate("document.querySelector('.message.assistant .stats').innerText"), wanted ? /stopped/ : /stopped|cut/);
});

await check("hostile text stays text", {}, async (page) => {
  await page.go(address + "/");
  const hostile = ["<script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>", "[a](javascript:window.hacked=1)",
    "![b](http://127.0.0.1:9/x.png)", "<svg onload='window.hacked=1'>", "$\\href{javascript:window.hacked=1}{x}$", "```html\n<script>window.hacked=1</script>\n```",
    "<javascript:window.hacked=1>", "| <img src=x onerror=window.hacked=1> | b |\n|---|---|\n| c | d |"].join("\n\n");
  await page.until("document.querySelector('.models select')");
  const found = await page.evaluate(`(async () => {
    const { renderMarkdown } = await import("/ui/js/markdown/render.js");
    const target = document.createElement("div");
    document.body.append(target);
    renderMarkdown(target, ${JSON.stringify(hostile)});
    for (const link of target.querySelectorAll("a, button")) link.click;
    const tags = [...new Set([...target.querySelectorAll("*")].map((element) => element.localName))].sort();
    const attributes = [...target.querySelectorAll("*")].flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith("on"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { tags, attributes, hacked: window.hacked ?? null, links: [...target.querySelectorAll("a")].map((link) => link.protocol) };
  })()`);
  assert.equal(found.hacked, null);
  assert.deepEqual(found.attributes, []);
  assert.ok(!found.tags.some((tag) => ["script", "img", "svg", "iframe", "object"].includes(tag)), found.tags.join());
  assert.ok(found.links.every((link) => link === "http:"));
});

await check("scripts and styles from elsewhere are refused", {}, async (page) => {
  await page.go(address + "/");
  const refused = await page.evaluate(`(async () => {
    const inline = document.createElement("script");
    inline.textContent = "window.hacked = 1";
    document.body.append(inline);
    let evaluated = true;
    try { new Function("window.hacked = 1")(); } catch { evaluated = false; }
    const fetched = await fetch("http://127.0.0.1:9/").then(() => true, () => false);
    return [window.hacked ?? null, evaluated, fetched];
  })()`);
  assert.deepEqual(refused, [null, false, false]);
  assert.ok(page.problems.length > 0);
  page.problems.length = 0;
});

await check("several answers side by side, and a vote as a preference pair", { width: 1400 }, async (page) => {
  await page.go(address + "/");
  await page.evaluate(brief.replace("temperature: 0", "temperature: 1.2"));
  await page.go(address + "/");
  await page.until("document.querySelector('.models button')");
  await page.click(".models button");
  await page.until("document.querySelectorAll('.models select').length === 2");
  await page.write("#ask", "Name a bird.");
  await page.press("Enter");
  await page.until("document.querySelectorAll('.together .message').length === 2 && " + answered, 120);
  await page.evaluate("document.querySelectorAll('.vote')[1].click()");
  await page.until("document.querySelectorAll('.vote')[1]?.getAttribute('aria-pressed') === 'true'");
  const line = await page.until(`(() => { const found = [...document.querySelectorAll(".side footer button")].find((one) => /JSONL/.test(one.textContent));
    return found && !found.hidden && found.textContent; })()`);
  assert.match(line, /\(1\)/);
  const pair = await page.evaluate(`(async () => {
    const { all } = await import("/ui/js/chat/store.js"), { preferencesToJSONL } = await import("/ui/js/chat/exchange.js");
    return preferencesToJSONL(await all("preferences"));
  })()`);
  const value = JSON.parse(pair);
  assert.deepEqual(Object.keys(value), ["prompt", "chosen", "rejected"]);
  assert.deepEqual(value.prompt, [{ role: "user", content: "Name a bird." }]);
});

await check("the keyboard does it all", {}, async (page) => {
  await page.go(address + "/");
  await page.until("document.activeElement?.id === 'ask'");
  await page.press("k", ["Control"]);
  await page.until("document.activeElement?.type === 'search'");
  await page.press("b", ["Control"]);
  await page.until("!document.querySelector('.chat').classList.contains('with-side')");
  await page.press("o", ["Control", "Shift"]);
  await page.until("document.activeElement?.id === 'ask'");
  // Every button says what it does.
  const nameless = await page.evaluate(`[...document.querySelectorAll("button, input, select, textarea")].filter((one) =>
    !(one.hidden || one.textContent || one.getAttribute("aria-label") || one.labels?.length)).map((one) => one.outerHTML)`);
  assert.deepEqual(nameless, []);
});

// A random model of the tests has no token for the Chinese of the example: the page says so.
const unspelled = wanted ? undefined : /400 .*\/tokenize$/;
await check("every token of a completion tells its probability", { allowed: unspelled }, async (page) => {
  await page.go(address + "/playground");
  await page.until("document.querySelector('#prompt')");
  await page.write("#prompt", "The capital of France is");
  await page.evaluate(`(() => { window.times = 0;
    new MutationObserver(() => { window.times += 1; }).observe(document.querySelector(".output"), { childList: true }); })()`);
  await page.press("Enter", ["Control"]);
  await page.until("document.querySelectorAll('.token').length > 5 && document.querySelector('.output').getAttribute('aria-busy') === 'false'", 120);
  // It comes as it is made: 48 tokens of a real model take several deliveries, fewer on a busy machine.
  if (wanted) assert.ok(await page.evaluate("window.times") > 1);
  const text = await page.evaluate("document.querySelector('.output').textContent");
  assert.ok(text.startsWith("The capital of France is"), text);
  if (wanted) assert.ok(text.includes(wanted), text);
  await page.hover(".token:nth-child(6)");
  await page.until("document.querySelectorAll('.alternative').length >= 5");
  assert.ok(await page.evaluate("[...document.querySelectorAll('.alternative .number')].every((one) => /%/.test(one.textContent))"));
  await page.evaluate("document.querySelector('.token:nth-child(4)').focus()");
  await page.until("document.querySelector('.token:nth-child(4)').classList.contains('seen')");
  await page.hover(".token:nth-child(7)");
  await shot(page, "playground");
  await page.write("#tokenizer-text", wanted ? "Swallows fly. 燕子飞。" : "Swallows fly.");
  await page.until("document.querySelectorAll('.piece').length > 3 && [...document.querySelectorAll('.piece small')].every((one) => /^\\d+$/.test(one.textContent))");
});

await check("attention, lens and norms of the served model, and a head switched off", { height: 1000 }, async (page) => {
  await page.go(address + "/inspect");
  await page.until("document.querySelectorAll('.head canvas').length", 60);
  const [heads, rows] = await page.evaluate("[document.querySelectorAll('.head').length, document.querySelectorAll('.lens tbody tr').length]");
  assert.ok(heads > 1 && rows > 1);
  if (wanted) assert.deepEqual([heads, rows], [9, 31]);
  const painted = await page.evaluate(`(() => { const canvas = document.querySelector(".map"), data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(data.filter((_, index) => index % 4 === 3)).size; })()`);
  assert.ok(painted > 3, `${painted} shades`);
  const bars = "document.querySelector('.bars').textContent";
  const before = await page.evaluate(bars);
  await page.evaluate(`(() => { const slider = document.querySelector(".next input"); slider.value = "0"; slider.dispatchEvent(new Event("input")); })()`);
  await page.until(`${bars} !== ${JSON.stringify(before)} && /100/.test(document.querySelector('.bars .number').textContent)`);
  await page.evaluate(`(() => { const slider = document.querySelector(".next input"); slider.value = "1"; slider.dispatchEvent(new Event("input")); })()`);
  await page.until(`${bars} === ${JSON.stringify(before)}`);
  await shot(page, "inspect");
  await page.click(".large button");
  await page.until(`document.querySelector(".switched button") && ${bars} !== ${JSON.stringify(before)}`, 60);
  await page.click(".switched .plain");
  await page.until(`!document.querySelector(".switched button") && ${bars} === ${JSON.stringify(before)}`, 60);
});

await check("loads of experts are drawn for a mixture, and there is nothing of the kind for a dense model", { height: 1000 }, async (page) => {
  await page.go(address + "/inspect");
  await page.until("document.querySelectorAll('.head canvas').length", 60);
  const cells = "document.querySelectorAll('.experts tbody td:not(.largest)')";
  if (!given.includes("--mixture")) {
    assert.deepEqual(await page.evaluate(`[${cells}.length, document.querySelector('.experts').closest('section').hidden]`), [0, true]);
    return;
  }
  // As many experts as the router gives every token, in every layer.
  const [tokens, sums] = await page.evaluate(`[document.querySelectorAll('.lens:not(.experts) thead th').length - 1,
    [...document.querySelectorAll('.experts tbody tr')].map((row) => [...row.querySelectorAll('td:not(.largest)')].reduce((sum, one) => sum + Number(one.textContent), 0))]`);
  assert.ok(sums.length > 0 && sums.every((sum) => sum > 0 && sum % tokens === 0), `${sums} of ${tokens}`);
  const shades = await page.evaluate(`new Set([...${cells}].map((one) => getComputedStyle(one).backgroundColor)).size`);
  assert.ok(shades > 1, `${shades} shades`);
  const place = await page.evaluate(`[...${cells}].findIndex((one) => Number(one.textContent) > 1)`);
  await page.evaluate(`${cells}[${place}].click()`);
  const [count, reading] = await page.evaluate(`[${cells}[${place}].textContent, document.querySelector('.experts + .reading').textContent]`);
  assert.ok(reading.includes(count) && reading.length > 20, reading);
  await shot(page, "experts");
});

await check("activations are patched between two texts", { height: 1000, allowed: /400 .*\/inspect\/patch/ }, async (page) => {
  await page.go(address + "/inspect");
  await page.until("document.querySelectorAll('.head canvas').length", 60);
  const patch = "document.querySelector('#patch-clean').form.requestSubmit()";
  // Texts of different lengths have no places in common: the page says so, and goes on once they are of one.
  await page.write("#patch-clean", wanted ? "The capital of France is" : "the ring");
  await page.write("#patch-corrupted", "a");
  await page.evaluate(patch);
  await page.until("document.querySelector('#patch-clean').closest('section').querySelector('.notice[role=alert]')", 90);
  assert.equal(await page.evaluate("document.querySelector('.patched').childElementCount"), 0);
  await page.write("#patch-corrupted", wanted ? "The capital of Italy is" : "the king");
  await page.evaluate(patch);
  await page.until("document.querySelectorAll('.patched td button').length > 3", 90);
  assert.equal(await page.evaluate("document.querySelector('#patch-clean').closest('section').querySelector('.notice')"), null);
  if (wanted) {
    assert.match(await page.evaluate("document.querySelector('.patched p').textContent"), /Paris.*Rome|Rome.*Paris/);
    assert.equal(await page.evaluate("document.querySelectorAll('.patched tbody tr').length"), 30);
  }
  await page.click(".patched tbody tr:first-child td:last-child button");
  await page.until("/100/.test(document.querySelector('.patched .reading b')?.textContent ?? '')", 30);
  const grids = `[...document.querySelectorAll('.patched .lens')].map((one) =>
    [...one.querySelectorAll('tbody tr')].map((row) => [...row.querySelectorAll('td')].map((cell) => Number(cell.textContent))))`;
  const [columns, [residuals]] = await page.evaluate(
    `[[...document.querySelectorAll('.patched thead th')].slice(1).map((one) => one.textContent), ${grids}]`);
  // Before the first different token both texts have the same activations; the last place of the last layer is the answer's own.
  const same = columns.findIndex((one) => one.includes("/"));
  assert.ok(same > 0 && residuals.every((row) => row.length === columns.length && row.slice(0, same).every((share) => share === 0)),
    JSON.stringify([columns, residuals]));
  assert.equal(residuals[0].at(-1), 1);
  await shot(page, "patching");
  // What attention alone adds, and each head of it: a pass for each, too many of a real model.
  if (wanted) return;
  await page.evaluate(`(() => { const form = document.querySelector("#patch-clean").form;
    form.querySelector("input[type=checkbox]").checked = true; form.querySelector("select").value = "attention"; form.requestSubmit(); })()`);
  await page.until("document.querySelectorAll('.patched .lens').length === 2", 90);
  const [[attention, heads], count] = await page.evaluate(`[${grids}, document.querySelectorAll('.head').length]`);
  assert.notDeepEqual(attention, residuals);
  assert.ok(attention.length === residuals.length && heads.length === residuals.length && heads.every((row) => row.length === count));
});

await check("a reply is steered by its sliders", { height: 1000 }, async (page) => {
  await page.go(address + "/inspect");
  await page.until("document.querySelectorAll('.head canvas').length", 60);
  await page.evaluate("document.querySelector('#steer-prompt').form.requestSubmit()");
  await page.until("document.querySelectorAll('.steered .reply').length === 2", 90);
  const replies = `[...document.querySelectorAll('.steered .reply')].map((one) => [...one.querySelectorAll('p')].map((part) => part.textContent))`;
  const sliders = `document.querySelector("#steer-prompt").form.querySelectorAll("input[type=range]")`;
  const move = (which, value) => page.evaluate(`(() => { const slider = ${sliders}[${which}];
    slider.value = "${value}"; slider.dispatchEvent(new Event("input")); })()`);
  const isSteeredBy = (strength) => page.until(`document.querySelectorAll('.steered .reply')[1]?.dataset.strength === '${strength}'`, 90);
  const [plain] = await page.evaluate(replies);
  await move(1, "0");
  await isSteeredBy(0);
  assert.deepEqual(await page.evaluate(replies), [plain, plain]);
  await move(1, "3");
  await isSteeredBy(3);
  const strong = await page.evaluate(replies);
  assert.deepEqual(strong[0], plain);
  assert.notDeepEqual(strong[1], plain);
  // Another layer: its direction has another length.
  const length = "document.querySelector('.steered > p').textContent";
  const [before, layer, last] = await page.evaluate(`[${length}, ${sliders}[0].value, ${sliders}[0].max]`);
  assert.ok(Number(last) > 0 && Number(layer) <= Number(last));
  await move(0, layer === last ? "0" : last);
  await page.until(`${length} !== ${JSON.stringify(before)}`, 90);
  assert.deepEqual((await page.evaluate(replies))[0], plain);
  await shot(page, "steering");
});

if (given.includes("--runs")) {
  await check("training runs are drawn, compared and stopped", { height: 1000 }, async (page) => {
    await page.go(address + "/runs");
    await page.until("document.querySelectorAll('.chart .curve').length > 1");
    await page.until("document.querySelector('.samples blockquote')");
    const before = await page.evaluate("document.querySelector('.chart .curve:not(.faint)').getAttribute('d')");
    await page.evaluate(`(() => { const slider = document.querySelector(".controls input"); slider.value = "0.9"; slider.dispatchEvent(new Event("input")); })()`);
    await page.until(`document.querySelector('.chart .curve:not(.faint)').getAttribute('d') !== ${JSON.stringify(before)}`);
    await shot(page, "runs");
    if (!wanted) {
      const list = await page.evaluate("document.querySelector('.runs').innerText");
      assert.match(list, /40 of 100 steps/);
      assert.match(list, /40 steps · 0\.7 of 2 minutes/);
    }
    const isRunning = await page.evaluate("Boolean(document.querySelector('.run.running button.danger'))");
    if (isRunning) {
      await page.click(".run.running button.danger");
      await page.until("/stopping|not running/.test(document.querySelector('.runs').innerText)", 30);
    }
  });
}

if (given.includes("--tune")) {
  // The run's log is asked for before there is one.
  await check("a run is begun from the page, and says why it failed", { allowed: /404 .*\/api\/runs\// }, async (page) => {
    await page.go(address + "/tune");
    await page.until("document.querySelector('.files input')");
    await page.evaluate("document.querySelector('form').requestSubmit()");
    await page.until("/upload/.test(document.querySelector('form .notice')?.textContent ?? '')");
    page.problems.length = 0;
    await page.click(".files input");
    await page.evaluate("document.querySelector('form').requestSubmit()");
    await page.until("document.querySelector('.heading .state.failed') && document.querySelector('.chosen .notice')");
    // The list of runs is asked for apart from the chosen one.
    await page.until("/sft-1\\s+Fine-tune \\(sft\\) · tiny\\s+failed/.test(document.querySelector('.begun').innerText)");
    assert.equal(await page.evaluate("document.querySelector('form input[type=text]').value"), "sft-2");
    await page.evaluate(`(() => { const method = document.querySelectorAll("form select")[1]; method.value = "grpo"; method.dispatchEvent(new Event("change")); })()`);
    await page.until("[...document.querySelectorAll('.numbers code')].some((one) => one.textContent === 'group_size')");
    await shot(page, "tune");
  });
}

for (const [name, settings] of [["dark", { dark: true }], ["phone", { phone: true }], ["Chinese", { language: "zh-CN" }],
  ["dark Chinese phone", { dark: true, phone: true, language: "zh-CN" }]]) {
  for (const path of ["/", "/playground", "/inspect", "/runs", "/tune"]) {
    // Where tuning is off, the page says how it is turned on.
    const allowed = path === "/tune" ? /404 .*\/api\// : unspelled;
    await check(`${path} ${name}`, { ...settings, allowed }, async (page) => {
      await page.go(address + path);
      await page.until("document.querySelector('main')");
      // A random model's tokenizer knows no Chinese.
      await page.until(`!document.querySelector(".notice:not(.calm)${wanted ? "" : ":not(#tokenizer .notice)"}")`);
      await page.until(isNoWider, 5);
      const [language, back] = await page.evaluate("[document.documentElement.lang, getComputedStyle(document.body).backgroundColor]");
      assert.equal(language, settings.language ?? "en");
      assert.equal(Number(back.match(/\d+/)[0]) < 80, Boolean(settings.dark), back);
      if (settings.language) {
        const words = await page.evaluate("document.querySelector('.bar nav').innerText");
        assert.match(words, /对话/);
      }
      await page.until(`document.querySelector(".models select, #prompt, .head canvas, .run, .notice.calm, .numbers, .command") !== null`, 60);
      await page.until("!document.querySelector('.message.pending, [aria-busy=true]')");
      assert.deepEqual(await page.evaluate(faintTexts), []);
      await shot(page, `${path.slice(1) || "chat"}-${name.replaceAll(" ", "-")}`);
    });
  }
}
await check("a table on a phone scrolls, with its words whole", { phone: true }, async (page) => {
  await page.go(address + "/");
  const [lines, wide, within] = await page.evaluate(`(async () => {
    const { renderMarkdown } = await import("/ui/js/markdown/render.js");
    const target = document.createElement("div");
    target.className = "markdown";
    document.querySelector(".chat").classList.remove("empty");
    document.querySelector(".messages").replaceChildren(target);
    renderMarkdown(target, "| Drink | Caffeine | Origin | Temperature | Opinions |\\n|---|---|---|---|---|\\n| Coffee | 95 | Ethiopia | 93 | awake |");
    const cells = [...target.querySelectorAll("th, td")], table = target.querySelector("table"), place = table.parentElement;
    const line = parseFloat(getComputedStyle(table).fontSize) * 1.6;
    return [cells.map((cell) => Math.round((cell.clientHeight - 2 * parseFloat(getComputedStyle(cell).paddingTop)) / line)),
      table.offsetWidth > place.clientWidth && getComputedStyle(place).overflowX === "auto", document.documentElement.scrollWidth <= innerWidth];
  })()`);
  assert.ok(lines.every((count) => count === 1), `${lines}`);
  assert.deepEqual([wide, within], [true, true]);
});

await check("on a phone a press of a button of the page Inspect shows what it brought", { phone: true }, async (page) => {
  await page.go(address + "/inspect");
  await page.until("document.querySelectorAll('.head canvas').length", 60);
  const isSeen = (selector) => page.until(`(() => { const box = document.querySelector("${selector}").getBoundingClientRect();
    return box.top >= 0 && box.top < innerHeight / 2; })()`, 10);
  await page.evaluate("document.querySelector('.head:last-child').click()");
  await isSeen(".large");
  for (const [field, text, result] of [["#patch-corrupted", wanted ? "The capital of Italy is" : "the king", ".patched"], ["#steer-prompt", "I", ".steered"]]) {
    if (field === "#patch-corrupted") await page.write("#patch-clean", wanted ? "The capital of France is" : "the ring");
    await page.write(field, text);
    // As when the button is the last thing to be seen.
    await page.evaluate(`document.querySelector("${field}").form.querySelector("button.primary").scrollIntoView({ block: "end" })`);
    await page.evaluate(`document.querySelector("${field}").form.requestSubmit()`);
    await page.until(`document.querySelector("${result}").childElementCount`, 90);
    await isSeen(result);
  }
});

await check("a panel over the conversation takes the keyboard, and Escape closes it", { phone: true }, async (page) => {
  await page.go(address + "/");
  await page.until("document.querySelector('.models select')");
  const focus = (selector) => `document.activeElement?.matches(${JSON.stringify(selector)})`;
  for (const [button, panel] of [[".bar button[aria-expanded]", ".side"], [".bar button[aria-pressed]", ".drawer"]]) {
    await page.evaluate(`document.querySelector("${button}").click()`);
    await page.until(focus(`${panel} *`), 5);
    await page.press("Escape");
    await page.until(focus(button), 5);
    assert.equal(await page.evaluate(`document.querySelector("${panel}").checkVisibility()`), false);
  }
});

await check("arrow keys read the logit lens", {}, async (page) => {
  await page.go(address + "/inspect");
  await page.until("document.querySelector('.lens td')", 60);
  await page.evaluate("document.querySelector('.lens').focus()");
  const at = "[...document.querySelectorAll('.lens tbody tr')].map((row) => [...row.querySelectorAll('td')].findIndex((cell) => cell.matches('.seen')))";
  const reading = "document.querySelector('.lens + .reading').textContent";
  const seen = [];
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp"]) {
    await page.press(key);
    const columns = await page.evaluate(at), row = columns.findIndex((column) => column >= 0);
    seen.push([row, columns[row]]);
    assert.ok(await page.evaluate(reading));
  }
  assert.deepEqual(seen, [[0, 0], [1, 0], [1, 1], [1, 0], [0, 0]]);
});

await check("names of models that are long make no page wider", { phone: true, allowed: /./ }, async (page) => {
  for (const path of ["/", "/playground", "/inspect"]) {
    await page.go(address + path);
    await page.until("document.querySelector('select option')");
    await page.evaluate(`(() => { for (const select of document.querySelectorAll("select")) {
      const long = new Option("an-adapter-with-a-name-that-is-rather-long-2026-11-30 (a-base-model)");
      select.add(long);
    } })()`);
    const out = await page.evaluate(`[...document.querySelectorAll("select")].filter((one) => one.checkVisibility()
      && one.getBoundingClientRect().right > innerWidth).length`);
    assert.deepEqual([out, await page.evaluate("document.querySelector('.page, .scroller').scrollWidth <= innerWidth")], [0, true], path);
  }
});

await check("all of a page is printed, on white", { dark: true }, async (page) => {
  await page.go(address + "/docs");
  await page.until("document.querySelector('.docs h1')");
  await page.evaluate("document.documentElement.dataset.theme = 'dark'");
  await page.print();
  const [height, inside, bar, back] = await page.evaluate(`[document.documentElement.scrollHeight, document.querySelector(".page").scrollHeight,
    document.querySelector(".bar").checkVisibility(), getComputedStyle(document.body).backgroundColor]`);
  assert.ok(height >= inside && inside > 1000, `${height} of ${inside}`);
  assert.deepEqual([bar, back], [false, "rgb(255, 255, 255)"]);
  assert.deepEqual(await page.evaluate(faintTexts), []);
});

await browser.close();
console.log(`${count} checks passed`);
