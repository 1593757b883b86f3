/** The conversations of this browser: search, open, rename, remove, files. */
import { download, el, icon, iconButton, pickFile, replace, toast } from "../dom.js";
import { t } from "../i18n.js";
import { fromJSON, preferencesToJSONL, toJSON, toMarkdown } from "./exchange.js";
import { all, put, remove } from "./store.js";
import { matches, titleOf } from "./tree.js";

const day = 86_400_000;

function group(conversation) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (conversation.updated >= midnight) return "today";
  if (conversation.updated >= midnight - day) return "yesterday";
  return conversation.updated >= midnight - 7 * day ? "week" : "older";
}

/**
 * @param {object} chat what stands beside it: conversation, open(conversation or null)
 * @returns {{element: HTMLElement, refresh: () => Promise<void>, search: HTMLInputElement}}
 */
export function sidebar(chat) {
  const search = el("input", { type: "search", placeholder: t("search"), "aria-label": t("search"), oninput: () => refresh() });
  const list = el("nav.history", { "aria-label": t("history") });
  const votes = el("button.plain", { type: "button", hidden: true, onclick: exportVotes });
  const element = el("aside.side", { "aria-label": t("history") },
    el("div.row", {}, el("button.new.grow", { type: "button", onclick: () => chat.open(null) }, icon("plus"), t("new.chat"))),
    search, list,
    el("footer", {}, votes,
      el("div.row.tight", {},
        el("button.plain", { type: "button", onclick: exportShown }, icon("save"), "Markdown"),
        el("button.plain", { type: "button", onclick: exportAll }, icon("save"), "JSON"),
        el("button.plain", { type: "button", onclick: importFile }, icon("open"), t("import")))));

  async function refresh() {
    const words = search.value.trim();
    const conversations = (await all("conversations")).filter((one) => !words || matches(one, words))
      .sort((a, b) => b.updated - a.updated);
    const rows = [];
    let last;
    for (const conversation of conversations) {
      if (group(conversation) !== last) rows.push(el("h3", {}, t("when." + (last = group(conversation)))));
      rows.push(row(conversation));
    }
    replace(list, rows.length ? rows : el("p.small.quiet", {}, t(words ? "nothing.found" : "no.history")));
    const count = (await all("preferences")).length;
    votes.textContent = t("votes.export", { n: count });
    votes.hidden = count === 0;
  }

  function row(conversation) {
    const isOpen = conversation.id === chat.conversation.id;
    const button = el("button.plain.title", { type: "button", title: titleOf(conversation), "aria-current": isOpen ? "true" : null,
      onclick: () => chat.open(conversation), ondblclick: () => rename(line, conversation) }, titleOf(conversation) || t("untitled"));
    const line = el("div.entry", {}, button,
      iconButton("edit", t("rename"), () => rename(line, conversation)),
      iconButton("trash", t("remove"), async () => {
        if (!confirm(t("remove.sure", { title: titleOf(conversation) }))) return;
        await remove("conversations", conversation.id);
        if (isOpen) chat.open(null);
        else refresh();
      }));
    return line;
  }

  function rename(line, conversation) {
    const field = el("input", { type: "text", value: titleOf(conversation), "aria-label": t("rename") });
    let isDone = false;
    const finish = async (keep) => {
      if (isDone) return;
      isDone = true;
      if (keep) {
        conversation.title = field.value.trim();
        if (conversation.id === chat.conversation.id) chat.conversation.title = conversation.title;
        await put("conversations", conversation);
      }
      refresh();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    field.addEventListener("blur", () => finish(true));
    replace(line, field);
    field.select();
  }

  const fileName = (text) => text.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "chat";
  function exportShown() {
    const names = { user: t("role.user"), assistant: t("role.assistant"), tool: t("role.tool") };
    download(fileName(titleOf(chat.conversation)) + ".md", toMarkdown(chat.conversation, names), "text/markdown");
  }
  async function exportAll() {
    download("martlet-chats.json", toJSON(await all("conversations")), "application/json");
  }
  async function exportVotes() {
    const preferences = (await all("preferences")).sort((a, b) => a.created - b.created);
    download("preferences.jsonl", preferencesToJSONL(preferences), "application/jsonl");
  }
  async function importFile() {
    const text = await pickFile(".json,application/json");
    if (text === null) return;
    try {
      const conversations = fromJSON(text);
      for (const conversation of conversations) await put("conversations", conversation);
      toast(t("imported", { n: conversations.length }));
      if (conversations.length) chat.open(conversations[0]);
    } catch (error) {
      toast(t("import.failed", { why: error.message }));
    }
  }
  return { element, refresh, search };
}
