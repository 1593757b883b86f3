/** What temperature, top-k, top-p and min-p make of logits, in the order of the server's sampler. No drawing here. */

/**
 * @param {Float32Array|number[]} logits of the whole vocabulary
 * @param {{temperature: number, topK: number, topP: number, minP: number}} options
 * @param {number} count how many of the best to tell of
 * @returns {{kept: number, entries: {token: number, before: number, probability: number}[]}} best first; `before` is the
 *   probability without filters at this temperature, `probability` that of being drawn
 */
export function distribution(logits, { temperature, topK, topP, minP }, count = 20) {
  const top = logits.reduce((best, logit) => Math.max(best, logit), -Infinity);
  const isGreedy = temperature === 0;
  const scale = isGreedy ? 1 : 1 / temperature;
  let total = 0;
  const candidates = [];
  const floor = top - 40 / scale;
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp((logits[token] - top) * scale);
    total += weight;
    // Below e⁻⁴⁰ of the best nothing is ever drawn or shown.
    if (logits[token] > floor) candidates.push({ token, weight });
  }
  candidates.sort((a, b) => b.weight - a.weight || a.token - b.token);
  let kept = candidates.length;
  if (isGreedy) kept = 1;
  else {
    if (topK > 0) kept = Math.min(kept, topK);
    if (topP < 1) {
      const mass = topK > 0 ? candidates.slice(0, kept).reduce((sum, one) => sum + one.weight, 0) : total;
      let sum = 0, nucleus = 0;
      while (nucleus < kept && sum < topP * mass) sum += candidates[nucleus++].weight;
      kept = Math.max(1, nucleus);
    }
    if (minP > 0) {
      const below = candidates.slice(0, kept).findIndex((one) => one.weight < minP);
      if (below >= 0) kept = below;
    }
  }
  const everything = !isGreedy && topK === 0 && topP >= 1 && minP === 0;
  const drawn = everything ? total : candidates.slice(0, kept).reduce((sum, one) => sum + one.weight, 0);
  return {
    kept: everything ? logits.length : kept,
    entries: candidates.slice(0, count).map(({ token, weight }, index) => ({
      token, before: weight / total, probability: everything || index < kept ? weight / drawn : 0,
    })),
  };
}
