/** Talks to the server this page came from. */
import { serverText, t } from "./i18n.js";
import { EventParser } from "./sse.js";

const keyName = "martlet-key";
export const apiKey = () => sessionStorage.getItem(keyName) ?? "";
/** Kept for this tab only. */
export function setApiKey(key) {
  if (key) sessionStorage.setItem(keyName, key);
  else sessionStorage.removeItem(keyName);
}

/** What the server said, in its own words. */
export class ServerError extends Error {
  constructor(status, message, parameter, code) {
    super(message);
    this.status = status;
    this.parameter = parameter;
    this.code = code;
  }
}

/** There is no server, or it went away: `name` of the text that says which. The browser's own words are English in every language. */
export class ConnectionError extends Error {
  constructor(name, cause) { super(t(name), { cause }); }
}

/** What a person wrote that cannot be used; its message is in the language of the page. */
export class InputError extends Error {}

/**
 * What went wrong, in the language of the page: what the server says is translated by its code, with its own words behind
 * where they name more; a server that refuses a key is not one that does not answer.
 */
export function explain(error) {
  if (error instanceof ConnectionError || error instanceof InputError) return error.message;
  if (!(error instanceof ServerError)) return t("error", { why: error.message || String(error) });
  if (error.code === "invalid_api_key" || (error.status === 401 && apiKey())) return t("key.refused");
  if (error.status === 401) return t("key.missing");
  return serverText(error.code ?? (error.parameter ? "invalid_parameter" : ""), error.message, error.parameter ?? "");
}

async function send(path, body, { signal, method } = {}) {
  const headers = {};
  if (apiKey()) headers.Authorization = "Bearer " + apiKey();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: method ?? (body === undefined ? "GET" : "POST"), headers, signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((error) => { throw signal?.aborted ? error : new ConnectionError("no.server", error); });
  if (response.ok) return response;
  let error;
  try { error = (await response.json()).error; } catch { /* not our server's shape */ }
  if (response.status === 401) document.dispatchEvent(new Event("martlet-key-needed"));
  throw new ServerError(response.status, error?.message ?? `HTTP ${response.status}`, error?.param, error?.code);
}

export const getText = async (path, options) => (await send(path, undefined, options)).text();
export const getJSON = async (path, options) => (await send(path, undefined, options)).json();
export const postJSON = async (path, body, options) => (await send(path, body, options)).json();

/**
 * Posts and calls `onEvent` with each JSON event of the stream, until `[DONE]`.
 * @throws {ConnectionError} where the stream ends before that: what has come is a part
 */
export async function stream(path, body, { signal, onEvent }) {
  const response = await send(path, { ...body, stream: true }, { signal });
  const reader = response.body.getReader();
  const parser = new EventParser();
  for (;;) {
    const { done, value } = await reader.read()
      .catch((error) => { throw signal?.aborted ? error : new ConnectionError("reply.broken", error); });
    if (done) throw new ConnectionError("reply.broken");
    for (const event of parser.push(value)) {
      if (event.data === "[DONE]") return;
      const data = JSON.parse(event.data);
      if (data.error) throw new ServerError(0, data.error.message ?? "error", data.error.param, data.error.code);
      onEvent(data);
    }
  }
}

let known;
/** The models the server has: `[{id, max_model_len, …}]`, asked for once a page. */
export function models() {
  known ??= getJSON("/v1/models").then((answer) => answer.data ?? []);
  known.catch(() => { known = undefined; });
  return known;
}
/** What a model is called in a list: an adapter with the model it stands on. */
export const modelLabel = (model) => (model.parent && model.parent !== model.id ? `${model.id} (${model.parent})` : model.id);
const writes = new Set(["completion", "chat", "translation"]);
/** Those that write text: the others make embeddings, scores or classes. */
export async function textModels() {
  return (await models()).filter((model) => !model.capabilities || model.capabilities.some((one) => writes.has(one)));
}
/** Those that hold a conversation: the others have no chat template, and only go on with a text. */
export async function chatModels() {
  return (await models()).filter((model) => !model.capabilities || model.capabilities.includes("chat"));
}
