/** The chat page: what is shown, and what its buttons do. */
import { el, icon, iconButton, replace, toast } from "../dom.js";
import { chatModels, explain, textModels } from "../api.js";
import { shell } from "../shell.js";
import { number, t } from "../i18n.js";
import { preference } from "./exchange.js";
import { generate } from "./generate.js";
import { messageView } from "./message.js";
import { modelPicker } from "./models.js";
import { settingsPanel } from "./settings.js";
import { sidebar } from "./sidebar.js";
import { put } from "./store.js";
import { addMessage, newConversation, newId, path, remember, removeMessage, show, siblings } from "./tree.js";

const defaultsName = "martlet-chat-defaults";
/** Nothing set: the server draws as the model recommends, as it does for every other client. */
const initial = { settings: {}, system: "" };
const defaults = () => JSON.parse(localStorage.getItem(defaultsName) ?? "null") ?? initial;
const begin = () => newConversation(structuredClone(defaults()));

const chat = { conversation: begin(), models: null, continues: false, running: null, open };
const log = el("div.messages", { role: "log", "aria-label": t("messages") });
const scroller = el("div.scroller", { tabIndex: -1 }, log);
const picker = modelPicker();
const side = sidebar(chat);
const settings = el("aside.drawer", { "aria-label": t("parameters"), hidden: true });
const input = el("textarea", { rows: 1, placeholder: t("ask"), "aria-label": t("ask"), id: "ask" });
const send = el("button.primary.icon", { type: "submit" });
const gauge = el("div.gauge", { role: "meter", "aria-label": t("context") });
const composer = el("form.composer", { onsubmit: submit }, input, el("div.row", {}, picker.element, el("span.grow"), gauge, send));
const main = el("main.talk", { id: "main" }, scroller, composer);
const page = el("div.chat", {}, side.element, main, settings);
const wide = matchMedia("(min-width: 900px)");

// MARK: - Showing

let views = new Map();
function draw() {
  const messages = path(chat.conversation);
  views = new Map();
  const rows = messages.map((node) => {
    const together = node.group
      ? siblings(chat.conversation, node.id).map((id) => chat.conversation.nodes[id]).filter((one) => one.group === node.group)
      : [node];
    const drawn = together.map((one) => {
      const view = messageView(chat.conversation, one, actions, { inGroup: together.length > 1 });
      views.set(one.id, view);
      if (together.length > 1) view.element.classList.toggle("shown", one.id === node.id);
      return view.element;
    });
    return drawn.length > 1 ? el("div.together", {}, drawn) : drawn[0];
  });
  page.classList.toggle("empty", messages.length === 0);
  replace(log, messages.length ? rows : welcome());
  showState();
}

function welcome() {
  if (chat.models?.length === 0) {
    return !chat.continues ? el("p.notice.calm", {}, t("no.text.model")) : el("p.notice.calm", {}, t("no.chat.model"), " ", el("a", { href: "/playground" }, t("nav.playground")));
  }
  const ideas = ["idea.1", "idea.2", "idea.3"].map((name) => el("button", { type: "button", onclick: () => {
    input.value = t(name);
    composer.requestSubmit();
  } }, t(name)));
  return el("div.welcome", {}, el("h1", {}, t("welcome")), el("p.quiet", {}, t("welcome.more")), el("div.ideas", {}, ideas));
}

function showState() {
  const isRunning = chat.running !== null;
  replace(send, icon(isRunning ? "stop" : "send"));
  send.setAttribute("aria-label", t(isRunning ? "stop" : "send"));
  send.title = t(isRunning ? "stop" : "send");
  const last = path(chat.conversation).findLast((node) => node.usage);
  const limit = chat.models?.find((model) => model.id === (last?.model ?? picker.chosen[0]))?.max_model_len;
  const used = last?.usage.total_tokens ?? 0;
  gauge.hidden = !limit;
  if (!limit) return;
  gauge.setAttribute("aria-valuenow", used);
  gauge.setAttribute("aria-valuemax", limit);
  gauge.title = t("context.used", { n: number(used), of: number(limit) });
  gauge.classList.toggle("full", used > 0.85 * limit);
  const bar = el("i");
  bar.style.width = Math.min(100, (100 * used) / limit) + "%";
  replace(gauge, el("span.track", {}, bar), el("span", {}, `${number(used)} / ${number(limit)}`));
}

/** Follows the stream unless the reader has scrolled away. */
function follow() {
  if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 160) scroller.scrollTop = scroller.scrollHeight;
}

async function keep() {
  remember(chat.conversation);
  await put("conversations", chat.conversation);
  side.refresh();
}

// MARK: - Doing

function open(conversation) {
  chat.running?.abort();
  chat.conversation = conversation ?? begin();
  for (const node of Object.values(chat.conversation.nodes)) node.pending = undefined;
  drawSettings();
  draw();
  side.refresh();
  scroller.scrollTop = scroller.scrollHeight;
  if (wide.matches) input.focus();
  else if (page.classList.contains("with-side")) toggleSide(false);
}

async function submit(event) {
  event.preventDefault();
  if (chat.running) { chat.running.abort(); return; }
  const text = input.value.trim();
  if (!text) return;
  if (!picker.chosen.length) { toast(t("no.model")); return; }
  input.value = "";
  grow();
  const node = addMessage(chat.conversation, chat.conversation.leaf, { role: "user", content: text });
  await answer(node);
}

/** Lets every chosen model (or `models`) answer below `parent`. */
async function answer(parent, models = picker.chosen) {
  const conversation = chat.conversation;
  const group = models.length > 1 ? newId() : undefined;
  const nodes = models.map((model) => addMessage(conversation, parent.id, { role: "assistant", model, group, pending: true }));
  show(conversation, nodes[0].id);
  const abort = new AbortController();
  chat.running = abort;
  draw();
  scroller.scrollTop = scroller.scrollHeight;
  await keep();
  const waiting = new Set();
  const paint = (node) => {
    if (waiting.has(node)) return;
    waiting.add(node);
    requestAnimationFrame(() => {
      waiting.delete(node);
      if (chat.conversation !== conversation) return;
      views.get(node.id)?.update();
      follow();
    });
  };
  await Promise.all(nodes.map((node) => generate(conversation, node, abort.signal, () => paint(node))));
  if (chat.running === abort) chat.running = null;
  conversation.updated = Date.now();
  await put("conversations", conversation);
  if (chat.conversation === conversation) { draw(); follow(); }
  side.refresh();
}

const actions = {
  show(id) { show(chat.conversation, id); draw(); keep(); },
  async edit(node, text) {
    if (chat.running) return;
    const copy = addMessage(chat.conversation, node.parent, { role: node.role, content: text, model: node.model });
    if (node.role === "user") await answer(copy);
    else { draw(); keep(); }
  },
  async again(node) {
    if (chat.running) return;
    const parent = chat.conversation.nodes[node.parent];
    const isThere = chat.models?.some((model) => model.id === node.model);
    await answer(parent, [isThere ? node.model : picker.chosen[0]]);
  },
  remove(node) {
    if (chat.running) return;
    removeMessage(chat.conversation, node.id);
    draw();
    keep();
  },
  async vote(node) {
    const group = siblings(chat.conversation, node.id).map((id) => chat.conversation.nodes[id])
      .filter((one) => one.group === node.group);
    for (const other of group) {
      other.vote = other === node ? "chosen" : "rejected";
      if (other === node || !other.content || !node.content) continue;
      // One vote a pair: changing one's mind replaces it.
      const id = [node.id, other.id].sort().join("+");
      await put("preferences", { ...preference(chat.conversation, node, other), id });
    }
    show(chat.conversation, node.id);
    draw();
    toast(t("vote.kept"));
    keep();
  },
  async answerTools(node, results) {
    if (chat.running) return;
    let parent = node;
    node.toolCalls.forEach((call, index) => {
      parent = addMessage(chat.conversation, parent.id, { role: "tool", content: results[index], toolCallId: call.id });
    });
    await answer(parent, [node.model]);
  },
};

function drawSettings() {
  const changed = () => {
    const { settings: values, system } = chat.conversation;
    localStorage.setItem(defaultsName, JSON.stringify({ settings: values, system }));
    if (chat.conversation.leaf) put("conversations", chat.conversation);
  };
  const own = chat.models?.find((model) => model.id === picker.chosen[0])?.default_sampling;
  replace(settings, el("header.row", {}, el("h2.grow", {}, t("settings")),
    iconButton("close", t("close"), () => toggleSettings(false))), settingsPanel(chat.conversation, changed, own));
}

// MARK: - Page

function grow() {
  input.style.height = "auto";
  input.style.height = Math.min(input.scrollHeight + 2, 220) + "px";
}
function toggleSettings(on = settings.hidden) {
  settings.hidden = !on;
  settingsButton.setAttribute("aria-pressed", String(on));
  if (on && !wide.matches) settings.querySelector("button").focus();
}
const settingsButton = iconButton("sliders", t("settings"), () => toggleSettings(), { "aria-pressed": "false" });
const sideButton = iconButton("menu", t("history"), () => toggleSide());
/** Where a panel lies over the conversation, who opened it is in it, and back at its button when it is closed. */
function toggleSide(on = !page.classList.contains("with-side")) {
  page.classList.toggle("with-side", on);
  sideButton.setAttribute("aria-expanded", String(on));
  if (!wide.matches) (on ? side.search : sideButton).focus();
}
function closePanel() {
  if (wide.matches) return false;
  if (!settings.hidden) { toggleSettings(false); settingsButton.focus(); return true; }
  if (page.classList.contains("with-side")) { toggleSide(false); return true; }
  return false;
}

input.addEventListener("input", grow);
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!chat.running) composer.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && chat.running) chat.running.abort();
  else if (event.key === "Escape" && closePanel()) { /* it lay over the conversation */ }
  else if (command && event.key === "k") { toggleSide(true); side.search.focus(); }
  else if (command && event.shiftKey && event.key.toLowerCase() === "o") open(null);
  else if (command && event.key === "b") toggleSide();
  else return;
  event.preventDefault();
});
page.addEventListener("click", (event) => { if (event.target === page) toggleSide(false); });

shell("/", { leading: [sideButton], trailing: [settingsButton] });
document.body.append(page);
page.classList.toggle("with-side", wide.matches);
sideButton.setAttribute("aria-expanded", String(wide.matches));
open(null);
Promise.all([chatModels(), textModels()]).then(([models, writers]) => {
  chat.models = models;
  chat.continues = writers.length > 0;
  picker.fill(models, () => { drawSettings(); showState(); });
  drawSettings();
  showState();
  if (models.length === 0 && !path(chat.conversation).length) draw();
}, (error) => replace(log, el("p.notice", { role: "alert" }, explain(error))));
