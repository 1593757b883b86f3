/** Conversations as files, and preferences as training data. */
import { InputError } from "../api.js";
import { t } from "../i18n.js";
import { newConversation, newId, path, requestMessages, titleOf } from "./tree.js";

export const format = "martlet-conversations";

export function toJSON(conversations) {
  return JSON.stringify({ format, version: 1, conversations }, null, 1);
}

/**
 * Conversations of a file that `toJSON` wrote, or of messages in OpenAI's form (`{messages: […]}` or a list of them).
 * They get new ids, so that importing twice keeps both.
 * @throws {InputError} saying what is wrong
 */
export function fromJSON(text) {
  let value;
  try { value = JSON.parse(text); } catch { throw new InputError(t("not.json")); }
  if (value?.format === format && Array.isArray(value.conversations)) return value.conversations.map(checked);
  const lists = Array.isArray(value?.messages) ? [value.messages] : Array.isArray(value) ? [value] : null;
  if (!lists) throw new InputError(t("import.unknown", { format }));
  return lists.map(fromMessages);
}

const text = (value) => (typeof value === "string" ? value : "");
const roles = new Set(["user", "assistant", "tool"]);

/** Keeps what is known of a conversation and refuses trees that do not hang together. */
function checked(given) {
  if (typeof given?.nodes !== "object" || given.nodes === null || !Array.isArray(given.roots)) {
    throw new InputError(t("import.empty"));
  }
  const nodes = {};
  const take = (id, parent, depth) => {
    const node = Object.hasOwn(given.nodes, id) ? given.nodes[id] : null;
    if (!node || nodes[id] || depth > 10_000 || !roles.has(node.role)) throw new InputError(t("import.damaged"));
    nodes[id] = {
      ...node, id, parent, content: text(node.content), reasoning: text(node.reasoning),
      children: Array.isArray(node.children) ? node.children.map(String) : [],
      toolCalls: Array.isArray(node.toolCalls)
        ? node.toolCalls.map((call) => ({ id: text(call.id), name: text(call.name), arguments: text(call.arguments) }))
        : undefined,
    };
    return nodes[id].children.map((child) => [child, id, depth + 1]);
  };
  const waiting = given.roots.map((id) => [String(id), null, 0]);
  while (waiting.length) waiting.push(...take(...waiting.pop()));
  const roots = given.roots.map(String);
  const leaf = nodes[given.leaf] ? given.leaf : roots.at(-1) ?? null;
  return newConversation({
    title: text(given.title), system: text(given.system), nodes, roots, leaf,
    created: Number(given.created) || Date.now(), updated: Number(given.updated) || Date.now(),
  });
}

function fromMessages(messages) {
  const conversation = newConversation();
  let parent = null;
  for (const message of messages) {
    const content = Array.isArray(message?.content)
      ? message.content.map((part) => text(part?.text)).join("") : text(message?.content);
    if (message?.role === "system" || message?.role === "developer") { conversation.system = content; continue; }
    if (!roles.has(message?.role)) throw new InputError(t("import.role", { role: message?.role }));
    const id = newId();
    conversation.nodes[id] = { id, parent, children: [], created: Date.now(), role: message.role, content };
    if (parent) conversation.nodes[parent].children.push(id);
    else conversation.roots.push(id);
    conversation.leaf = parent = id;
  }
  return conversation;
}

/** What is shown, as Markdown that reads well in any editor. */
export function toMarkdown(conversation, names) {
  const parts = [`# ${titleOf(conversation)}`];
  if (conversation.system.trim()) parts.push(`> ${conversation.system.trim().replaceAll("\n", "\n> ")}`);
  for (const node of path(conversation)) {
    parts.push(`**${names[node.role] ?? node.role}**` + (node.model ? ` (${node.model})` : ""));
    if (node.reasoning) parts.push("<details>\n\n" + node.reasoning.trim() + "\n\n</details>");
    parts.push(node.content.trim());
    for (const call of node.toolCalls ?? []) parts.push("```json\n" + JSON.stringify(call, null, 1) + "\n```");
  }
  return parts.join("\n\n") + "\n";
}

/** A vote for one of two answers to the same messages. */
export function preference(conversation, chosen, rejected) {
  return {
    id: newId(), created: Date.now(), prompt: requestMessages(conversation, chosen.parent),
    chosen: [{ role: "assistant", content: chosen.content }], rejected: [{ role: "assistant", content: rejected.content }],
    models: [chosen.model, rejected.model], conversation: conversation.id, nodes: [chosen.id, rejected.id],
  };
}

/** Preference pairs as JSON lines: `{"prompt": […], "chosen": […], "rejected": […]}`, messages each. */
export function preferencesToJSONL(preferences) {
  return preferences.map(({ prompt, chosen, rejected }) => JSON.stringify({ prompt, chosen, rejected }) + "\n").join("");
}
