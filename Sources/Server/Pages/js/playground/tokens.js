/** Tokens of a completion, as its log-probabilities tell them. No drawing here. */

/**
 * @param {{tokens: string[], token_logprobs: (number|null)[], top_logprobs: (object|null)[]}} logprobs as OpenAI's text
 *   completions give them
 * @returns {{text: string, probability: number|null, alternatives: {text: string, probability: number, isChosen: boolean}[]}[]}
 */
export function tokensOf(logprobs) {
  return logprobs.tokens.map((text, index) => {
    const chosen = logprobs.token_logprobs[index];
    const top = Object.entries(logprobs.top_logprobs?.[index] ?? {});
    const alternatives = top.map(([name, value]) => ({ text: name, probability: Math.exp(value), isChosen: name === text }))
      .sort((a, b) => b.probability - a.probability);
    return { text, probability: chosen === null || chosen === undefined ? null : Math.exp(chosen), alternatives };
  });
}

/** exp of the mean surprise over the tokens that have a probability. */
export function perplexity(tokens) {
  const known = tokens.filter((token) => token.probability !== null);
  const total = known.reduce((sum, token) => sum - Math.log(Math.max(token.probability, 1e-300)), 0);
  return { value: known.length ? Math.exp(total / known.length) : null, count: known.length };
}

/** A token so that it can be seen: spaces and line ends are drawn, what is no text is a mark. */
export function visible(text) {
  if (text === "") return "∅";
  return text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "·");
}

/** A byte list as text, or null where it is no UTF-8 by itself. */
export function textOfBytes(bytes) {
  try { return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)); } catch { return null; }
}

/** Pieces as the server's `/tokenize` gives them (`{id, piece: string | bytes}`), with their bytes. */
export function pieces(tokens) {
  const encoder = new TextEncoder();
  return tokens.map((token) => {
    if (typeof token === "number") return { id: token, text: String(token), bytes: [] };
    const bytes = Array.isArray(token.piece) ? token.piece : [...encoder.encode(token.piece)];
    return { id: token.id, text: Array.isArray(token.piece) ? textOfBytes(bytes) : token.piece, bytes };
  });
}

export const hex = (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
