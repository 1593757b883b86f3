import MartletJSON
import MartletSystem

/// The rows of tasks with what every model answered, side by side, to search and filter on the results page.
extension PairedComparison {
    /// Rows of a task on the page; those that are left out are counted there.
    static let mostRows = 1000
    /// Characters of a prompt (its end) and of an answer (its beginning).
    static let promptLength = 3000, answerLength = 2000

    /// Empty where no task has rows.
    var browser: String {
        var tasks: [JSON] = []
        var names: [String] = []
        for (_, results) in models {
            for task in results where !task.isGroup && !task.samples.isEmpty && !names.contains(task.name) {
                names.append(task.name)
            }
        }
        for name in names {
            let own = models.map { model in model.results.first { $0.name == name && !$0.isGroup } }
            guard let first = own.compactMap({ $0 }).first(where: { !$0.samples.isEmpty }) else { continue }
            let score = first.scores.first { score in first.samples.contains { $0.values[score.metric] != nil } }
            let filter = score?.filter ?? first.samples[0].filter, metric = score?.metric
            let byRow = own.map { task in
                Dictionary(
                    (task?.samples ?? []).filter { $0.filter == filter }.map { ($0.row, $0) },
                    uniquingKeysWith: { a, _ in a })
            }
            let places = Set(byRow.flatMap(\.keys)).sorted()
            let rows = places.prefix(Self.mostRows).map { place -> JSON in
                let samples = byRow.map { $0[place] }, shown = samples.compactMap { $0 }.first
                return [
                    "row": .integer(Int64(place)), "prompt": .string(Self.prompt(shown?.json)),
                    "target": .string(Self.text(shown?.json["target"], Self.answerLength)),
                    "answers": .array(samples.map { .string(Self.answer($0?.json)) }),
                    "values": .array(
                        samples.map { sample in
                            metric.flatMap { sample?.values[$0] }.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
                        }),
                ]
            }
            tasks.append([
                "task": .string(name), "metric": .string(metric ?? ""), "filter": .string(filter),
                "higher": .bool(score?.isHigherBetter ?? true), "rows": .array(rows),
                "total": .integer(Int64(places.count)),
            ])
        }
        guard !tasks.isEmpty else { return "" }
        let data: JSON = ["models": .array(models.map { .string($0.name) }), "tasks": .array(tasks)]
        // Inside a script only this could end it.
        let text = data.text().replacing(all: "<", with: "\\u003c")
        return """
            <h2>Samples</h2><noscript><p>Browsing samples needs JavaScript.</p></noscript>
            <div id="browser"></div><script type="application/json" id="samples">\(text)</script>
            <script>\(SampleBrowser.script)</script>
            """
    }

    /// The end of what was asked.
    private static func prompt(_ sample: JSONObject?) -> String {
        let first = sample?["arguments"]?["gen_args_0"]?["arg_0"]?.string ?? sample?["doc"]?.text() ?? ""
        return first.count > promptLength ? "…" + String(first.suffix(promptLength)) : first
    }

    /// Replies as they are; of log-likelihoods each choice with its own.
    private static func answer(_ sample: JSONObject?) -> String {
        guard let sample else { return "" }
        let filtered = sample["filtered_resps"]?.array ?? [], arguments = sample["arguments"]?.object
        var lines: [String] = []
        for (index, reply) in (sample["resps"]?.array ?? []).enumerated() {
            let own = reply.array?.first ?? reply
            if let pair = own.array, pair.count == 2 {
                let continuation = arguments?["gen_args_\(index)"]?["arg_1"]?.string ?? ""
                lines.append("\(continuation)  \(number(pair[0]))")
            } else {
                lines.append(own.string ?? own.text())
            }
        }
        let kept = filtered.count == 1 && lines.count == 1 ? text(filtered[0], answerLength) : ""
        let whole = lines.joined(separator: "\n")
        let cut = whole.count > answerLength ? String(whole.prefix(answerLength)) + "…" : whole
        return kept.isEmpty || kept == cut ? cut : cut + "\n→ " + kept
    }

    private static func number(_ json: JSON) -> String {
        json.double.map { ResultTable.fixed($0) } ?? json.string.flatMap { Double($0) }.map { ResultTable.fixed($0) }
            ?? json.text()
    }

    private static func text(_ json: JSON?, _ limit: Int) -> String {
        guard let json else { return "" }
        let text = json.string ?? json.text()
        return text.count > limit ? String(text.prefix(limit)) + "…" : text
    }
}

/// The script and style of the browser.
enum SampleBrowser {
    static let style = """
        .controls { display: flex; flex-wrap: wrap; gap: .7rem; align-items: end; margin: 1rem 0 }
        .controls label { display: flex; flex-direction: column; font-size: .8rem; gap: .15rem }
        .controls select, .controls input, .controls button { font: inherit; padding: .25rem .5rem; max-width: 22rem }
        .sample { border: 1px solid #8884; border-radius: 8px; padding: .7rem 1rem; margin: .8rem 0 }
        .answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: .8rem; margin-top: .6rem }
        .answers > div { border-left: 4px solid #8886; padding-left: .7rem } .answers .right { border-color: #0072b2 }
        .answers .wrong { border-color: #d55e00 } .quiet { opacity: .7; font-size: .85rem }
        """

    static let script = """
        "use strict";
        (() => {
          const data = JSON.parse(document.getElementById("samples").textContent), root = document.getElementById("browser");
          const size = 20;
          let page = 0;
          const el = (tag, properties, ...children) => {
            const node = document.createElement(tag);
            Object.assign(node, properties);
            node.append(...children.filter((child) => child !== null));
            return node;
          };
          const choice = (id, name, options) => {
            const select = el("select", { id, onchange: () => { page = 0; draw(); } }, ...options.map(([value, text]) => el("option", { value }, text)));
            return [select, el("label", {}, name, select)];
          };
          const [task, taskLabel] = choice("browse-task", "task", data.tasks.map((one, at) => [at, one.task]));
          const filters = [["all", "all rows"], ["right", "all models right"], ["wrong", "all models wrong"], ["differ", "models differ"],
            ...(data.models.length > 1 ? data.models.map((name, at) => ["only" + at, "only " + name + " right"]) : [])];
          const [filter, filterLabel] = choice("browse-filter", "show", filters);
          const search = el("input", { type: "search", id: "browse-search", oninput: () => { page = 0; draw(); } });
          const count = el("span", { className: "quiet", id: "browse-count" }), list = el("div", {});
          const turn = (by, text) => el("button", { type: "button", onclick: () => { page += by; draw(); } }, text);
          const before = turn(-1, "◀ before"), after = turn(1, "after ▶");
          root.append(el("div", { className: "controls" }, taskLabel, filterLabel, el("label", {}, "search", search), before, after, count), list);

          const isBinary = (one) => one.rows.every((row) => row.values.every((value) => value === null || value === 0 || value === 1));
          const passes = (row, kind, good) => {
            const values = row.values;
            if (kind === "right") return values.every((value) => value === good);
            if (kind === "wrong") return values.every((value) => value === 1 - good);
            if (kind === "differ") return new Set(values).size > 1;
            if (kind.startsWith("only")) return values.every((value, at) => (value === good) === (at === Number(kind.slice(4))));
            return true;
          };
          function draw() {
            const one = data.tasks[Number(task.value)], words = search.value.toLowerCase(), binary = isBinary(one);
            for (const option of filter.options) option.disabled = !binary && !["all", "differ"].includes(option.value);
            if (filter.selectedOptions[0].disabled) filter.value = "all";
            const found = one.rows.filter((row) => passes(row, filter.value, one.higher ? 1 : 0)
              && (!words || [row.prompt, row.target, ...row.answers].some((text) => text.toLowerCase().includes(words))));
            const pages = Math.max(1, Math.ceil(found.length / size));
            page = Math.min(Math.max(page, 0), pages - 1);
            before.disabled = page === 0;
            after.disabled = page === pages - 1;
            const left = one.total - one.rows.length;
            count.textContent = found.length + " of " + one.rows.length + " rows, page " + (page + 1) + " of " + pages
              + (left ? "; " + left + " more rows are in the samples file only" : "") + (one.metric ? "; " + one.metric + "," + one.filter : "");
            list.replaceChildren(...found.slice(page * size, (page + 1) * size).map((row) => el("article", { className: "sample" },
              el("div", { className: "quiet" }, "row " + row.row), el("pre", {}, row.prompt),
              row.target ? el("p", {}, "target: ", el("b", {}, row.target)) : null,
              el("div", { className: "answers" }, ...data.models.map((name, at) => {
                const value = row.values[at], kind = !binary || value === null ? "" : value === (one.higher ? 1 : 0) ? "right" : "wrong";
                return el("div", { className: kind }, el("b", {}, name), " ",
                  el("span", { className: "quiet" }, value === null ? "" : String(Math.round(value * 1e4) / 1e4)), el("pre", {}, row.answers[at]));
              })))));
          }
          draw();
        })();
        """
}
