import MartletJSON
import MartletSystem

/// What stands in Swift for a Python function that a task file names with `!function`.
///
/// A task file of another's is data; no program comes with it. The functions of common tasks are here by the data set
/// they belong to and their names; another one is refused with the list of these.
struct BuiltInFunction: Sendable {
    enum Work: Sendable {
        /// `process_docs`, of one row.
        case row(@Sendable (JSONObject) throws -> JSONObject)
        /// `doc_to_…`.
        case value(@Sendable (JSONObject) throws -> JSON)
        /// `process_results`: the metrics of one row from its scores.
        case judge(@Sendable (JSONObject, [RequestAnswer]) throws -> [(metric: String, value: MetricValue)])
    }

    let name: String
    let work: Work

    private struct Entry: Sendable {
        /// A part of the data set's name.
        var dataset: String
        var function: String
        var work: Work
    }

    static func find(
        _ written: String, dataset: String, task: String, field: String
    ) throws(EvaluationError) -> BuiltInFunction {
        let name = String(written.split(separator: ".").last ?? "")
        let folded = dataset.lowercased()
        if let entry = entries.first(where: { $0.function == name && folded.contains($0.dataset) }) {
            return BuiltInFunction(name: "\(entry.dataset).\(name)", work: entry.work)
        }
        if let entry = entries.first(where: { "\($0.dataset).\($0.function)" == written }) {
            return BuiltInFunction(name: written, work: entry.work)
        }
        let known = entries.map { "\($0.dataset).\($0.function)" }.joined(separator: ", ")
        throw EvaluationError(
            task, field: field,
            "!function \(written.quoted()) is a program in Python, which is not run; built in are \(known). Write the "
                + "field as a template, or name one of these")
    }

    func row(_ row: JSONObject) throws -> JSONObject {
        guard case .row(let work) = work else { return row }
        return try work(row)
    }

    func value(of row: JSONObject) throws -> JSON {
        guard case .value(let work) = work else { return .null }
        return try work(row)
    }

    private static let entries: [Entry] = [
        Entry(dataset: "hellaswag", function: "process_docs", work: .row(HellaSwag.row)),
        Entry(dataset: "winogrande", function: "doc_to_text", work: .value(WinoGrande.answer)),
        Entry(dataset: "winogrande", function: "doc_to_target", work: .value(WinoGrande.ending)),
        Entry(dataset: "winogrande", function: "doc_to_choice", work: .value(WinoGrande.beginnings)),
        Entry(dataset: "wikitext", function: "wikitext_detokenizer", work: .value(WikiText.text)),
        Entry(dataset: "wikitext", function: "process_results", work: .judge(WikiText.judge)),
        Entry(dataset: "math", function: "process_results", work: .judge(MATH.judge)),
        Entry(dataset: "ifeval", function: "process_results", work: .judge(IFEval.judge)),
        Entry(dataset: "humaneval", function: "process_results", work: .judge(CodeTasks.judgeHumanEval)),
        Entry(dataset: "mbpp", function: "process_results", work: .judge(CodeTasks.judgeMBPP)),
        Entry(dataset: "truthful", function: "process_results_mc2", work: .judge(TruthfulQA.judge)),
    ]
}
