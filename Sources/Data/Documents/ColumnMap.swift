import MartletFormats

/// The roles of columns whose names do not tell them: `prompt=question,response=solution`.
public struct ColumnMap: Sendable, Hashable {
    /// The role of a column.
    public enum Role: String, Sendable, Hashable, CaseIterable {
        case text, messages, prompt, context, response, system, tools, history, label, chosen, rejected, margin

        /// Other names of roles.
        static let names: [String: Role] = [
            "instruction": .prompt, "question": .prompt, "query": .prompt, "problem": .prompt, "input": .context,
            "output": .response, "answer": .response, "completion": .response, "solution": .response,
            "conversations": .messages, "conversation": .messages, "content": .text, "system_prompt": .system,
            "kto_tag": .label,
        ].merging(allCases.map { ($0.rawValue, $0) }) { own, _ in own }
    }

    public private(set) var columns: [Role: String] = [:]
    /// Roles whose columns are those that a program takes where nobody named one: they may be missing.
    private var assumed: Set<Role> = []
    public var isEmpty: Bool { columns.isEmpty }

    public init() {}

    /// - Parameter usual: of roles that `columns` does not name.
    init(columns: [Role: String], usual: [Role: String] = [:]) {
        self.columns = columns.merging(usual) { own, _ in own }
        assumed = Set(usual.keys).subtracting(columns.keys)
    }

    /// Without assumed columns that are not there. A prompt that is alone then is a text that is learnt whole, as LLaMA-Factory
    /// describes texts, unless prompts are asked for.
    func among(keepsPrompts: Bool, _ has: (String) -> Bool) -> ColumnMap {
        guard !assumed.isEmpty else { return self }
        var map = self
        for role in assumed { if let column = columns[role], !has(column) { map.columns[role] = nil } }
        let named = Set(columns.keys).subtracting(assumed)
        if !keepsPrompts, named == [.prompt], map.columns[.response] == nil, let prompt = columns[.prompt] {
            (map.columns[.prompt], map.columns[.context], map.columns[.text]) = (nil, nil, prompt)
        }
        map.assumed = []
        return map
    }

    public subscript(role: Role) -> String? { columns[role] }

    /// - Parameter text: pairs `role=column`, separated by commas.
    /// - Throws: `DataError` for an unknown or repeated role, a missing column, or a map without a text to train on.
    public init(_ text: String) throws(DataError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            func fail(_ reason: String) -> DataError {
                DataError(.invalid, field: "map", "\(FormatError.quote(String(part))) \(reason)")
            }
            guard let cut = part.firstIndex(of: "=") else {
                throw fail("is not of the form role=column, such as prompt=question")
            }
            let name = part[..<cut].filter { $0 != " " }, column = part[part.index(after: cut)...]
            guard let role = Role.names[name.lowercased()] else {
                throw fail("does not name a role; roles are \(Role.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            guard !column.isEmpty else { throw fail("does not name a column") }
            guard columns.updateValue(String(column), forKey: role) == nil else {
                throw fail("names the \(role.rawValue) a second time")
            }
        }
        guard !isEmpty else { throw DataError(.invalid, field: "map", "does not name a column") }
        let main: [Role] = [.text, .messages, .response, .chosen]
        guard main.contains(where: { columns[$0] != nil }) else {
            throw DataError(
                .invalid, field: "map",
                "has no role to train on: expected text, messages, response (with prompt) or chosen among its roles")
        }
        if columns[.response] != nil, columns[.prompt] == nil {
            throw DataError(.invalid, field: "map", "has a response but no prompt")
        }
    }
}
