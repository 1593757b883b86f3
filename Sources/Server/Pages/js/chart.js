/** Line charts as SVG, with a cross-hair that reads values off. */
import { el, replace } from "./dom.js";
import { significant } from "./i18n.js";

const svgSpace = "http://www.w3.org/2000/svg";
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Round numbers that cover low ... high, about `count` of them; at least `least` apart. */
export function ticks(low, high, count = 5, least = 0) {
  if (!(high > low)) return [low];
  const rough = Math.max((high - low) / count, least), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const out = [];
  // Counted, not added up: where the range is finer than numbers are, adding the step changes nothing.
  const first = Math.ceil(low / step);
  for (let index = 0; index <= 2 * count; index++) {
    const value = (first + index) * step;
    if (value > high + step * 1e-9) break;
    out.push(Math.abs(value) < step * 1e-9 ? 0 : Number(value.toPrecision(12)));
  }
  return out;
}

/** The powers of ten in low ... high, with 2 and 5 where they are few. */
export function logTicks(low, high) {
  const out = [];
  const factors = Math.log10(high / low) > 3 ? [1] : Math.log10(high / low) > 1 ? [1, 3] : [1, 2, 3, 5, 7];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) out.push(Number(value.toPrecision(3)));
    }
  }
  return out.length > 1 ? out : ticks(low, high);
}

/** Few enough points for a screen: of every stretch the smallest and the largest, so that no spike is lost. */
export function thin(points, most = 500) {
  if (points.length <= most) return points;
  const out = [], width = points.length / (most / 2);
  for (let start = 0; start < points.length; start += width) {
    const part = points.slice(Math.floor(start), Math.floor(start + width));
    if (!part.length) continue;
    let low = part[0], high = part[0];
    for (const point of part) {
      if (point[1] < low[1]) low = point;
      if (point[1] > high[1]) high = point;
    }
    out.push(...(low[0] < high[0] ? [low, high] : low === high ? [low] : [high, low]));
  }
  return out;
}

/**
 * @param {HTMLElement} target is filled with the chart
 * @param {{title: string, series: {name: string, colour: string, points: number[][], faint?: boolean, dots?: boolean}[],
 *   log?: boolean, height?: number, xName?: string, yName?: string}} chart
 */
export function lineChart(target, { title, series, log = false, height = 256, xName = "", yName = "" }) {
  // On a phone a drawing of the same size would have letters too small to read.
  const width = matchMedia("(max-width: 720px)").matches ? 380 : 560, left = 74, right = 22, top = 12, bottom = 46;
  const drawn = series.map((one) => ({
    ...one, points: thin(one.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!log || y > 0))),
  })).filter((one) => one.points.length);
  const all = drawn.flatMap((one) => one.points);
  if (!all.length) { replace(target, el("figcaption", {}, title), el("p.quiet.small", {}, "–")); return; }
  const range = (index) => all.reduce(([a, b], point) => [Math.min(a, point[index]), Math.max(b, point[index])],
    [Infinity, -Infinity]);
  const [x0, x1] = range(0);
  let [y0, y1] = range(1);
  // What differs by rounding alone is constant.
  if (y1 - y0 <= Math.abs(y1) * 1e-9) { y0 -= Math.abs(y0) * 0.1 || 1; y1 += Math.abs(y1) * 0.1 || 1; }
  const pad = log ? 0 : (y1 - y0) * 0.04;
  [y0, y1] = [log && y0 <= 0 ? 1e-12 : y0 >= 0 ? Math.max(0, y0 - pad) : y0 - pad, y1 + pad];
  const x = (value) => left + ((value - x0) / (x1 - x0 || 1)) * (width - left - right);
  const share = (value) => (log ? Math.log(value / y0) / Math.log(y1 / y0) : (value - y0) / (y1 - y0));
  const y = (value) => height - bottom - share(value) * (height - top - bottom);
  const lines = (log ? logTicks(y0, y1) : ticks(y0, y1, 4)).flatMap((value) => [
    svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    svg("text", { class: "tick", x: left - 7, y: y(value) + 4, "text-anchor": "end" }, significant(value)),
  ]);
  // There is no half of a layer or a step.
  const isWhole = all.every((point) => Number.isInteger(point[0]));
  const marks = ticks(x0, x1, 5, isWhole ? 1 : 0).map((value) =>
    svg("text", { class: "tick", x: x(value), y: height - 28, "text-anchor": "middle" }, significant(value)));
  const middle = (top + height - bottom) / 2;
  const names = [
    svg("text", { class: "tick", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, xName),
    svg("text", { class: "tick", transform: `translate(13 ${middle}) rotate(-90)`, "text-anchor": "middle" }, yName),
  ];
  const curves = drawn.flatMap((one) => {
    const path = one.points.map(([a, b], index) => `${index ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    const curve = svg("path", { d: path, class: one.faint ? "curve faint" : "curve", stroke: one.colour });
    const dots = one.dots || one.points.length === 1
      ? one.points.map(([a, b]) => svg("circle", { cx: x(a), cy: y(b), r: 2.6, fill: one.colour })) : [];
    return [curve, ...dots];
  });
  const hair = svg("line", { class: "hair", y1: top, y2: height - bottom, visibility: "hidden" });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, ...lines, ...marks, ...names,
    ...curves, hair);
  const reading = el("span.reading");
  const read = (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    if (at < left - 8 || at > width) { leave(); return; }
    const wanted = x0 + ((at - left) / (width - left - right)) * (x1 - x0);
    const parts = drawn.filter((one) => !one.faint).map((one) => {
      const near = one.points.reduce((best, point) => (Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best));
      const dot = el("i.dot");
      dot.style.background = one.colour;
      return el("span", {}, dot, significant(near[1]));
    });
    hair.setAttribute("x1", at);
    hair.setAttribute("x2", at);
    hair.setAttribute("visibility", "visible");
    replace(reading, el("span", {}, `${xName} ${significant(Number(wanted.toPrecision(4)))}`), parts);
  };
  const leave = () => { hair.setAttribute("visibility", "hidden"); replace(reading); };
  picture.addEventListener("pointermove", read);
  picture.addEventListener("pointerleave", leave);
  replace(target, el("figcaption", {}, el("b", {}, title), reading), picture);
}

const colours = ["#3b82b8", "#c8702e", "#3f9463", "#9560b8", "#c0504d", "#2f9a94", "#a88a2c", "#7a8594"];

/**
 * A colour for each name, which follows from the name as it does in reports (`RunColours`), whatever others there are; of two
 * that would have the same, the later takes the next that is free.
 * @returns {Map<string, string>}
 */
export function coloursOf(names) {
  const taken = colours.map(() => 0), out = new Map();
  for (const name of [...new Set(names)].sort()) {
    let hash = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    const fewest = Math.min(...taken);
    let place = hash % colours.length;
    while (taken[place] > fewest) place = (place + 1) % colours.length;
    taken[place] += 1;
    out.set(name, colours[place]);
  }
  return out;
}
