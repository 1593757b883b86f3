/** Streams one answer into a message. */
import { explain, stream } from "../api.js";
import { requestFields, tools } from "./settings.js";
import { requestMessages } from "./tree.js";

/** What stands between `<think>` marks at the beginning belongs to the reasoning, where the server did not split it. */
export function splitReasoning(content) {
  const match = /^\s*<think>([\s\S]*?)(?:<\/think>\s*|$)/.exec(content);
  return match ? { reasoning: match[1].trim(), content: content.slice(match[0].length) } : { reasoning: "", content };
}

/** Adds a piece of a tool call to the calls so far. */
export function addToolPiece(calls, piece) {
  const index = piece.index ?? calls.length;
  calls[index] ??= { id: "", name: "", arguments: "" };
  if (piece.id) calls[index].id = piece.id;
  if (piece.function?.name) calls[index].name += piece.function.name;
  if (piece.function?.arguments) calls[index].arguments += piece.function.arguments;
}

/**
 * Asks `node.model` for what comes after the messages above `node`, and writes it there as it comes.
 * @param {AbortSignal} signal stops it; what has come stays
 * @param {() => void} onPiece after every change
 */
export async function generate(conversation, node, signal, onPiece) {
  const start = performance.now();
  let first, pieces = 0;
  node.pending = true;
  node.error = undefined;
  try {
    const body = {
      model: node.model, messages: requestMessages(conversation, node.parent), stream_options: { include_usage: true },
      ...requestFields(conversation.settings),
    };
    const functions = tools(conversation.settings);
    if (functions) body.tools = functions;
    await stream("/v1/chat/completions", body, { signal, onEvent: (event) => {
      if (event.usage) node.usage = event.usage;
      if (event.timings) node.timings = event.timings;
      const choice = event.choices?.[0];
      if (!choice) return;
      const { content, reasoning_content, reasoning, tool_calls } = choice.delta ?? {};
      const thought = reasoning_content ?? reasoning;
      if (content || thought || tool_calls) {
        first ??= performance.now();
        pieces++;
      }
      if (content) node.content += content;
      if (thought) node.reasoning = (node.reasoning ?? "") + thought;
      for (const piece of tool_calls ?? []) addToolPiece((node.toolCalls ??= []), piece);
      if (choice.finish_reason) node.finish = choice.finish_reason;
      onPiece();
    } });
  } catch (error) {
    if (signal.aborted) node.finish = "stopped";
    else node.error = explain(error);
  }
  node.pending = undefined;
  const seconds = first ? (performance.now() - first) / 1000 : 0;
  const tokens = node.usage?.completion_tokens ?? pieces;
  node.stats = {
    tokens, firstSeconds: first ? (first - start) / 1000 : null,
    perSecond: node.timings?.predicted_per_second ?? (seconds > 0 && tokens > 1 ? (tokens - 1) / seconds : null),
    cached: node.usage?.prompt_tokens_details?.cached_tokens,
  };
  onPiece();
}
