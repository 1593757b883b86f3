/** What a run's log says, as points. No drawing here. */

/**
 * Puts lines of `log.jsonl` into a run. Of a step that was done again after a resume, the later line counts, and what
 * came after it before is forgotten.
 */
export function addLines(run, lines) {
  run.steps ??= new Map();
  run.evaluations ??= new Map();
  run.scores ??= [];
  run.sessions ??= [];
  run.tables ??= new Map();
  for (const line of lines) {
    if (line.kind === "run") run.sessions.push(line);
    else if (line.kind === "completions" || line.kind === "pairs") run.tables.set(`${line.step} ${line.kind}`, line);
    else if (line.kind === "score") run.scores.push(line);
    else if (line.kind === "evaluation") run.evaluations.set(line.step, line);
    else if (Number.isFinite(line.step)) run.steps.set(line.step, line);
  }
  return run;
}

/** How much of a run is done, from 0 to 1, by the bound that is nearer. */
export function share(run) {
  const steps = run.steps_planned ? run.step / run.steps_planned : 0;
  const minutes = run.minutes_planned ? run.minutes / run.minutes_planned : 0;
  return Math.min(1, Math.max(steps, minutes));
}

/** Replies and pairs that were logged, by step. */
export const tablesOf = (run) => [...(run.tables?.values() ?? [])].sort((a, b) => a.step - b.step);

const known = new Set(["kind", "step", "loss", "reward", "learning_rate", "gradient_norm", "tokens_per_second", "seconds", "peak_share",
  "peak_memory_bytes", "perplexity", "bits_per_byte", "count"]);
/** What is looked at first, of all that an objective logs. */
export const important = ["rewards/margins", "rewards/accuracies", "rewards/chosen", "rewards/rejected", "kl", "objective/kl", "entropy", "reward_std",
  "mean_token_accuracy", "accuracy", "margin", "completions/mean_length", "completions/clipped_ratio"];

/** Names of the numbers that the objective logs (TRL's), those that are looked at first at the front. */
export function metricNames(runs) {
  const names = new Set();
  for (const run of runs) {
    // Some are logged at some steps only: the first, some in between, the last.
    const steps = [...(run.steps?.values() ?? [])], stride = Math.max(1, Math.floor(steps.length / 50));
    for (const line of [...steps.filter((_, index) => index % stride === 0), ...steps.slice(-1), ...(run.evaluations?.values() ?? [])]) {
      for (const [name, value] of Object.entries(line)) if (!known.has(name) && Number.isFinite(value)) names.add(name);
    }
  }
  return [...important.filter((name) => names.has(name)), ...[...names].filter((name) => !important.includes(name)).sort()];
}

const sorted = (map) => [...map.values()].sort((a, b) => a.step - b.step);
export const stepsOf = (run) => sorted(run.steps ?? new Map());
export const evaluationsOf = (run) => sorted(run.evaluations ?? new Map());

/** Whether a run's loss is nats per token: that of next tokens has a perplexity; those of preferences, rewards and labels have none. */
export const isInNats = (run) => evaluationsOf(run).some((line) => Number.isFinite(line.perplexity));

/** Tokens done up to each step, from the speeds and times of the log: nothing else says them. */
function tokensAt(steps) {
  let tokens = 0, seconds = 0;
  return new Map(steps.map((line) => {
    tokens += (line.tokens_per_second ?? 0) * Math.max(0, (line.seconds ?? 0) - seconds);
    seconds = line.seconds ?? seconds;
    return [line.step, tokens];
  }));
}

/**
 * @param {"step"|"time"|"tokens"} axis
 * @param {"step"|"evaluation"} kind of lines
 * @returns {number[][]} [x, y], without gaps
 */
export function points(run, name, axis, kind = "step") {
  const steps = stepsOf(run);
  const lines = kind === "step" ? steps : evaluationsOf(run);
  const tokens = axis === "tokens" ? tokensAt(steps) : null;
  const place = (line) => {
    if (axis === "step") return line.step;
    const near = kind === "step" ? line : steps.findLast((step) => step.step <= line.step);
    if (!near) return NaN;
    return axis === "time" ? (near.seconds ?? NaN) / 60 : tokens.get(near.step);
  };
  return lines.filter((line) => Number.isFinite(line[name])).map((line) => [place(line), line[name]]);
}

/** Exponential smoothing without the pull to zero at the start: each value is a mean of all before, the newest heaviest. */
export function smooth(points, amount) {
  if (amount <= 0) return points;
  let sum = 0, weight = 0;
  return points.map(([x, y]) => {
    sum = sum * amount + y * (1 - amount);
    weight = weight * amount + (1 - amount);
    return [x, sum / weight];
  });
}

/** Options by name with each run's value; `differs` where they were not all chosen the same: what a run has from its parent
 * was not chosen, nor what follows by itself where another run, of another method, has no such option. */
export function compareConfigurations(runs) {
  const names = [...new Set(runs.flatMap((run) => run.configuration.map((option) => option.name)))];
  return names.map((name) => {
    const options = runs.map((run) => run.configuration.find((option) => option.name === name));
    const own = options.filter((option) => option && !option.inherited);
    const isMissed = options.includes(undefined) && own.some((option) => option.given !== false);
    const values = new Set(own.map((option) => JSON.stringify(option.value)));
    return { name, options, differs: isMissed || values.size > 1 };
  });
}
