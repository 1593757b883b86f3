/** Builds elements. Text always goes through text nodes, never through markup. */

/**
 * @param {string} tag "div" or "div.class.other"
 * @param {object} properties `on…` are listeners, `class`, `data`, `style` (an object), `aria-…` and other attributes;
 *   what the element knows as a property (value, disabled, …) is set as one. Null and false leave an attribute out.
 * @param {...(Node|string|null|Array)} children
 */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className += " " + value;
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "style") Object.assign(element.style, value);
    else if (key in element && !key.includes("-") && key !== "list" && key !== "role") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child.nodeType ? child : document.createTextNode(String(child)));
  }
}

export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

const drawings = {
  menu: "M4 7h16M4 12h16M4 17h16", plus: "M12 5v14M5 12h14", send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z", copy: "M9 9h10v10H9zM5 15V5h10", edit: "M4 20h4L19 9l-4-4L4 16z",
  again: "M20 11a8 8 0 1 0-2.3 6M20 5v6h-6", left: "M14 6l-6 6 6 6", right: "M10 6l6 6-6 6", close: "M6 6l12 12M18 6L6 18",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", sliders: "M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M8 15v4",
  key: "M8 11.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10.5 12.5L19 4M15.5 7.5l3 3", sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1M12 20v1M3 12h1M20 12h1M5.6 5.6l.8.8M17.6 17.6l.8.8M18.4 5.6l-.8.8M6.4 17.6l-.8.8",
  moon: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z", save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  open: "M12 16V5M7 9l5-5 5 5M5 20h14", up: "M8 11v9M8 11l4-7c2 0 2.5 1.5 2 4l-.5 2H19l-1.5 9H8M4 11h4v9H4z",
  columns: "M4 5h7v14H4zM13 5h7v14h-7z", pause: "M8 6v12M16 6v12", down: "M6 10l6 6 6-6",
};

/** A line drawing of 24 by 24. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", drawings[name] ?? "");
  svg.append(path);
  return svg;
}

/** A button that shows a drawing only; what it does is its label. */
export function iconButton(name, label, onclick, more = {}) {
  return el("button.icon.plain", { type: "button", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

export function toast(text) {
  document.querySelector(".toast")?.remove();
  const note = el("div.toast", { role: "status" }, text);
  document.body.append(note);
  setTimeout(() => note.remove(), 3200);
}

/** On a phone the keyboard and the fields fill the screen: what a press of a button brought is moved up, below the bar. */
export function bringIntoView(element) {
  if (!matchMedia("(max-width: 800px)").matches) return;
  document.activeElement?.blur();
  scrollTo(element);
}

/** Slides there, or jumps for who wants nothing to move. */
export function scrollTo(element) {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "start", behavior: isStill ? "auto" : "smooth" });
}

/** Cells that show something when they are pointed at: the arrow keys go from one to the next where `table` has the focus. */
export function arrowKeys(table) {
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || event.target !== table) return;
    const rows = [...table.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")]);
    const at = rows.findIndex((row) => row.some((cell) => cell.matches(".seen")));
    const next = at < 0 ? rows[0]?.[0] : rows[at + step[0]]?.[rows[at].findIndex((cell) => cell.matches(".seen")) + step[1]];
    event.preventDefault();
    next?.click();
    next?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  return table;
}

/** Hands a file to the person. */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Asks for a file and reads it as text: `{name, text}`, or null when none is chosen. */
export function pickNamedFile(accept) {
  return new Promise((resolve) => {
    const input = el("input", { type: "file", accept });
    input.addEventListener("change", async () =>
      resolve(input.files[0] ? { name: input.files[0].name, text: await input.files[0].text() } : null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}
export const pickFile = async (accept) => (await pickNamedFile(accept))?.text ?? null;

export async function copyText(text) {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: try the old way */ }
  }
  const area = el("textarea", { value: text, style: { position: "fixed", opacity: "0" } });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
