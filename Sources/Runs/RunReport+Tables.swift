import MartletJSON

extension RunRecord {
    /// The tasks that the run was scored in, in order.
    var tasks: [String] {
        var names: [String] = []
        for score in scores where !names.contains(score.task) { names.append(score.task) }
        return names
    }
}

extension RunReport {
    /// Held-out loss by step, with the runs side by side.
    var evaluations: String {
        let shown = runs.filter { !$0.evaluations.isEmpty }
        guard !shown.isEmpty else { return "" }
        var columns = ["#step"]
        for run in shown {
            let name = shown.count > 1 ? run.name + ": " : ""
            columns += ["#\(name)loss", "#perplexity", "#bits per byte"]
        }
        var table = HTMLTable(columns)
        for step in Set(shown.flatMap { $0.evaluations.map(\.step) }).sorted() {
            var cells: [String?] = [String(step)], classes: [Int: String] = [:]
            for run in shown {
                let found = run.evaluations.first { $0.step == step }
                let lowest = run.evaluations.map(\.loss).min()
                if let found, found.loss == lowest { classes[cells.count] = "differs" }
                cells += [decimal(found?.loss, 4), decimal(found?.perplexity, 2), decimal(found?.bitsPerByte, 4)]
            }
            table.add(cells, classes: classes)
        }
        return "<h2>Held-out loss</h2>" + table.html
    }

    /// The questions answered right by task and category, from the newest evaluation of each run.
    var scores: String {
        let shown = runs.filter { !$0.scores.isEmpty }
        var tasks: [String] = []
        for run in shown { tasks += run.tasks.filter { !tasks.contains($0) } }
        return tasks.map { task in
            let newest = shown.map { run in run.scores.last { $0.task == task } }
            var table = HTMLTable([""] + shown.flatMap { ["#" + $0.name, "#questions"] })
            func percent(_ right: Int, _ count: Int) -> String? {
                count > 0 ? decimal(100 * Double(right) / Double(count), 1).map { $0 + " %" } : nil
            }
            var classes: [Int: String] = [:]
            for index in shown.indices { classes[1 + 2 * index] = "differs" }
            table.add(
                ["all"] + newest.flatMap { [$0.flatMap { percent($0.right, $0.count) }, $0.map { String($0.count) }] },
                classes: classes)
            var names: [String] = []
            for score in newest { names += score?.categories.map(\.name).filter { !names.contains($0) } ?? [] }
            for name in names {
                let found = newest.map { $0?.categories.first { $0.name == name } }
                table.add(
                    [name]
                        + found.flatMap { [$0.flatMap { percent($0.right, $0.count) }, $0.map { String($0.count) }] },
                    classes: [0: "key"])
            }
            return "<h2>\(escaped(task)): questions answered right</h2>" + table.html
        }.joined()
    }

    /// Samples of text over the run: the last one shown, the earlier ones folded.
    var samples: String {
        runs.map { run in
            let all = run.evaluations.filter { !$0.sample.isEmpty }
            guard let last = all.last else { return "" }
            func block(_ evaluation: RunRecord.Evaluation) -> String {
                "<div class=\"sample\"><b>step \(evaluation.step)</b>"
                    + (evaluation.prompt.map { "<pre class=\"prompt\">\(escaped($0))</pre>" } ?? "")
                    + "<pre>\(escaped(evaluation.sample))</pre></div>"
            }
            let earlier = all.dropLast().map(block).joined()
            return "<h2>\(escaped(run.name)): samples over time</h2>"
                + (earlier.isEmpty ? "" : "<details><summary>\(all.count - 1) earlier</summary>\(earlier)</details>")
                + block(last)
        }.joined()
    }

    /// Replies and pairs of the newest step that logged some, with what they are worth.
    var tables: String {
        runs.map { run in
            run.tables.map { step, table in
                let numbers = table.rows.first?.numbers.map(\.name) ?? []
                let texts = table.rows.first?.texts.map(\.name) ?? []
                var html = HTMLTable(texts + numbers.map { "#" + $0 })
                for row in table.rows {
                    html.add(texts.map { row[text: $0] } + numbers.map { decimal(row[$0], 4) })
                }
                let title = table.kind == .completions ? "completions" : "pairs"
                return "<h2>\(escaped(run.name)): \(title) of step \(step)</h2><p>\(table.rows.count) of "
                    + "\(table.count)</p><div class=\"texts\">\(html.html)</div>"
            }.joined()
        }.joined()
    }

    /// The time of a step by operation, for runs that were profiled.
    var profiles: String {
        runs.map { run in
            guard let profile = run.profile, let rows = profile["operations"]?.array,
                let steps = profile["steps"]?.double, let seconds = profile["seconds"]?.double, steps > 0
            else { return "" }
            let peak = profile["machine_operations_per_second"]?.double ?? 0
            var table = HTMLTable(["operation", "phase", "#calls", "#ms", "#time", "#GFLOP", "#of peak", "#MB"])
            func number(_ row: JSON, _ key: String) -> Double { row[key]?.double ?? 0 }
            for row in rows where number(row, "seconds") >= 1e-3 * seconds {
                let work = number(row, "operations"), time = number(row, "seconds")
                table.add([
                    row["operation"]?.string, row["phase"]?.string, decimal(number(row, "calls") / steps, 0),
                    decimal(time / steps * 1e3, 2), decimal(100 * time / seconds, 1).map { $0 + " %" },
                    work > 0 ? decimal(work / steps * 1e-9, 2) : "",
                    work > 0 && peak > 0 ? decimal(100 * work / time / peak, 0).map { $0 + " %" } : "",
                    decimal(number(row, "bytes") / steps * 1e-6, 1),
                ])
            }
            return "<h2>\(escaped(run.name)): where a step's time goes</h2>" + table.html
        }.joined()
    }

    /// The program, machine, date and data of each run.
    var provenance: String {
        guard runs.contains(where: { !$0.provenance.isEmpty }) else { return "" }
        var table = HTMLTable(["run", "#from step", "date", "version", "command", "machine", "data"])
        for run in runs {
            for one in run.provenance {
                table.add(
                    [run.name, String(one.step), one.date, one.version, one.command, one.machine, one.data],
                    classes: [4: "command"])
            }
        }
        return "<h2>Where the runs come from</h2>" + table.html
    }

    /// Every option with the origin of its value; for several runs, the differing options first.
    var configuration: String {
        var names: [String] = []
        for run in runs {
            for option in run.configuration where !names.contains(option.name) { names.append(option.name) }
        }
        guard !names.isEmpty else { return "" }
        func option(_ name: String, _ run: RunRecord) -> RunRecord.Option? {
            run.configuration.first { $0.name == name }
        }
        // A value inherited from a parent run does not count as different, nor one that nobody gave where another run has
        // no such option: each method has its own.
        let differing = names.filter { name in
            let all = runs.map { option(name, $0) }, found = all.compactMap { $0 }.filter { !$0.isInherited }
            let isMissed = all.contains { $0 == nil } && found.contains(where: \.isGiven)
            return isMissed || Set(found.map(\.value)).count > 1
        }

        func table(_ names: [String], marked: Bool) -> String {
            var table = HTMLTable([""] + runs.flatMap { [$0.name, ""] })
            for name in names {
                var cells: [String?] = [name], classes = [0: "key"]
                for run in runs {
                    let found = option(name, run)
                    if marked { classes[cells.count] = "differs" }
                    classes[cells.count + 1] = "origin"
                    cells += [found?.value, found?.origin ?? ""]
                }
                table.add(cells, classes: classes)
            }
            return table.html
        }
        guard runs.count > 1 else { return "<h2>Configuration</h2>" + table(names, marked: false) }
        let same = names.filter { !differing.contains($0) }
        return "<h2>Configuration</h2>"
            + (differing.isEmpty ? "<p>The same in all.</p>" : table(differing, marked: true))
            + "<details><summary>\(same.count) options that are the same</summary>\(table(same, marked: false))</details>"
    }
}
