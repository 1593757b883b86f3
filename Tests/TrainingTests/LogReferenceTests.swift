import Foundation
import MartletJSON
import MartletRuns
import MartletTraining
import Testing

/// The reference of the log against what is logged: a field that is written and not told, or told and never written, is
/// a mistake of one of them.
struct LogReferenceTests: TinyRuns {
    private static let root = #filePath.replacing("Tests/TrainingTests/LogReferenceTests.swift", with: "")

    @Test func thePageIsTheOneTheProgramWrites() throws {
        let page = try String(contentsOfFile: Self.root + "docs/log-records.md", encoding: .utf8)
        #expect(page == LogReference.markdown, "scripts/make_options.sh writes docs/log-records.md anew")
    }

    @Test func everyFieldOfARunsLogIsTold() throws {
        let folder = try scratch("log"), run = folder + "/run"
        let trainer = try Trainer(run: run, options: options(), data: TrainingData(folder: folder + "/data"))
        try trainer.train { _ in }
        var seen: [String: Set<String>] = [:]
        for line in try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8).split(separator: "\n") {
            let record = try JSON(parsing: Array(line.utf8))
            let kind = try #require(record["kind"]?.string)
            for (name, _) in record.object ?? JSONObject() {
                #expect(LogReference.knows(name, of: kind), "\(kind) has \(name)")
                seen[kind, default: []].insert(name)
            }
            // However busy the machine was when its peak was measured.
            if let share = record["peak_share"]?.double { #expect((0...1).contains(share)) }
        }
        #expect(Set(seen.keys) == ["run", "step", "evaluation"])
        for record in LogReference.records where record.kind == "run" || record.kind == "step" {
            #expect(seen[record.kind] == Set(record.fields.map(\.name) + ["kind"]), "\(record.kind)")
        }
    }

    /// By the sources: what is made as a metric has its line, and every line is made somewhere.
    @Test func metricsAreThoseOfTheSources() throws {
        var made: Set<String> = []
        let folder = Self.root + "Sources/Training"
        let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        #expect(files.count > 50)
        for file in files where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
            for match in text.matches(of: /Metric\(\s*"([a-z0-9_\/]+)"( \+)?/) {
                let name = String(match.1)
                if match.2 == nil {
                    made.insert(name)
                    #expect(LogReference.isMetric(name), "\(file): \(name)")
                } else {
                    let ends = LogReference.metrics.flatMap(\.fields).map(\.name).filter { $0.hasPrefix(name) }
                    #expect(!ends.isEmpty, "\(file): \(name)…")
                    made.formUnion(ends)
                }
            }
            // Names that are put together before they are a metric's.
            for match in text.matches(of: /\("(logits\/[a-z]+)"/) { made.insert(String(match.1)) }
        }
        let told = Set(LogReference.metrics.flatMap(\.fields).map(\.name))
        #expect(told.subtracting(made) == [], "told, and in no source")
    }
}
