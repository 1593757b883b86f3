/** Links of the documentation's files, as the page has them. No drawing here. */

/** Links to other files of the folder become links to their pages, those out of a translation's to pages in English. Notes to
    who keeps the pages are left out. */
export function withLinks(source, origin) {
  return source.replace(/^<!--.*-->\n/gm, "").split(/(^```[\s\S]*?^```)/m).map((part) => (part.startsWith("```") ? part
    : part.replace(/\]\((docs\/|\.\/|\.\.\/)?([\w-]+)\.md(#[^)\s]*)?\)/g, (all, folder, name, place) =>
      `](${origin}/docs?page=${name}${folder === "../" ? "&in=en" : ""}${place ?? ""})`)
      .replace(/\]\(#([^)\s]+)\)/g, (all, place) => `](${origin}/docs#${place})`))).join("");
}

/** The pages, in the order a newcomer reads. Each lies in docs and, in Chinese, in docs/zh. */
export const names = ["install", "first-ten-minutes", "train-your-own", "library", "change-one-thing", "troubleshooting", "can-you",
  "commands", "options", "log-records", "routes", "api", "tuning", "quantization", "evaluation", "performance", "architecture",
  "how-to-add", "fuzzing"];

/** What a link to a heading names it by. */
export const headingId = (text) =>
  text.trim().toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, "").replace(/\s+/g, "-");
