/// Python's stable sort, over values that may not be comparable.
enum JinjaSort {
    static func sorted<Element>(
        _ elements: [Element], by key: (Element) throws(JinjaError) -> JinjaValue, reverse: Bool,
        _ meter: JinjaMeter
    ) throws(JinjaError) -> [Element] {
        var keyed: [(key: JinjaValue, element: Element)] = []
        keyed.reserveCapacity(elements.count)
        try meter.step(elements.count)
        for element in elements { keyed.append((try key(element), element)) }
        // A reversed sort keeps equal elements in their order: reverse, sort, reverse.
        if reverse { keyed.reverse() }
        var scratch = keyed
        try mergeSort(&keyed, &scratch, 0, keyed.count, meter)
        if reverse { keyed.reverse() }
        return keyed.map(\.element)
    }

    private static func mergeSort<Element>(
        _ items: inout [(key: JinjaValue, element: Element)],
        _ scratch: inout [(key: JinjaValue, element: Element)], _ low: Int, _ high: Int, _ meter: JinjaMeter
    ) throws(JinjaError) {
        guard high - low > 1 else { return }
        let middle = (low + high) / 2
        try mergeSort(&items, &scratch, low, middle, meter)
        try mergeSort(&items, &scratch, middle, high, meter)
        try meter.step(high - low)
        var left = low
        var right = middle
        for position in low..<high {
            var takesRight = left == middle
            if !takesRight, right < high {
                takesRight = try items[right].key.order(items[left].key, "<", meter) == .less
            }
            scratch[position] = items[takesRight ? right : left]
            if takesRight { right += 1 } else { left += 1 }
        }
        for position in low..<high { items[position] = scratch[position] }
    }
}
