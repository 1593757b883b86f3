/** Light colouring of source text: comments, strings, numbers and words of the language. */
const words = {
  c: `auto break case char const continue default do double else enum extern float for goto if inline int long register
    return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false class
    namespace template typename public private protected virtual new delete this using nullptr constexpr throw try catch`,
  js: `async await break case catch class const continue default delete do else export extends false finally for from
    function get if import in instanceof interface let new null of return set static super switch this throw true try type
    typeof undefined var void while yield enum implements readonly`,
  py: `and as assert async await break class continue def del elif else except False finally for from global if import in
    is lambda None nonlocal not or pass raise return True try while with yield match case self`,
  swift: `actor any as associatedtype async await break case catch class continue convenience default defer deinit do else
    enum extension fallthrough false fileprivate final for func guard if import in init inout internal is lazy let mutating
    nil open operator override package precondition private protocol public repeat rethrows return self Self some static
    struct subscript super switch throw throws true try typealias var weak where while`,
  rust: `as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut
    pub ref return self Self static struct super trait true type unsafe use where while`,
  go: `break case chan const continue default defer else fallthrough false for func go goto if import interface map nil
    package range return select struct switch true type var`,
  java: `abstract boolean break byte case catch char class const continue default do double else enum extends false final
    finally float for if implements import instanceof int interface long native new null package private protected public
    return short static super switch synchronized this throw throws true try var void volatile while fun val when object`,
  sh: `if then else elif fi for while until do done case esac in function return local export echo cd set unset exit source
    sudo test true false`,
  sql: `select from where and or not in is null insert into values update set delete create table alter drop index join left
    right inner outer on group by order having limit offset as distinct union all case when then else end primary key
    foreign references default count sum avg min max between like exists with`,
  json: "true false null",
};
const same = {
  javascript: "js", typescript: "js", ts: "js", jsx: "js", tsx: "js", python: "py", cpp: "c", "c++": "c", h: "c", cs: "java",
  "c#": "java", kotlin: "java", bash: "sh", shell: "sh", zsh: "sh", console: "sh", golang: "go", rs: "rust", jsonc: "json",
  jsonl: "json", yml: "yaml", htm: "html", xml: "html", svg: "html",
};
const hashComments = new Set(["py", "sh", "yaml", "toml", "ruby", "rb", "r", "make", "dockerfile", "perl"]);
const sets = Object.fromEntries(Object.entries(words).map(([name, list]) => [name, new Set(list.trim().split(/\s+/))]));

function pattern(kind) {
  const comment = hashComments.has(kind) ? "#[^\\n]*" : kind === "sql" ? "--[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)"
    : kind === "html" ? "<!--[\\s\\S]*?(?:-->|$)" : kind === "json" ? "(?!)" : "//[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)";
  const triple = kind === "py" || kind === "swift" ? `"""[\\s\\S]*?(?:"""|$)|'''[\\s\\S]*?(?:'''|$)|` : "";
  const tick = kind === "js" || kind === "go" || kind === "sh" ? "|`(?:\\\\.|[^`\\\\])*(?:`|$)" : "";
  const single = kind === "rust" ? "" : "|'(?:\\\\.|[^'\\\\\\n])*'";
  const string = `${triple}"(?:\\\\.|[^"\\\\\\n])*"${single}${tick}`;
  return new RegExp(`(${comment})|(${string})|(\\b\\d[\\w.]*\\b)|([\\p{L}_$@#][\\p{L}\\p{N}_$]*)`, "gu");
}

/**
 * @returns {{text: string, kind: "comment"|"string"|"number"|"word"|"call"|null}[]} whose texts joined are `source`
 */
export function highlight(source, language) {
  const kind = same[language] ?? language;
  if (!language || source.length > 60_000 || ["text", "plain", "txt", "markdown", "md", "diff"].includes(kind)) {
    return [{ text: source, kind: null }];
  }
  const known = sets[kind];
  const out = [];
  let last = 0;
  const put = (text, what) => { if (text) out.push({ text, kind: what }); };
  for (const match of source.matchAll(pattern(kind))) {
    const [text, comment, string, digits, name] = match;
    let what = comment ? "comment" : string ? "string" : digits ? "number" : null;
    if (name) {
      if (known?.has(name) || kind === "sql" && known.has(name.toLowerCase())) what = "word";
      else if (source[match.index + text.length] === "(" && kind !== "html") what = "call";
    }
    if (!what) continue;
    put(source.slice(last, match.index), null);
    put(text, what);
    last = match.index + text.length;
  }
  put(source.slice(last), null);
  return out;
}
