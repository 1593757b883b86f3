import MartletJSON

/// The format that a reply must have (structured output).
public enum GrammarSource: Sendable {
    /// JSON that validates against a JSON Schema of 2020-12, with properties in the order of the schema.
    case jsonSchema(JSON, JSONSpacing = .single)
    /// Any JSON object.
    case jsonObject(JSONSpacing = .lines)
    /// A text that an ECMA-262 regular expression matches as a whole.
    case regularExpression(String)
    /// One of the texts.
    case choice([String])
    /// A text derived from `root` of a GBNF grammar (llama.cpp's notation).
    case gbnf(String)
    /// Values of JSON Schemas between fixed texts (tool calls).
    case calls(CallGrammar, JSONSpacing = .single)

    var kind: GrammarKind {
        switch self {
        case .jsonSchema: .jsonSchema
        case .jsonObject: .jsonObject
        case .regularExpression: .regularExpression
        case .choice: .choice
        case .gbnf: .gbnf
        case .calls: .calls
        }
    }
}

/// The white space allowed in constrained JSON. It is limited, so that a model cannot generate it forever.
public enum JSONSpacing: Sendable, Hashable {
    /// None.
    case compact
    /// At most one space after each `:` and `,`.
    case single
    /// Like `single`, or a line break and up to sixteen spaces inside brackets and after commas.
    case lines
}

/// Compiles grammars for one vocabulary and caches those used last. Thread safe.
///
/// ```swift
/// let compiler = GrammarCompiler(TokenTree(model.tokenizer, endTokens: model.endTokens))
/// request.constraint = try compiler.compile(.jsonSchema(schema))
/// ```
public final class GrammarCompiler: Sendable {
    public let tree: TokenTree
    public let limits: GrammarLimits
    public let memory: GrammarMemory
    private let number: Int

    /// - Parameters:
    ///   - capacity: the number of compiled grammars to cache.
    ///   - memory: the memory limit and cache; compilers that share a limit share this object.
    public init(
        _ tree: TokenTree, limits: GrammarLimits = GrammarLimits(), capacity: Int = 64, memory: GrammarMemory? = nil
    ) {
        self.tree = tree
        self.limits = limits
        self.memory = memory ?? GrammarMemory(capacity: capacity)
        number = self.memory.newCompiler()
    }

    /// The compiled grammar, possibly from the cache.
    /// - Parameter isCancelled: called regularly; returning true ends the compilation with `cancelled`.
    /// - Throws: `GrammarError` with what cannot be enforced, and why; a grammar is never enforced partially.
    public func compile(
        _ source: GrammarSource, isCancelled: (@Sendable () -> Bool)? = nil
    ) throws(GrammarError) -> CompiledGrammar {
        let key = try key(of: source)
        if let known = memory.grammar(key) { return known }
        let budget = GrammarBudget(limits, isCancelled: isCancelled)
        let grammar = try Self.grammar(source, budget, tree)
        let compiled = try CompiledGrammar(grammar, tree, limits, memory, sourceBytes: key.text.utf8.count)
        return memory.keep(compiled, key)
    }

    private func key(of source: GrammarSource) throws(GrammarError) -> GrammarMemory.Key {
        var key = GrammarMemory.Key(compiler: number, kind: source.kind, spacing: nil, text: "")
        switch source {
        case .jsonSchema(let schema, let spacing):
            key.spacing = spacing
            key.text = schema.text()
        case .jsonObject(let spacing): key.spacing = spacing
        case .regularExpression(let expression): key.text = expression
        case .choice(let texts): key.text = JSON.array(texts.map { .string($0) }).text()
        case .gbnf(let text): key.text = text
        case .calls(let calls, let spacing):
            key.spacing = spacing
            key.text = calls.text
        }
        guard key.text.utf8.count <= limits.sourceLength else {
            throw .tooLarge(what: "bytes of source", limit: limits.sourceLength)
        }
        return key
    }

    /// - Parameter tree: the vocabulary, for grammars that refer to tokens.
    private static func grammar(
        _ source: GrammarSource, _ budget: GrammarBudget, _ tree: TokenTree
    ) throws(GrammarError) -> Grammar {
        switch source {
        case .jsonSchema(let schema, let spacing):
            return try SchemaCompiler.grammar(schema, spacing, budget)
        case .jsonObject(let spacing):
            return try SchemaCompiler.grammar(.object(["type": "object"]), spacing, budget)
        case .regularExpression(let expression):
            let automaton = try PatternLanguage.automaton(expression, isWhole: true, budget)
            return try Grammar(rules: [automaton], names: ["the expression"], start: 0)
        case .choice(let texts):
            guard !texts.isEmpty else {
                throw .malformed(.choice, position: 0, problem: "there is nothing to choose from")
            }
            return try Grammar(rules: [.texts(texts, budget)], names: ["the choice"], start: 0)
        case .gbnf(let text): return try GBNFReader.grammar(text, tree, budget)
        case .calls(let calls, let spacing): return try calls.grammar(spacing, budget)
        }
    }
}
