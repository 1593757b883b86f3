/** A conversation as a tree of messages: every answer and every edit is kept, one way through it is shown. */

export const newId = () => crypto.randomUUID?.() ?? Date.now().toString(36) + Math.random().toString(36).slice(2, 10);

export function newConversation(more = {}) {
  const now = Date.now();
  return { id: newId(), title: "", created: now, updated: now, system: "", settings: {}, nodes: {}, roots: [], leaf: null,
    ...more };
}

/** Adds a message below `parent` (null: at the top) and makes it the end of what is shown. */
export function addMessage(conversation, parent, message) {
  const node = { id: newId(), parent, children: [], created: Date.now(), content: "", ...message };
  conversation.nodes[node.id] = node;
  siblingsBelow(conversation, parent).push(node.id);
  conversation.leaf = node.id;
  conversation.updated = Date.now();
  return node;
}

const siblingsBelow = (conversation, parent) =>
  parent === null ? conversation.roots : conversation.nodes[parent].children;

export const siblings = (conversation, id) => siblingsBelow(conversation, conversation.nodes[id].parent);

/** The messages from the top to `leaf`. */
export function path(conversation, leaf = conversation.leaf) {
  const out = [];
  for (let id = leaf; id; id = conversation.nodes[id]?.parent) {
    if (!conversation.nodes[id]) break;
    out.unshift(conversation.nodes[id]);
  }
  return out;
}

/** Shows the way through `id`, down to the end that was looked at last, or the newest. */
export function show(conversation, id) {
  let node = conversation.nodes[id];
  while (node.children.length) {
    const next = node.children.includes(node.shown) ? node.shown : node.children.at(-1);
    node = conversation.nodes[next];
  }
  conversation.leaf = node.id;
  remember(conversation);
}

/** Notes at every fork which way is shown, so that coming back to a branch finds its end. */
export function remember(conversation) {
  for (const node of path(conversation)) {
    if (node.parent) conversation.nodes[node.parent].shown = node.id;
  }
}

/** Removes a message and all below it. */
export function removeMessage(conversation, id) {
  const node = conversation.nodes[id], list = siblings(conversation, id), at = list.indexOf(id);
  const isShown = path(conversation).some((other) => other.id === id);
  list.splice(at, 1);
  const doomed = [id];
  while (doomed.length) {
    const next = conversation.nodes[doomed.pop()];
    doomed.push(...next.children);
    delete conversation.nodes[next.id];
  }
  if (!isShown) return;
  if (list.length) show(conversation, list[Math.min(at, list.length - 1)]);
  else conversation.leaf = node.parent;
}

/** What the server is asked with: the messages up to and with `leaf`, the system prompt before them. */
export function requestMessages(conversation, leaf = conversation.leaf) {
  const messages = path(conversation, leaf).filter((node) => !node.error || node.content).map(requestMessage);
  return conversation.system.trim() ? [{ role: "system", content: conversation.system }, ...messages] : messages;
}

function requestMessage(node) {
  const message = { role: node.role, content: node.content };
  if (node.toolCalls?.length) {
    message.tool_calls = node.toolCalls.map((call) => ({
      id: call.id, type: "function", function: { name: call.name, arguments: call.arguments },
    }));
    message.content = node.content || null;
  }
  if (node.role === "tool") message.tool_call_id = node.toolCallId;
  return message;
}

export function titleOf(conversation) {
  if (conversation.title) return conversation.title;
  const first = path(conversation).find((node) => node.role === "user");
  return first ? first.content.trim().split("\n")[0].slice(0, 60) : "";
}

/** Whether any message on any branch has all the words. */
export function matches(conversation, words) {
  const all = words.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (titleOf(conversation) + "\n" + Object.values(conversation.nodes).map((node) => node.content).join("\n"))
    .toLowerCase();
  return all.every((word) => text.includes(word));
}
