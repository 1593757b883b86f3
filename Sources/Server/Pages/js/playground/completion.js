/** A text, what a model makes of it, and how sure it was of every token. */
import { explain, stream } from "../api.js";
import { bringIntoView, el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { modelSelect } from "../shell.js";
import { perplexity, tokensOf, visible } from "./tokens.js";

export function completionCard(models) {
  const prompt = el("textarea", { rows: 4, value: t("prompt.example"), "aria-label": t("prompt"), id: "prompt" });
  const model = modelSelect(models, "playground");
  const length = el("input", { type: "number", value: "48", min: "1", max: "512", "aria-label": t("parameter.max_tokens") });
  // Empty: the model's own, as everywhere.
  const temperature = el("input", { type: "number", value: "", min: "0", max: "2", step: "0.1",
    "aria-label": t("parameter.temperature") });
  const ownTemperature = () => {
    temperature.placeholder = String(models.find((one) => one.id === model.value)?.default_sampling?.temperature ?? "");
  };
  const echo = el("input", { type: "checkbox", checked: true });
  // An encoder reads the prompt: it is no part of what is written.
  const ownEcho = () => {
    echo.disabled = models.find((one) => one.id === model.value)?.capabilities?.includes("translation") ?? false;
  };
  const echoes = () => echo.checked && !echo.disabled;
  model.addEventListener("change", () => { ownTemperature(); ownEcho(); });
  ownTemperature();
  ownEcho();
  const go = el("button.primary", { type: "submit" }, t("continue"));
  const output = el("div.output", { "aria-label": t("result"), "aria-busy": "false" });
  const detail = el("div.detail", { "aria-live": "polite" });
  const summary = el("p.small.quiet");
  let abort = null;
  /** Of the text on the page: its tokens, and all of it as text. */
  let tokens = [], written = "";

  async function run() {
    if (abort) { abort.abort(); return; }
    abort = new AbortController();
    go.textContent = t("stop");
    begin(prompt.value, echoes());
    try {
      await stream("/v1/completions", {
        model: model.value, prompt: prompt.value, max_tokens: Number(length.value) || 16,
        temperature: temperature.value === "" ? undefined : Number(temperature.value), logprobs: 5, echo: echoes(),
      }, { signal: abort.signal, onEvent: (event) => {
        const scores = event.choices[0]?.logprobs;
        if (scores) add(tokensOf(scores));
        bringUp();
      } });
      // Something to look at, unless somebody looks already.
      const likely = output.querySelector(".token:nth-last-child(2)");
      if (likely && !output.querySelector(".token.seen")) likely.dispatchEvent(new Event("mouseenter"));
    } catch (error) {
      if (!abort.signal.aborted) {
        output.append(el("p.notice", { role: "alert" }, explain(error)));
        bringUp();
      }
    }
    abort = null;
    output.setAttribute("aria-busy", "false");
    go.textContent = t("continue");
  }

  /** The result is brought up once, as soon as it begins. */
  let isShown = false;
  function bringUp() {
    if (!isShown) bringIntoView(output);
    isShown = true;
  }

  function begin(given, isEchoed) {
    isShown = false;
    tokens = [];
    written = isEchoed ? "" : given;
    replace(detail);
    replace(output, isEchoed ? null : el("span.given", {}, given));
    summary.textContent = "";
    output.setAttribute("aria-busy", "true");
  }

  function add(more) {
    for (const token of more) {
      const start = written;
      written += token.text;
      const show = () => showDetail(token, start, span);
      const span = el("span.token", { class: token.text.includes("\n") ? "line" : "", tabIndex: 0, role: "button", onmouseenter: show, onfocus: show, onclick: show,
        "aria-label": token.probability === null ? visible(token.text)
          : `${visible(token.text)} ${percent(token.probability)}` }, token.text);
      if (token.probability !== null) span.style.setProperty("--doubt", (1 - token.probability).toFixed(3));
      output.append(span);
    }
    tokens.push(...more);
    const { value, count } = perplexity(tokens);
    summary.textContent = t("mean.probability", { n: number(value, 2), tokens: number(count) });
  }

  function showDetail(token, before, span) {
    output.querySelector(".token.seen")?.classList.remove("seen");
    span.classList.add("seen");
    const rows = token.alternatives.map((one) => {
      const bar = el("i");
      bar.style.width = one.probability * 100 + "%";
      return el("button.alternative", { type: "button", "aria-current": one.isChosen ? "true" : null, onclick: () => {
        prompt.value = before + one.text;
        run();
      } }, el("code", {}, visible(one.text)), el("span.track", {}, bar), el("span.number", {}, percent(one.probability)));
    });
    replace(detail, el("p", {}, el("code.big", {}, visible(token.text)), " ",
      el("span.quiet", {}, token.probability === null ? "" : percent(token.probability, 2))), rows);
  }

  const form = el("form", { onsubmit: (event) => { event.preventDefault(); run(); } }, prompt,
    el("div.row.controls", {}, model, el("label.short", {}, t("parameter.max_tokens"), length),
      el("label.short", {}, t("parameter.temperature"), temperature), el("label.check", {}, echo, t("prompt.too")),
      el("span.grow"), go));
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return el("section.card", {}, form, el("div.split", {}, el("div.grow", {}, output, summary),
    el("aside", { "aria-label": t("alternatives") }, el("h2", {}, t("alternatives")), detail)));
}
