// Conversations as trees and as files. Run by hand: node --test Tests/ServerTests/pages/
import assert from "node:assert/strict";
import { test } from "node:test";

const pages = new URL("../../../Sources/Server/Pages/js/chat/", import.meta.url);
const tree = await import(new URL("tree.js", pages));
const exchange = await import(new URL("exchange.js", pages));
const { addToolPiece, splitReasoning } = await import(new URL("generate.js", pages));
const { chatDefaults, requestFields, tools } = await import(new URL("settings.js", pages));

function sample() {
  const conversation = tree.newConversation({ system: "Be brief." });
  const question = tree.addMessage(conversation, null, { role: "user", content: "Hi" });
  const first = tree.addMessage(conversation, question.id, { role: "assistant", content: "Hello", model: "a" });
  const more = tree.addMessage(conversation, first.id, { role: "user", content: "More" });
  const second = tree.addMessage(conversation, question.id, { role: "assistant", content: "Hey", model: "b" });
  return { conversation, question, first, more, second };
}
const texts = (conversation) => tree.path(conversation).map((node) => node.content);

test("every branch is kept, and coming back to one finds its end", () => {
  const { conversation, question, first, more, second } = sample();
  assert.deepEqual(texts(conversation), ["Hi", "Hey"]);
  assert.deepEqual(tree.siblings(conversation, second.id), [first.id, second.id]);
  tree.show(conversation, first.id);
  assert.deepEqual(texts(conversation), ["Hi", "Hello", "More"]);
  const edited = tree.addMessage(conversation, null, { role: "user", content: "Hi there" });
  assert.deepEqual(texts(conversation), ["Hi there"]);
  assert.deepEqual(tree.siblings(conversation, edited.id), [question.id, edited.id]);
  tree.show(conversation, question.id);
  assert.equal(conversation.leaf, more.id);
  tree.show(conversation, second.id);
  tree.show(conversation, edited.id);
  tree.show(conversation, question.id);
  assert.equal(conversation.leaf, second.id);
});

test("removing a message removes what is below and shows a neighbour", () => {
  const { conversation, question, first, second } = sample();
  tree.show(conversation, first.id);
  tree.removeMessage(conversation, first.id);
  assert.deepEqual(texts(conversation), ["Hi", "Hey"]);
  assert.equal(Object.keys(conversation.nodes).length, 2);
  tree.removeMessage(conversation, second.id);
  assert.equal(conversation.leaf, question.id);
  tree.removeMessage(conversation, question.id);
  assert.deepEqual([conversation.leaf, conversation.roots], [null, []]);
});

test("a request holds the system prompt and the way to the message", () => {
  const { conversation, first } = sample();
  assert.deepEqual(tree.requestMessages(conversation, first.id), [
    { role: "system", content: "Be brief." }, { role: "user", content: "Hi" }, { role: "assistant", content: "Hello" },
  ]);
});

test("tool calls and their results go back as they came", () => {
  const conversation = tree.newConversation();
  const calls = [];
  addToolPiece(calls, { index: 0, id: "c", function: { name: "f", arguments: "" } });
  addToolPiece(calls, { index: 0, function: { arguments: '{"a"' } });
  addToolPiece(calls, { index: 0, function: { arguments: ": 1}" } });
  const call = tree.addMessage(conversation, null, { role: "assistant", toolCalls: calls });
  tree.addMessage(conversation, call.id, { role: "tool", content: "2", toolCallId: "c" });
  assert.deepEqual(tree.requestMessages(conversation), [
    { role: "assistant", content: null, tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: '{"a": 1}' } }] },
    { role: "tool", content: "2", tool_call_id: "c" },
  ]);
});

test("search looks into every branch", () => {
  const { conversation } = sample();
  assert.ok(tree.matches(conversation, "hello HI") && tree.matches(conversation, "more") && !tree.matches(conversation, "hello x"));
});

test("an export is imported as it was", () => {
  const { conversation, first } = sample();
  tree.show(conversation, first.id);
  const [copy] = exchange.fromJSON(exchange.toJSON([conversation]));
  assert.notEqual(copy.id, conversation.id);
  assert.deepEqual(copy.nodes[first.id].content, "Hello");
  assert.deepEqual(texts(copy), texts(conversation));
  assert.deepEqual(copy.system, "Be brief.");
});

test("messages in OpenAI's form are imported", () => {
  const [conversation] = exchange.fromJSON(JSON.stringify({ messages: [
    { role: "system", content: "S" }, { role: "user", content: [{ type: "text", text: "U" }] }, { role: "assistant", content: "A" }] }));
  assert.equal(conversation.system, "S");
  assert.deepEqual(texts(conversation), ["U", "A"]);
});

test("broken files are refused with a reason", () => {
  const bad = ["", "{", "[1]", "{}", '{"messages": [{"role": "wizard"}]}', '{"format": "martlet-conversations", "conversations": [{}]}',
    '{"format": "martlet-conversations", "conversations": [{"nodes": {}, "roots": ["a"]}]}',
    '{"format": "martlet-conversations", "conversations": [{"nodes": {"a": {"role": "user", "children": ["a"]}}, "roots": ["a"]}]}',
    '{"format": "martlet-conversations", "conversations": [{"nodes": {}, "roots": ["__proto__"]}]}'];
  for (const text of bad) assert.throws(() => exchange.fromJSON(text), Error, text);
});

test("a vote is a pair of answers to the same messages", () => {
  const { conversation, first, second } = sample();
  const vote = exchange.preference(conversation, conversation.nodes[second.id], conversation.nodes[first.id]);
  const line = exchange.preferencesToJSONL([vote, vote]).trimEnd().split("\n");
  assert.equal(line.length, 2);
  assert.deepEqual(JSON.parse(line[0]), {
    prompt: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }],
    chosen: [{ role: "assistant", content: "Hey" }], rejected: [{ role: "assistant", content: "Hello" }],
  });
});

test("Markdown has what is shown", () => {
  const { conversation } = sample();
  const text = exchange.toMarkdown(conversation, { user: "You", assistant: "Model" });
  assert.equal(text, "# Hi\n\n> Be brief.\n\n**You**\n\nHi\n\n**Model** (b)\n\nHey\n");
});

test("thoughts are told apart while they come", () => {
  assert.deepEqual(splitReasoning("<think>a"), { reasoning: "a", content: "" });
  assert.deepEqual(splitReasoning("<think>a</think>\n\nb"), { reasoning: "a", content: "b" });
  assert.deepEqual(splitReasoning("b <think>"), { reasoning: "", content: "b <think>" });
});

test("only what was set is sent", () => {
  // What a reader wants, and nothing that changes how tokens are drawn.
  assert.deepEqual(requestFields({}), chatDefaults);
  assert.deepEqual(Object.keys(chatDefaults), ["max_tokens", "repetition_detection"]);
  const { repetition_detection } = chatDefaults;
  assert.deepEqual(requestFields({ temperature: 0, top_k: undefined, max_tokens: 5, seed: 0, stop: "a\n\nb" }),
    { max_tokens: 5, repetition_detection, temperature: 0, seed: 0, stop: ["a", "b"] });
  assert.deepEqual(tools({ tools: '[{"name": "f"}]' }), [{ type: "function", function: { name: "f" } }]);
  assert.throws(() => tools({ tools: "{}" }));
});
