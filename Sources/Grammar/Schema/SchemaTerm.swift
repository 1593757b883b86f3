/// A schema of the document, or its negation.
enum SchemaTerm: Hashable, Comparable, Sendable {
    /// By JSON pointer.
    case schema(String)
    case not(String)

    var pointer: String {
        switch self {
        case .schema(let pointer), .not(let pointer): pointer
        }
    }

    private var isNegated: Bool { if case .not = self { true } else { false } }

    static func < (left: SchemaTerm, right: SchemaTerm) -> Bool {
        left.pointer == right.pointer ? !left.isNegated && right.isNegated : left.pointer < right.pointer
    }
}

/// A conjunction of schemas: in ascending order, without repetition. Empty: any value.
struct SchemaConjunction: Hashable, Sendable {
    private(set) var terms: [SchemaTerm] = []

    static let any = SchemaConjunction()

    init() {}

    init(_ terms: some Sequence<SchemaTerm>) { self.terms = Set(terms).sorted() }

    func and(_ other: SchemaConjunction) -> SchemaConjunction { SchemaConjunction(terms + other.terms) }
    func and(_ term: SchemaTerm) -> SchemaConjunction { SchemaConjunction(terms + [term]) }

    /// A description for errors.
    var place: String {
        guard let pointer = terms.first?.pointer, !pointer.isEmpty else { return "the schema" }
        return "the schema at \"\(pointer)\""
    }
}
