/// The special tokens around the ids of a text, or of a pair of texts: `[CLS] A [SEP] B [SEP]`.
package struct SequenceTemplate: Sendable, Equatable {
    package enum Part: Sendable, Equatable {
        case token(Int32, type: Int32)
        case first(type: Int32)
        case second(type: Int32)
    }

    package var single: [Part]
    package var pair: [Part]

    package init(single: [Part], pair: [Part]) {
        self.single = single
        self.pair = pair
    }

    /// No special tokens.
    package static let bare = SequenceTemplate(single: [.first(type: 0)], pair: [.first(type: 0), .second(type: 1)])

    /// Special tokens before and after every text.
    package static func around(before: [Int32], after: [Int32]) -> SequenceTemplate {
        func wrapped(_ part: Part, _ type: Int32) -> [Part] {
            before.map { .token($0, type: type) } + [part] + after.map { .token($0, type: type) }
        }
        return SequenceTemplate(
            single: wrapped(.first(type: 0), 0), pair: wrapped(.first(type: 0), 0) + wrapped(.second(type: 1), 1))
    }

    /// This template applied to the result of `inner`.
    package func applied(to inner: SequenceTemplate) -> SequenceTemplate {
        SequenceTemplate(
            single: single.flatMap { if case .first = $0 { inner.single } else { [$0] } },
            pair: self == .bare
                ? inner.pair
                : inner == .bare
                    ? pair
                    : pair.flatMap { part -> [Part] in
                        switch part {
                        case .token: return [part]
                        case .first: return inner.single
                        case .second(let type):
                            return inner.single.map {
                                switch $0 {
                                case .token(let id, _): .token(id, type: type)
                                case .first, .second: .second(type: type)
                                }
                            }
                        }
                    })
    }

    /// The number of special tokens added to one text.
    package var addedToSingle: Int {
        single.count { if case .token = $0 { true } else { false } }
    }
}
