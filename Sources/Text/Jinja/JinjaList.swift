/// Items in order, with the depth of the values inside one another. Depth is bounded, because printing,
/// comparing and releasing a value recurse into it.
package struct JinjaList: RandomAccessCollection, ExpressibleByArrayLiteral {
    package let items: [JinjaValue]
    package let depth: Int

    package init(_ items: [JinjaValue]) {
        self.items = items
        var deepest = 0
        for item in items { deepest = Swift.max(deepest, item.depth) }
        depth = deepest + 1
    }

    package init(arrayLiteral items: JinjaValue...) { self.init(items) }

    package var startIndex: Int { 0 }
    package var endIndex: Int { items.count }
    package subscript(position: Int) -> JinjaValue { items[position] }
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
}
