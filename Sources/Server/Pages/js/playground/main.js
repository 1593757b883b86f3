/** The playground page. */
import { explain, textModels } from "../api.js";
import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { shell } from "../shell.js";
import { completionCard } from "./completion.js";
import { tokenizerCard } from "./tokenizer.js";

shell("/playground");
const content = el("div");
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("playground.title")), el("p", {}, t("playground.more"))), content)));
textModels().then((models) => replace(content, models.length ? [completionCard(models), tokenizerCard(models)]
  : el("p.notice.calm", {}, t("no.text.model"))),
  (error) => replace(content, el("p.notice", { role: "alert" }, explain(error))));
