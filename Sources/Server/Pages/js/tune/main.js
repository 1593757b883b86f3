/** The page that begins runs of training: a model, data, a method, a few numbers; watched, stopped and talked to. */
import { explain, getJSON, postJSON } from "../api.js";
import { el, replace, scrollTo } from "../dom.js";
import { t } from "../i18n.js";
import { shell } from "../shell.js";
import { tuneForm } from "./form.js";
import { watchCard } from "./watch.js";

shell("/tune");
const content = el("div");
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("tune.title")), el("p", {}, t("tune.lead"))), content)));

/** How it is turned on, where it is not. */
function howTo(error) {
  const command = (text) => el("pre.command", {}, el("code", {}, text));
  if (error.code === "tuning_off") {
    return el("section.card", {}, el("h2", {}, t("tune.off")), el("p", {}, t("tune.off.how")), command("martlet serve smollm2 --runs runs --tune data"),
      el("p.small.quiet", {}, t("tune.off.more")));
  }
  if (error.code === "insufficient_scope") {
    return el("section.card", {}, el("h2", {}, t("tune.scope")), el("p", {}, t("tune.scope.how")), command("alice  sk-…  scopes=inference,admin"));
  }
  return el("p.notice", { role: "alert" }, explain(error));
}

async function start() {
  let offer = await getJSON("/api/tune");
  const names = () => new Set([...offer.runs.map((run) => run.name), ...offer.models.filter((name) => name.startsWith("runs/")).map((name) => name.slice(5))]);
  const watch = watchCard(async () => {
    offer = await getJSON("/api/tune");
    watch.list(offer.runs);
  });
  const form = tuneForm(offer, async (request) => {
    replace(form.note);
    try {
      const run = await postJSON("/api/tune", request);
      offer = await getJSON("/api/tune");
      form.rename(names());
      watch.show(run.name);
      watch.list(offer.runs);
      scrollTo(watch.element);
    } catch (error) {
      replace(form.note, el("p.notice", { role: "alert" }, explain(error)));
    }
  });
  form.rename(names());
  replace(content, form.element, watch.element);
  watch.list(offer.runs);
  const current = offer.runs.find((run) => ["running", "stopping"].includes(run.state)) ?? offer.runs[0];
  if (current) { watch.show(current.name); watch.list(offer.runs); }
}
start().catch((error) => replace(content, howTo(error)));
