// The parts of the pages that draw nothing. Run by hand: node --test Tests/ServerTests/pages/
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../../Sources/Server/Pages/", import.meta.url));
const load = (path) => import(join(folder, "js", path));
const files = (path) => readdirSync(path).flatMap((name) => {
  const item = join(path, name);
  return statSync(item).isDirectory() ? files(item) : [item];
});

const { EventParser } = await load("sse.js");
test("events are the same wherever the bytes are cut", () => {
  const text = ": ping\r\n\r\ndata: {\"a\": \"è燕🐦\"}\n\nevent: error\ndata: one\ndata:two\n\ndata\n\nid: 4\n\n";
  const bytes = new TextEncoder().encode(text);
  const whole = new EventParser().push(bytes);
  assert.deepEqual(whole, [
    { type: "message", data: '{"a": "è燕🐦"}' }, { type: "error", data: "one\ntwo" }, { type: "message", data: "" },
  ]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const parser = new EventParser();
    assert.deepEqual([...parser.push(bytes.slice(0, cut)), ...parser.push(bytes.slice(cut))], whole);
  }
  const single = new EventParser();
  assert.deepEqual([...bytes].flatMap((byte) => single.push(Uint8Array.of(byte))), whole);
});

test("every text is there in both languages, with the same blanks", async () => {
  const { en } = await load("i18n/en.js"), { zh } = await load("i18n/zh.js");
  assert.deepEqual(Object.keys(en).sort(), Object.keys(zh).sort());
  const blanks = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(en)) {
    assert.deepEqual(blanks(zh[key]), blanks(en[key]), key);
    assert.ok(en[key].trim() && zh[key].trim(), key);
  }
});

test("every text that a page asks for is there, and none is left over", async () => {
  const { en } = await load("i18n/en.js");
  const sources = files(folder).filter((path) => path.endsWith(".js") && !path.includes("i18n/")).map((path) => readFileSync(path, "utf8"));
  const all = sources.join("\n");
  for (const [, key] of all.matchAll(/\bt\("([^"]+)"[,)]/g)) assert.ok(key in en, key);
  const prefixes = [...all.matchAll(/\bt\("([^"]+\.)" \+/g)].map((match) => match[1]);
  for (const key of Object.keys(en)) {
    const isUsed = all.includes(`"${key}"`) || prefixes.some((prefix) => key.startsWith(prefix));
    assert.ok(isUsed, `${key} is not used`);
  }
});

test("the pages stay small, plain and within their policy", () => {
  let size = 0;
  for (const path of files(folder)) {
    size += statSync(path).size;
    const text = readFileSync(path, "utf8");
    assert.ok(text.split("\n").length < 400, path);
    assert.ok(!/\r/.test(text), path);
    if (path.endsWith(".html")) {
      assert.ok(!/<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style/i.test(text), path);
      for (const [, address] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
        assert.ok(address.startsWith("/ui/"), address);
        assert.ok(statSync(join(folder, address.slice(4))).isFile(), address);
      }
    }
    if (path.endsWith(".js")) {
      assert.ok(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/.test(text), path);
      assert.ok(!/setAttribute\("style"/.test(text), path);
      for (const [, address] of text.matchAll(/from "(\.[^"]+)"/g)) assert.ok(statSync(join(path, "..", address)).isFile(), `${path}: ${address}`);
    }
    if (path.endsWith(".css")) assert.ok(!/@import|url\(/.test(text), path);
  }
  assert.ok(size < 320_000, `${size} bytes`);
});

test("loads of experts are counted, and how uneven they are", async () => {
  const { loadsOf } = await load("inspect/experts.js");
  assert.deepEqual(loadsOf([[0, 1], [2], [], [0]]), { counts: [2, 1, 0, 1], total: 4, largest: 2 });
  assert.deepEqual(loadsOf([[0], [1]]), { counts: [1, 1], total: 2, largest: 1 });
  assert.deepEqual(loadsOf([[], []]), { counts: [0, 0], total: 0, largest: 0 });
});

const { distribution } = await load("inspect/sampling.js");
test("the bars follow the sampler", () => {
  const logits = [2, 1, 0, -1, 1];
  const plain = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  const all = distribution(logits, plain, 5);
  assert.deepEqual(all.entries.map((entry) => entry.token), [0, 1, 4, 2, 3]);
  all.entries.forEach((entry) => assert.ok(Math.abs(entry.probability - Math.exp(logits[entry.token]) / sum) < 1e-12));
  const shares = (options) => distribution(logits, { ...plain, ...options }, 5).entries.map((entry) => entry.probability);
  assert.deepEqual(shares({ temperature: 0 }), [1, 0, 0, 0, 0]);
  assert.deepEqual(shares({ topK: 2 }).map((share) => share > 0), [true, true, false, false, false]);
  // The best has 0.51 of the mass: a nucleus of 0.5 is it alone, one of 0.6 takes a second.
  assert.equal(distribution(logits, { ...plain, topP: 0.5 }).kept, 1);
  assert.equal(distribution(logits, { ...plain, topP: 0.6 }).kept, 2);
  assert.equal(distribution(logits, { ...plain, minP: 0.3 }).kept, 3);
  for (const options of [{}, { topP: 0.7 }, { topK: 3, topP: 0.9 }, { minP: 0.1 }, { temperature: 0.3 }]) {
    const total = shares(options).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(total - 1) < 1e-9);
  }
});

const { attentionOf, floatsOf } = await load("inspect/data.js");
test("attention and logits are read as the server writes them", () => {
  const bytes = Uint8Array.of(255, 51, 204, 255, 0, 255);
  const weight = attentionOf(Buffer.from(bytes).toString("base64"), 2);
  assert.deepEqual([weight(0, 0, 0), weight(0, 1, 0), weight(0, 1, 1), weight(0, 0, 1), weight(1, 1, 1)], [1, 0.2, 0.8, 0, 1]);
  assert.deepEqual([...floatsOf(Buffer.from(Float32Array.of(1.5, -2).buffer).toString("base64"))], [1.5, -2]);
});

const curves = await load("runs/curves.js");
test("of a step that was done twice the later line counts", () => {
  const run = curves.addLines({}, [
    { kind: "step", step: 1, loss: 3, seconds: 60 }, { kind: "step", step: 2, loss: 2, seconds: 120 },
    { kind: "evaluation", step: 2, loss: 2.5 }, { kind: "step", step: 2, loss: 1, seconds: 180 },
    { kind: "score", step: 2, task: "a", right: 1, questions: 2 }, { kind: "run", step: 0, command: "martlet train" },
  ]);
  assert.equal(run.sessions.length, 1);
  assert.deepEqual(curves.points(run, "loss", "step"), [[1, 3], [2, 1]]);
  assert.deepEqual(curves.points(run, "loss", "time", "evaluation"), [[3, 2.5]]);
  assert.equal(run.scores.length, 1);
});
test("losses of next tokens are nats, those of pairs are none", () => {
  const run = (...evaluations) => curves.addLines({}, evaluations.map((line) => ({ kind: "evaluation", step: 1, loss: 2, ...line })));
  assert.equal(curves.isInNats(run({ perplexity: 7.4 })), true);
  assert.equal(curves.isInNats(run({ count: 4, unit: "pairs" })), false);
  assert.equal(curves.isInNats({}), false);
});
test("a run is as far as the nearer of its bounds", () => {
  assert.equal(curves.share({ step: 30, steps_planned: 100 }), 0.3);
  assert.equal(curves.share({ step: 30, steps_planned: null, minutes: 3, minutes_planned: 4 }), 0.75);
  assert.equal(curves.share({ step: 90, steps_planned: 100, minutes: 3, minutes_planned: 4 }), 0.9);
  assert.equal(curves.share({ step: 5, minutes: 1 }), 0);
});
test("smoothing is a mean that begins at the first value", () => {
  const flat = [[1, 5], [2, 5], [3, 5]];
  assert.deepEqual(curves.smooth(flat, 0.9).map(([x, y]) => [x, Math.round(y * 1e9) / 1e9]), flat);
  assert.equal(curves.smooth([[1, 7], [2, 0]], 0.5)[0][1], 7);
  assert.deepEqual(curves.smooth(flat, 0), flat);
});
const { coloursOf } = await load("chart.js");
test("a run's colour follows from its name, as in reports", () => {
  assert.deepEqual([...coloursOf(["sft", "first"])], [["first", "#c8702e"], ["sft", "#3b82b8"]]);
  const names = ["first", "second", "third", "wide", "sft", "grpo"];
  assert.equal(new Set(coloursOf(names).values()).size, names.length);
  assert.deepEqual([...coloursOf(names.toReversed())], [...coloursOf(names)]);
});
test("what a run has from its parent is no difference", () => {
  const rows = curves.compareConfigurations([
    { configuration: [{ name: "depth", value: "4" }] }, { configuration: [{ name: "depth", value: "8", inherited: true }] },
  ]);
  assert.deepEqual(rows.map((row) => row.differs), [false]);
});
test("what follows by itself is no difference to a run whose method has no such option", () => {
  const option = (name, value, given) => ({ name, value, given });
  const rows = curves.compareConfigurations([
    { configuration: [option("beta", "0.1", false), option("steps", "9", false), option("clip", "1", false)] },
    { configuration: [option("steps", "8", false), option("clip", "1", true)] },
    { configuration: [option("margin", "2", true), option("steps", "9", false), option("clip", "1", false)] },
  ]);
  assert.deepEqual(rows.map((row) => [row.name, row.differs]), [["beta", false], ["steps", true], ["clip", false], ["margin", true]]);
});
test("configurations differ where a value differs or is missing", () => {
  const option = (name, value) => ({ name, value });
  const rows = curves.compareConfigurations([
    { configuration: [option("a", 1), option("b", "x")] }, { configuration: [option("a", 1), option("c", 2)] },
  ]);
  assert.deepEqual(rows.map((row) => [row.name, row.differs]), [["a", false], ["b", true], ["c", true]]);
});

const { ticks, logTicks, thin } = await load("chart.js");
test("axes have few round marks and charts lose no spike", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(0.12, 0.18, 3), [0.12, 0.14, 0.16, 0.18]);
  assert.deepEqual(ticks(0, 2, 5, 1), [0, 1, 2]);
  assert.ok(ticks(0.5, 0.5 + 1.2e-16, 4).length < 20, "a range finer than numbers are");
  assert.ok(logTicks(0.01, 1000).every((value) => Math.abs(Math.log10(value) % 1) < 1e-9));
  const points = Array.from({ length: 10_000 }, (_, index) => [index, index === 4321 ? 99 : index % 3]);
  const few = thin(points);
  assert.ok(few.length <= 502 && few.some(([x, y]) => x === 4321 && y === 99));
});

const { tokensOf, perplexity, pieces, visible } = await load("playground/tokens.js");
test("tokens come with what else was likely", () => {
  const tokens = tokensOf({ tokens: ["a", " b"], token_logprobs: [null, Math.log(0.25)], top_logprobs: [null, { " c": Math.log(0.5), " b": Math.log(0.25) }] });
  assert.equal(tokens[0].probability, null);
  assert.deepEqual(tokens[1].alternatives.map((one) => [one.text, one.isChosen]), [[" c", false], [" b", true]]);
  assert.ok(Math.abs(perplexity(tokens).value - 4) < 1e-9);
  assert.deepEqual(pieces([{ id: 3, piece: [231, 135] }, { id: 4, piece: "é" }]), [
    { id: 3, text: null, bytes: [231, 135] }, { id: 4, text: "é", bytes: [195, 169] },
  ]);
  assert.equal(visible(" a\n"), "·a⏎");
});

test("the server's errors are told in the page's language, and a refused key is one", async () => {
  globalThis.sessionStorage ??= { getItem: () => "", setItem() {}, removeItem() {} };
  const { ConnectionError, explain, InputError, ServerError } = await load("api.js");
  // The browser's own words are English in every language.
  assert.match(explain(new ConnectionError("no.server", new TypeError("Failed to fetch"))), /^The server does not answer[^:]*$/);
  assert.equal(explain(new InputError("this is no list")), "this is no list");
  assert.match(explain(new TypeError("x is undefined")), /did not work: x is undefined/);
  assert.match(explain(new ServerError(401, "Invalid API key.", undefined, "invalid_api_key")), /refused this key/);
  assert.match(explain(new ServerError(401, "No API key.", undefined, "missing_api_key")), /wants an API key/);
  assert.match(explain(new ServerError(503, "It is busy.", undefined, "overloaded")), /The server says: It is busy/);
  const { serverMessages } = await load("i18n/server.js");
  for (const [code, text] of Object.entries(serverMessages.zh)) assert.ok(/^[a-z_]+$/.test(code) && text.trim(), code);
});

test("a reply that ends before its end is an error, and what was stopped is none of the server's", async () => {
  const { ConnectionError, getJSON, stream } = await load("api.js");
  const before = globalThis.fetch, events = (...lines) => lines.map((line) => `data: ${line}\n\n`).join("");
  const answer = (text, error) => { globalThis.fetch = async () => new Response(new ReadableStream({ start(control) {
    control.enqueue(new TextEncoder().encode(text));
    if (error) setTimeout(() => control.error(error)); else control.close();
  } })); };
  const read = async (signal) => { const got = []; await stream("/v1/completions", {}, { signal, onEvent: (event) => got.push(event.n) }); return got; };
  try {
    answer(events('{"n":1}', '{"n":2}', "[DONE]"));
    assert.deepEqual(await read(), [1, 2]);
    answer(events('{"n":1}', '{"n":2}'));
    await assert.rejects(read(), (error) => error instanceof ConnectionError && /before the reply was complete/.test(error.message));
    answer(events('{"n":1}'), new TypeError("network error"));
    await assert.rejects(read(), (error) => error instanceof ConnectionError && !/network/.test(error.message));
    answer(events('{"n":1}'), new DOMException("stopped", "AbortError"));
    await assert.rejects(read(AbortSignal.abort()), { name: "AbortError" });
    globalThis.fetch = async () => { throw new TypeError("Failed to fetch"); };
    await assert.rejects(getJSON("/v1/models"), (error) => error instanceof ConnectionError && /does not answer/.test(error.message));
  } finally { globalThis.fetch = before; }
});

test("the server's sentences are told in Chinese with their numbers, and are those that it writes", async () => {
  const { serverText, serverSentence } = await load("i18n.js");
  const { serverSentences } = await load("i18n/server.js");
  const why = "This model's maximum context length is 8192 tokens. The prompt has 9001 tokens and 48 were asked for in the reply. Shorten one or both.";
  assert.equal(serverText("context_length_exceeded", why, "messages", "zh"),
    "对话超过了模型的上下文长度，请开始新的对话或缩短内容。（上下文长度为 8192 个词元，提示有 9001 个，回答要求 48 个）");
  assert.equal(serverText("invalid_parameter", "temperature is -3.0; it must be from 0.0 to 2.0", "temperature", "zh"),
    "参数 temperature 不对。（temperature 是 -3.0，应在 0.0 到 2.0 之间）");
  assert.equal(serverText("model_not_found", "The model '$&' does not exist; this server has a, b.", "", "zh"), "没有这个模型。（没有 $&，有 a, b）");
  assert.equal(serverSentence("Something else.", "zh"), "Something else.");
  const rooms = ["API", "Server", "Inference", "Interpretability", "Martlet", "System"].map((room) => fileURLToPath(new URL(`../../../Sources/${room}/`, import.meta.url)));
  const sources = rooms.flatMap((room) => files(room)).filter((path) => path.endsWith(".swift"))
    .map((path) => readFileSync(path, "utf8").replace(/"\s*\+\s*"/g, "")).join("\n");
  for (const [form, told] of serverSentences.zh) {
    const blanks = (text) => [...new Set(text.match(/\{\d\}/g) ?? [])].sort();
    assert.deepEqual(blanks(told), blanks(form), form);
    for (const part of form.split(/\{\d\}|[.,;:()'] ?| (?=of the |from )/).map((one) => one.trim()).filter((one) => one.length > 6)) {
      assert.ok(sources.includes(part), `no source says "${part}"`);
    }
  }
});

test("where a default comes from is told in Chinese", async () => {
  const { inChinese } = await load("i18n/options-zh.js");
  const room = fileURLToPath(new URL("../../../Sources/Training/Configuration/", import.meta.url));
  const given = /(?:return|\?|:|\.value|\.none|\{)\s*\((?:[^"()]|\([^()]*\))*"((?:[^"\\])*)"\)/g;
  const found = files(room).filter((path) => path.endsWith(".swift"))
    .flatMap((path) => [...readFileSync(path, "utf8").matchAll(given)].map((match) => match[1]));
  // Formulas are the same in every language.
  const sentences = [...new Set(found)].filter((text) => /^\w.*[a-z] [a-z]/.test(text));
  assert.ok(sentences.length > 20, `${sentences.length}`);
  assert.deepEqual(sentences.filter((text) => inChinese(text) === text), []);
});

test("the page of documentation shows every page, each in both languages", async () => {
  const { names } = await load("docs/links.js");
  const pages = (path) => readdirSync(join(folder, "../../../docs", path)).filter((name) => name.endsWith(".md")).map((name) => name.slice(0, -3));
  assert.deepEqual([...names].sort(), pages("").sort());
  assert.deepEqual(pages("zh").sort(), pages("").sort());
});

test("links of the documentation lead to its pages", async () => {
  const { headingId, withLinks } = await load("docs/links.js");
  assert.equal(withLinks("[a](install.md) [b](docs/library.md#tools) [c](#x)\n```\n[d](e.md)\n```", "http://h"),
    "[a](http://h/docs?page=install) [b](http://h/docs?page=library#tools) [c](http://h/docs#x)\n```\n[d](e.md)\n```");
  // A translation names the English page by the folder above, as the files lie.
  assert.equal(withLinks("[a](../routes.md) [b](../tuning.md#x)", "http://h"),
    "[a](http://h/docs?page=routes&in=en) [b](http://h/docs?page=tuning&in=en#x)");
  assert.equal(headingId("What `it` does, today"), "what-it-does-today");
});

const tune = await load("tune/options.js");
test("a form asks for a few options first, and has the shown ones behind them", () => {
  const option = (name, shown = true, part = "A") => ({ name, shown, part });
  const { main, more } = tune.arranged({ name: "sft", options: [option("patience"), option("rank"), option("adapter"), option("seed", false),
    option("clip", true, "B")] });
  assert.deepEqual(main.map((one) => one.name), ["adapter", "rank"]);
  assert.deepEqual(more.map((group) => [group.part, group.options.map((one) => one.name)]), [["A", ["patience"]], ["B", ["clip"]]]);
  assert.deepEqual(tune.arranged({ name: "new", options: [option("rank")] }).main, []);
});

test("a default follows from what is chosen of other options", () => {
  const rate = { default: "0.0005", default_by: { adapter: { lora: "2e-4 × √(4096 / hidden_size)" }, optimizer: { sgd: "0.1" } } };
  const usual = (values) => tune.usualOf(rate, (name) => values[name]);
  assert.equal(usual({}), "0.0005");
  assert.equal(usual({ adapter: "lora", optimizer: "adamw" }), "2e-4 × √(4096 / hidden_size)");
  assert.equal(usual({ adapter: "none", optimizer: "sgd" }), "0.1");
  assert.equal(tune.usualOf({ default: null }, () => undefined), "");
});

test("fields become the values that options take", () => {
  assert.equal(tune.valueOf({ type: "integer" }, " 4 "), 4);
  assert.equal(tune.valueOf({ type: "number" }, "1e-4"), 1e-4);
  // What is no number is told by the server.
  assert.equal(tune.valueOf({ type: "number" }, "many"), "many");
  assert.equal(tune.valueOf({ type: "flag" }, "false"), false);
  assert.equal(tune.valueOf({ type: "text" }, "a"), "a");
  assert.equal(tune.valueOf({ type: "text" }, "  "), undefined);
  assert.equal(tune.freeName("sft", new Set(["sft-1", "sft-3"])), "sft-2");
  assert.deepEqual([999, 1500, 2_000_000, 12e9].map(tune.size), ["999 B", "1.5 kB", "2.0 MB", "12 GB"]);
});

test("an objective's numbers and tables are read from the log", async () => {
  const { addLines, metricNames, points, tablesOf } = await load("runs/curves.js");
  const run = addLines({}, [
    { kind: "completions", step: 1, of: 8, rows: [{ prompt: "a", completion: "b", reward: 1 }] },
    { kind: "step", step: 1, loss: 2, reward: 1, zeta: 3, "rewards/margins": 0.5 },
    { kind: "pairs", step: 1, of: 2, rows: [] }, { kind: "evaluation", step: 1, loss: 2, alpha: 1, count: 4, unit: "pairs" },
    { kind: "completions", step: 1, of: 4, rows: [] },
  ]);
  assert.deepEqual(metricNames([run]), ["rewards/margins", "alpha", "zeta"]);
  assert.deepEqual(points(run, "rewards/margins", "step"), [[1, 0.5]]);
  // Of a step that was done again, the later table counts.
  assert.deepEqual(tablesOf(run).map((table) => [table.kind, table.of]), [["completions", 4], ["pairs", 2]]);
});

test("what the server refuses is told in Chinese, whatever its code", async () => {
  const { serverMessages } = await load("i18n/server.js");
  const sources = ["API", "Server"].flatMap((room) => files(fileURLToPath(new URL(`../../../Sources/${room}/`, import.meta.url))))
    .filter((path) => path.endsWith(".swift")).map((path) => readFileSync(path, "utf8")).join("\n");
  const codes = new Set([...sources.matchAll(/\bcode: "([a-z_]+)"/g)].map((match) => match[1]));
  // Of bytes that no browser sends, and of keys, which the pages tell of themselves.
  const others = ["bad_http", "bad_framing", "bad_host", "bad_path", "header_too_large", "http_version_not_supported", "expectation_failed",
    "missing_api_key", "invalid_api_key"];
  const missing = [...codes].filter((code) => !others.includes(code) && !serverMessages.zh[code]);
  assert.deepEqual(missing, []);
});
