import MartletSystem
import MartletJSON
import MartletJinja

/// `doc_to_text` and its like: a column's name, a Jinja template over the columns, a fixed value, or a built-in function.
struct TaskField: Sendable {
    enum Source: Sendable {
        case template(String, JinjaTemplate)
        case fixed(JSON)
        case function(BuiltInFunction)
    }

    let name: String
    let source: Source
    private let task: String

    /// - Parameter dataset: what a built-in function is looked up by, beside its name.
    init(_ name: String, _ value: JSON, task: String, dataset: String) throws(EvaluationError) {
        (self.name, self.task) = (name, task)
        if let function = value["!function"]?.string {
            source = .function(try BuiltInFunction.find(function, dataset: dataset, task: task, field: name))
            return
        }
        guard case .string(let text) = value else {
            source = .fixed(value)
            return
        }
        do throws(JinjaError) {
            source = .template(text, try JinjaTemplate(text, style: .plain))
        } catch {
            throw Self.failure(error, task, name)
        }
    }

    private static func failure(_ error: JinjaError, _ task: String, _ name: String) -> EvaluationError {
        EvaluationError(task, field: name, "the template's line \(max(error.line, 1)): \(error.reason)")
    }

    /// The value for a row before anything is read into it: text that a template printed, a column's own value.
    func value(_ row: JSONObject, columns: Set<String>) throws -> (value: JSON, isPrinted: Bool) {
        switch source {
        case .fixed(let value): return (value, false)
        case .function(let function): return (try function.value(of: row), false)
        case .template(let text, let template):
            if columns.contains(text) { return (row[text] ?? .null, false) }
            let printed: String
            do throws(JinjaError) { printed = try template.render(row) } catch {
                if error.kind == .cancelled { throw error }
                throw Self.failure(error, task, name)
            }
            return (.string(printed), true)
        }
    }

    /// As a text.
    func text(_ row: JSONObject, columns: Set<String>) throws -> String {
        try value(row, columns: columns).value.pythonText
    }
}

/// The columns of a task read from its rows, as lm-evaluation-harness reads what templates print.
struct TaskReader: Sendable {
    let definition: TaskDefinition
    /// The names of the columns, after `process_docs`.
    let columns: Set<String>

    /// The question: a text, or the number of the right one among several inputs.
    func text(_ row: JSONObject, _ field: TaskField? = nil) throws -> JSON {
        guard let field = field ?? definition.text else { return .string("") }
        let (value, isPrinted) = try field.value(row, columns: columns)
        if isPrinted, definition.choice != nil, let text = value.string, text.isDigits, let number = Int64(text) {
            return .integer(number)
        }
        return value
    }

    /// The answer: a text, a place among the choices, or a list of either.
    func target(_ row: JSONObject, _ field: TaskField? = nil) throws -> JSON {
        guard let field = field ?? definition.target else { return .string("") }
        let (value, isPrinted) = try field.value(row, columns: columns)
        guard isPrinted, let text = value.string else { return value }
        if definition.choice != nil, text.isDigits, let number = Int64(text) { return .integer(number) }
        if text.utf8.count >= 2, text.hasPrefix("["), text.hasSuffix("]"), let list = PythonLiteral.value(text) {
            return list
        }
        return value
    }

    func choices(_ row: JSONObject, _ field: TaskField? = nil) throws -> [String] {
        guard let field = field ?? definition.choice else { return [] }
        var (value, isPrinted) = try field.value(row, columns: columns)
        if isPrinted, let text = value.string {
            guard let list = PythonLiteral.value(text) else {
                throw EvaluationError(definition.name, field: field.name, "prints \(text.quoted()), which is no list")
            }
            value = list
        }
        let entries = value.array ?? value.object?.map(\.value)
        guard let entries else {
            throw EvaluationError(definition.name, field: field.name, "is \(value.kind), expected a list of choices")
        }
        let texts = entries.map(\.pythonText)
        guard !texts.isEmpty else { throw EvaluationError(definition.name, field: field.name, "there are no choices") }
        if let empty = texts.firstIndex(where: \.isEmpty) {
            throw EvaluationError(definition.name, field: field.name, "choice \(empty + 1) of \(texts.count) is empty")
        }
        return texts
    }

    /// A column by its name, or a template.
    func resolved(_ field: TaskField?, _ row: JSONObject) throws -> String? {
        guard let field else { return nil }
        return try field.text(row, columns: Set(row.keys))
    }
}
