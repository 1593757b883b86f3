/** Which of a method's options the Tune page asks for, and what the server is sent. No drawing here. */

/** Those that are asked for first, in this order; the others are behind them. */
const first = {
  sft: ["adapter", "rank", "learning_rate", "epochs", "steps", "batch_rows", "context_length"],
  dpo: ["adapter", "rank", "loss", "beta", "learning_rate", "epochs", "steps", "batch_rows", "context_length"],
  reward: ["learning_rate", "epochs", "steps", "batch_rows", "context_length"],
  grpo: ["task", "reward", "adapter", "rank", "learning_rate", "steps", "problems", "group_size", "maximum_tokens", "kl_weight"],
  ppo: ["task", "reward", "learning_rate", "steps", "problems", "maximum_tokens", "kl_weight"],
  distill: ["teacher", "adapter", "rank", "learning_rate", "epochs", "steps", "batch_rows", "context_length"],
};

/** What the page sets where nobody has: a small adapter instead of the whole model. */
export const suggested = { adapter: "lora" };

/**
 * @param {{name: string, options: {name: string, shown: boolean, part: string}[]}} method as the server describes it
 * @returns {{main: object[], more: {part: string, options: object[]}[]}}
 */
export function arranged(method) {
  const names = first[method.name] ?? [];
  const main = names.map((name) => method.options.find((option) => option.name === name)).filter(Boolean);
  const more = [];
  for (const option of method.options) {
    if (!option.shown || names.includes(option.name)) continue;
    let group = more.find((one) => one.part === option.part);
    if (!group) more.push(group = { part: option.part, options: [] });
    group.options.push(option);
  }
  return { main, more };
}

/**
 * What an option is where nobody sets it, with what is chosen of the others.
 * @param {{default: ?string, default_by: ?Object<string, Object<string, string>>}} option
 * @param {(name: string) => ?string} chosen the value of another option in the form
 */
export function usualOf(option, chosen) {
  for (const [name, values] of Object.entries(option.default_by ?? {})) {
    const usual = values[chosen(name)];
    if (usual !== undefined) return usual;
  }
  return option.default ?? "";
}

/** A field's text as the value that the server wants: undefined where it says nothing. */
export function valueOf(kind, text) {
  const plain = text.trim();
  if (plain === "") return undefined;
  if (kind.type === "flag") return plain === "true";
  if (kind.type === "integer" || kind.type === "number") {
    const number = Number(plain);
    // What is no number is told by the server, in its own words.
    return Number.isFinite(number) ? number : plain;
  }
  return plain;
}

/** A name that no run has: "sft-1", "sft-2", … */
export function freeName(method, taken) {
  for (let number = 1; ; number++) {
    const name = `${method}-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** "1.5 MB" */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes, at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at++; }
  return `${at && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}
