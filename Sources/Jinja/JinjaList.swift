import MartletSystem

/// A list with its nesting depth and weight computed once: depth is limited because printing, comparing and releasing a
/// value recurse into it; weight is the cost of reading it.
package struct JinjaList: RandomAccessCollection, ExpressibleByArrayLiteral {
    private final class Storage {
        let items: [JinjaValue]
        let depth: Int
        let weight: Int
        let spelling: JinjaText?
        let isText: Bool

        init(_ items: [JinjaValue], spelling: JinjaText?, isText: Bool) {
            self.items = items
            self.spelling = spelling
            self.isText = isText
            var deepest = 0
            var weight = JinjaValue.ownWeight
            for item in items {
                deepest = Swift.max(deepest, item.depth)
                weight = weight.adding(clamped: item.weight)
            }
            depth = deepest + 1
            self.weight = weight.adding(clamped: spelling?.weight ?? 0)
        }
    }

    private let storage: Storage

    /// - Parameters:
    ///   - spelling: the text that replaces the list where a string is needed, as for content in parts.
    ///   - isText: whether the list was made from that text, for a template that only supports lists.
    package init(_ items: [JinjaValue], spelling: JinjaText? = nil, isText: Bool = false) {
        storage = Storage(items, spelling: spelling, isText: isText)
    }

    package init(arrayLiteral items: JinjaValue...) { self.init(items) }

    package var items: [JinjaValue] { storage.items }
    package var depth: Int { storage.depth }
    /// See `JinjaValue.weight`.
    package var weight: Int { storage.weight }
    package var spelling: JinjaText? { storage.spelling }
    package var isText: Bool { storage.isText }

    package var startIndex: Int { 0 }
    package var endIndex: Int { storage.items.count }
    package subscript(position: Int) -> JinjaValue { storage.items[position] }
}

extension JinjaValue {
    /// Nesting depth of containers: 0 for a number or a string.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list), .view(_, let list): list.depth
        case .dict(let dictionary): dictionary.depth
        case .iterator(let iterator): iterator.depth
        case .callable(let callable): callable.depth
        case .loop(let loop): loop.items.depth + 1
        default: 0
        }
    }

    static let ownWeight = 16

    /// Bytes to read in the value and everything it contains, counted once per reference: the cost of comparing,
    /// hashing or printing it. A list that contains another one twice has twice its weight, so this may exceed memory
    /// size; it saturates at the maximum.
    package var weight: Int {
        switch self {
        case .string(let text): text.weight.adding(clamped: Self.ownWeight)
        case .list(let list), .tuple(let list): list.weight
        // A view is compared item by item with every item of the other one.
        case .view(_, let list): list.weight.multiplied(clampedBy: Swift.max(1, list.count))
        case .dict(let dictionary): dictionary.weight
        case .iterator(let iterator): iterator.weight
        default: Self.ownWeight
        }
    }

    /// The text itself, or the text that replaces a list or dictionary.
    package var asText: JinjaText? {
        switch self {
        case .string(let text): text
        case .list(let list): list.spelling
        case .dict(let dictionary): dictionary.spelling
        default: nil
        }
    }
}
