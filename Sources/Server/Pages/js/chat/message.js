/** One message of a chat as elements. */
import { copyText, el, iconButton, replace, toast } from "../dom.js";
import { number, t } from "../i18n.js";
import { coloured, renderMarkdown } from "../markdown/render.js";
import { splitReasoning } from "./generate.js";
import { siblings } from "./tree.js";

/**
 * @param {object} actions what the buttons do: show(id), edit(node, text), again(node), remove(node), vote(node),
 *   answerTools(node, results)
 */
export function messageView(conversation, node, actions, { inGroup = false } = {}) {
  const body = el("div.body");
  const foot = el("div.foot");
  const element = el("article", { class: `message ${node.role}`, data: { id: node.id }, "aria-label": t("role." + node.role) },
    node.model && node.role === "assistant" ? el("p.who", {}, node.model) : null, body, foot);
  const update = () => {
    fill(body, conversation, node, actions);
    fillFoot(foot, element, conversation, node, actions, inGroup);
    element.classList.toggle("pending", Boolean(node.pending));
  };
  update();
  return { element, update };
}

function fill(body, conversation, node, actions) {
  if (node.role === "user" || node.role === "tool") {
    replace(body, node.role === "tool" ? el("p.small.quiet", {}, t("tool.result")) : null,
      el("div.plaintext", {}, node.content));
    return;
  }
  const split = node.reasoning ? { reasoning: node.reasoning, content: node.content } : splitReasoning(node.content);
  let thought = body.querySelector(":scope > details.thought");
  if (split.reasoning) {
    if (!thought) {
      thought = el("details.thought", { open: Boolean(node.pending) && !split.content },
        el("summary", {}), el("div.markdown"));
      body.prepend(thought);
    }
    thought.firstChild.textContent = node.pending && !split.content ? t("thinking") : t("thought");
    renderMarkdown(thought.lastChild, split.reasoning);
  }
  let text = body.querySelector(":scope > .markdown");
  if (!text) { text = el("div.markdown"); body.append(text); }
  renderMarkdown(text, split.content);
  body.querySelectorAll(":scope > .tools, :scope > .notice, :scope > .waiting").forEach((part) => part.remove());
  if (node.pending && !node.content && !node.reasoning && !node.toolCalls) {
    body.append(el("span.waiting", { role: "status", "aria-label": t("waiting") }, el("i"), el("i"), el("i")));
  }
  if (node.toolCalls?.length) body.append(toolCards(conversation, node, actions));
  if (node.error) body.append(el("p.notice", { role: "alert" }, node.error));
}

/** What the model wants to call, with a place for what it gave. */
function toolCards(conversation, node, actions) {
  const isAnswered = node.children.some((id) => conversation.nodes[id].role === "tool");
  const results = node.toolCalls.map(() => el("textarea.mono", { rows: 2, placeholder: t("tool.result.hint"),
    "aria-label": t("tool.result") }));
  const cards = node.toolCalls.map((call, index) => el("div.tool", {},
    el("p", {}, el("b.mono", {}, call.name || "…")), el("pre", { tabIndex: 0 }, coloured(pretty(call.arguments), "json")),
    isAnswered || node.pending ? null : results[index]));
  return el("div.tools", {}, cards, isAnswered || node.pending ? null
    : el("button", { type: "button", onclick: () => actions.answerTools(node, results.map((area) => area.value)) },
      t("tool.send")));
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function fillFoot(foot, element, conversation, node, actions, inGroup) {
  if (node.pending) { replace(foot); return; }
  const list = siblings(conversation, node.id);
  const at = list.indexOf(node.id);
  const turn = (step) => actions.show(list[at + step]);
  const arrows = list.length > 1 && !inGroup ? el("span.arrows", {},
    iconButton("left", t("sibling.before"), () => turn(-1), { disabled: at === 0 }),
    el("span", { "aria-label": t("sibling.which", { n: at + 1, of: list.length }) }, `${at + 1}/${list.length}`),
    iconButton("right", t("sibling.after"), () => turn(1), { disabled: at === list.length - 1 })) : null;
  const copy = iconButton("copy", t("copy"), async () => toast((await copyText(node.content)) ? t("copied") : t("copy.failed")));
  replace(foot,
    inGroup ? el("button.vote", { type: "button", "aria-pressed": String(node.vote === "chosen"),
      onclick: () => actions.vote(node) }, t(node.vote === "chosen" ? "vote.chosen" : "vote")) : null,
    arrows, copy,
    node.role === "tool" ? null : iconButton("edit", t("edit"), () => edit(element, node, actions)),
    node.role === "assistant" ? iconButton("again", t("again"), () => actions.again(node)) : null,
    iconButton("trash", t("remove"), () => actions.remove(node)),
    node.role === "assistant" ? el("span.stats", {}, stats(node)) : null);
}

function stats(node) {
  const { tokens, perSecond, firstSeconds, cached } = node.stats ?? {};
  const parts = [];
  if (node.finish === "length") parts.push(t("cut.by.length"));
  if (node.finish === "repetition") parts.push(t("cut.by.repetition"));
  if (node.finish === "stopped") parts.push(t("stopped"));
  if (tokens) parts.push(t("tokens", { n: number(tokens) }));
  if (perSecond) parts.push(t("per.second", { n: number(perSecond, 1) }));
  if (firstSeconds) parts.push(t("first.after", { n: number(firstSeconds, 2) }));
  if (cached) parts.push(t("cached", { n: number(cached) }));
  return parts.join(" · ");
}

function edit(element, node, actions) {
  const area = el("textarea", { rows: Math.min(12, node.content.split("\n").length + 1), value: node.content,
    "aria-label": t("edit") });
  const done = () => actions.edit(node, area.value);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.stopPropagation(); actions.show(node.id); }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) done();
  });
  replace(element, el("div.editing", {}, area, el("div.row", {},
    el("button.primary", { type: "button", onclick: done }, t(node.role === "user" ? "edit.send" : "edit.keep")),
    el("button", { type: "button", onclick: () => actions.show(node.id) }, t("cancel")))));
  area.style.height = Math.min(area.scrollHeight + 2, innerHeight / 2) + "px";
  area.focus();
}
