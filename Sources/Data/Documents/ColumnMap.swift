import MartletFormats

/// Which columns of records hold what, where their names do not tell: `prompt=question,response=solution`.
public struct ColumnMap: Sendable, Hashable {
    /// What a column can hold.
    public enum Role: String, Sendable, Hashable, CaseIterable {
        case text, messages, prompt, context, response, system, tools, history, label, chosen, rejected, margin

        /// The names by which it may be asked for.
        static let names: [String: Role] = [
            "instruction": .prompt, "question": .prompt, "query": .prompt, "problem": .prompt, "input": .context,
            "output": .response, "answer": .response, "completion": .response, "solution": .response,
            "conversations": .messages, "conversation": .messages, "content": .text, "system_prompt": .system,
            "kto_tag": .label,
        ].merging(allCases.map { ($0.rawValue, $0) }) { own, _ in own }
    }

    public private(set) var columns: [Role: String] = [:]
    public var isEmpty: Bool { columns.isEmpty }

    public init() {}

    init(columns: [Role: String]) { self.columns = columns }

    public subscript(role: Role) -> String? { columns[role] }

    /// - Parameter text: roles and columns as `role=column`, separated by commas.
    public init(_ text: String) throws(DataError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            func fail(_ reason: String) -> DataError {
                DataError(.invalid, field: "map", "\(FormatError.quote(String(part))) \(reason)")
            }
            guard let cut = part.firstIndex(of: "=") else {
                throw fail("is no role=column, such as prompt=question")
            }
            let name = part[..<cut].filter { $0 != " " }, column = part[part.index(after: cut)...]
            guard let role = Role.names[name.lowercased()] else {
                throw fail("names no role; roles are \(Role.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            guard !column.isEmpty else { throw fail("names no column") }
            guard columns.updateValue(String(column), forKey: role) == nil else {
                throw fail("names the \(role.rawValue) a second time")
            }
        }
        guard !isEmpty else { throw DataError(.invalid, field: "map", "names no column") }
        let main: [Role] = [.text, .messages, .response, .chosen]
        guard main.contains(where: { columns[$0] != nil }) else {
            throw DataError(
                .invalid, field: "map",
                "names nothing to train on: expected text, messages, response (with prompt) or chosen among its roles")
        }
        if columns[.response] != nil, columns[.prompt] == nil {
            throw DataError(.invalid, field: "map", "names a response and no prompt")
        }
    }
}
