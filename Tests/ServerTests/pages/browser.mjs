// A few lines of Chromium's debugging protocol over its pipe: enough to drive pages, without any package.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const chromium = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .find((path) => path && existsSync(path));

/**
 * Texts that are hard to read: whose colour stands out from what is behind them by less than 4.5 to 1 (WCAG 2, AA), as an
 * expression for `evaluate`. What is switched off is left out.
 */
export const faintTexts = `(() => {
  const parse = (text) => {
    const plain = /^rgba?\\(([^)]+)\\)/.exec(text), wide = /^color\\(srgb ([^)]+)\\)/.exec(text);
    const values = (plain ?? wide)?.[1].split(/[ ,\\/]+/).map(Number) ?? [0, 0, 0, 0];
    return [...values.slice(0, 3).map((value) => (wide ? value * 255 : value)), values[3] ?? 1];
  };
  const luminance = (colour) => colour.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const over = (top, under) => [0, 1, 2].map((at) => top[at] * top[3] + under[at] * (1 - top[3]));
  const parents = (element) => (element ? [element, ...parents(element.parentElement)] : []);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
      || (element.matches("input, textarea, select") && (element.placeholder || element.value));
    if (!hasText || !element.getClientRects().length || element.closest(".skip, :disabled, noscript")) continue;
    const around = parents(element), style = getComputedStyle(element);
    const opacity = around.reduce((product, one) => product * Number(getComputedStyle(one).opacity), 1);
    if (opacity === 0 || style.visibility === "hidden") continue;
    const back = around.map((one) => parse(getComputedStyle(one).backgroundColor)).reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    const colour = parse(element.closest("svg") ? style.fill : style.color);
    const [dark, light] = [luminance(over([...colour.slice(0, 3), colour[3] * opacity], back)), luminance(back)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(ratio.toFixed(2) + " " + element.outerHTML.slice(0, 90));
  }
  return found.slice(0, 5);
})()`;

export class Browser {
  #process; #profile; #rest = ""; #next = 1; #waiting = new Map(); #pages = new Map();

  static async launch() {
    const browser = new Browser();
    const profile = browser.#profile = mkdtempSync(join(tmpdir(), "martlet-pages-"));
    // Also where a check ends the program before it closes the browser, whose processes may still write.
    process.on("exit", () => {
      browser.#process?.kill("SIGKILL");
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
    });
    browser.#process = spawn(chromium, ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
      "--no-first-run", "--disable-background-networking", `--user-data-dir=${browser.#profile}`],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    browser.#process.stdio[4].on("data", (data) => browser.#read(data));
    await browser.send("Browser.getVersion");
    return browser;
  }

  #read(data) {
    const parts = (this.#rest + data.toString("utf8")).split("\0");
    this.#rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.id) {
        const { resolve, reject } = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.error) reject(new Error(message.error.message));
        else resolve(message.result);
      } else this.#pages.get(message.sessionId)?.receive(message);
    }
  }

  send(method, params = {}, sessionId) {
    const id = this.#next++;
    this.#process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** A window of its own, with storage of its own. */
  async page(settings = {}) {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, sessionId));
    this.#pages.set(sessionId, page);
    await page.prepare(settings);
    return page;
  }

  async close() {
    await this.send("Browser.close").catch(() => {});
    await new Promise((resolve) => { this.#process.exitCode === null ? this.#process.on("exit", resolve) : resolve(); });
    rmSync(this.#profile, { recursive: true, force: true });
  }
}

export class Page {
  /** What went wrong on the page: exceptions, refused scripts and styles, failed loads. */
  problems = [];
  #send;

  constructor(send) { this.#send = send; }

  async prepare({ width = 1280, height = 800, dark = false, phone = false, language = "en" }) {
    for (const domain of ["Page", "Runtime", "Log"]) await this.#send(domain + ".enable");
    if (phone) [width, height] = [390, 844];
    await this.#send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: phone });
    await this.#send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    await this.#send("Emulation.setUserAgentOverride", {
      userAgent: "Mozilla/5.0 (X11; Linux) Chrome headless", acceptLanguage: language });
    await this.#send("Page.addScriptToEvaluateOnNewDocument", { source: "window.confirm = () => true;" });
  }

  async resize({ width = 1280, height = 800, phone = false }) {
    await this.#send("Emulation.setDeviceMetricsOverride", { width: phone ? 390 : width, height, deviceScaleFactor: 1, mobile: phone });
  }

  async close() { await this.#send("Page.close").catch(() => {}); }

  receive({ method, params }) {
    if (method === "Runtime.exceptionThrown") {
      this.problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    }
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.problems.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
  }

  async go(address) {
    await this.#send("Page.navigate", { url: address });
    await this.until("document.readyState === 'complete' && document.querySelector('.bar')");
  }

  /** Opens a page that is not one of the server's, as a report. */
  async open(address) {
    await this.#send("Page.navigate", { url: address });
    await this.until(`document.readyState === 'complete' && location.href === ${JSON.stringify(address)}`);
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true, allowUnsafeEvalBlockedByCSP: false });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits for an expression to be true, and gives its value. */
  async until(expression, seconds = 120) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      let value;
      try { value = await this.evaluate(`(() => { const value = (${expression}); return value instanceof Node ? true : value; })()`); }
      catch (error) { if (Date.now() > end) throw error; }
      if (value) return value;
      if (Date.now() > end) throw new Error(`after ${seconds} s still not: ${expression}; ${await this.#state()}`);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }

  /** What a person would see of a page that does not go on. */
  async #state() {
    const seen = `JSON.stringify({ address: location.href, state: document.readyState, focus: document.activeElement?.outerHTML.slice(0, 80),
      dialogs: document.querySelectorAll("dialog[open]").length, text: document.body?.innerText.slice(0, 300) })`;
    return `problems: ${this.problems.join("; ")}; page: ${await this.evaluate(seen).catch((error) => error.message)}`;
  }

  async #middle(selector) {
    const place = await this.evaluate(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      if (!element) return null;
      element.scrollIntoView({ block: "center" });
      const box = element.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()`);
    if (!place) throw new Error("there is no " + selector);
    return { x: place[0], y: place[1] };
  }

  async hover(selector) {
    await this.#send("Input.dispatchMouseEvent", { type: "mouseMoved", ...(await this.#middle(selector)) });
  }

  async click(selector) {
    const place = await this.#middle(selector);
    await this.#send("Input.dispatchMouseEvent", { type: "mouseMoved", ...place });
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.#send("Input.dispatchMouseEvent", { type, ...place, button: "left", clickCount: 1 });
    }
  }

  /** Types as a person does, in place of what stood there. */
  async write(selector, text) {
    await this.evaluate(`(() => { const field = document.querySelector(${JSON.stringify(selector)}); field.focus(); field.select(); })()`);
    await this.#send("Input.insertText", { text });
  }

  /** @param {string} key "Enter", "Tab", "Escape", "k" … @param {string[]} held of "Control", "Shift" */
  async press(key, held = []) {
    const modifiers = (held.includes("Control") ? 2 : 0) + (held.includes("Shift") ? 8 : 0);
    const codes = { Enter: 13, Tab: 9, Escape: 27, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 };
    const code = codes[key] ?? key.toUpperCase().charCodeAt(0);
    const text = key === "Enter" ? "\r" : undefined;
    for (const type of [text ? "keyDown" : "rawKeyDown", "keyUp"]) {
      await this.#send("Input.dispatchKeyEvent", { type, key, modifiers, windowsVirtualKeyCode: code, text: type === "keyDown" ? text : undefined });
    }
  }

  /** As on paper, or as on a screen again. */
  async print(isOn = true) { await this.#send("Emulation.setEmulatedMedia", { media: isOn ? "print" : "" }); }

  async screenshot(path, settings = {}) {
    const { data } = await this.#send("Page.captureScreenshot", { format: "png", ...settings });
    writeFileSync(path, Buffer.from(data, "base64"));
  }
}
