import MartletSystem

/// Items in order, with what is known of them once and for all: how deep values stand inside one another, which is
/// bounded because printing, comparing and releasing a value recurse into it, and how much there is to look at.
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
    ///   - spelling: the text that the list stands for where a text is wanted, as content in parts does.
    ///   - isText: the list was made of that text, for a template that knows no other form of it.
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
    /// How many containers stand inside one another: 0 for a number or a string.
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

    /// Bytes there are to look at in the value and all that it holds, each time it is held: what comparing, hashing or
    /// printing it costs. A list that holds another twice weighs twice as much, so this may be more than memory has; it
    /// then stays at the largest number.
    package var weight: Int {
        switch self {
        case .string(let text): text.weight.adding(clamped: Self.ownWeight)
        case .list(let list), .tuple(let list): list.weight
        // Views are compared item by item with every item of the other.
        case .view(_, let list): list.weight.multiplied(clampedBy: Swift.max(1, list.count))
        case .dict(let dictionary): dictionary.weight
        case .iterator(let iterator): iterator.weight
        default: Self.ownWeight
        }
    }

    /// The text itself, or the text that a list or dictionary stands for where one is wanted.
    package var asText: JinjaText? {
        switch self {
        case .string(let text): text
        case .list(let list): list.spelling
        case .dict(let dictionary): dictionary.spelling
        default: nil
        }
    }
}
