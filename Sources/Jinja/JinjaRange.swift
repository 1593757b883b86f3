/// `range(start, stop, step)`; at most 100,000 items, as in Jinja's sandbox. Every item fits in 64 bits, whatever the
/// arguments are.
package struct JinjaRange: Equatable {
    let start: Int64
    /// The given stop, for printing.
    let stop: Int64
    let step: Int64

    init(start: Int64, stop: Int64, step: Int64) throws(JinjaError) {
        guard step != 0 else { throw .value("range() arg 3 must not be zero") }
        self.init(from: start, to: stop, by: step)
        guard length <= 100_000 else { throw .value("range too big: at most 100000 items are allowed") }
    }

    private init(from start: Int64, to stop: Int64, by step: Int64) {
        self.start = start
        self.stop = stop
        self.step = step
    }

    private var length: UInt64 {
        guard step > 0 ? stop > start : stop < start else { return 0 }
        let distance = step > 0 ? Self.distance(start, stop) : Self.distance(stop, start)
        return (distance - 1) / step.magnitude + 1
    }

    var count: Int { Int(length) }

    /// `high - low` for `low <= high`.
    private static func distance(_ low: Int64, _ high: Int64) -> UInt64 { UInt64(bitPattern: high &- low) }

    var items: [JinjaValue] { (0..<count).map { .int(item($0)) } }

    /// The multiplication may wrap, but the result is correct, because the item lies between the bounds.
    func item(_ index: Int) -> Int64 { start &+ Int64(index) &* step }

    /// The index of a number in the range.
    func position(of number: Int64) -> Int? {
        guard count > 0, step > 0 ? number >= start : number <= start else { return nil }
        let distance = step > 0 ? Self.distance(start, number) : Self.distance(number, start)
        let (position, rest) = distance.quotientAndRemainder(dividingBy: step.magnitude)
        guard rest == 0, position < length else { return nil }
        return Int(position)
    }

    /// `count` items starting at index `first`, `by` apart. They are items of this range.
    func slice(first: Int, count: Int, by: Int) throws(JinjaError) -> JinjaRange {
        guard count > 0 else { return JinjaRange(from: start, to: start, by: step) }
        let (step, overflow) = self.step.multipliedReportingOverflow(by: Int64(by))
        guard !overflow else { throw .value("a step does not fit in 64 bits") }
        let last = item(first) &+ Int64(count - 1) &* step
        let (end, beyond) = last.addingReportingOverflow(step)
        guard beyond else { return JinjaRange(from: item(first), to: end, by: step) }
        // The exclusive end is one past the last item, if that number exists.
        guard last != (step > 0 ? .max : .min) else { throw .value("a range does not fit in 64 bits") }
        return JinjaRange(from: item(first), to: step > 0 ? .max : .min, by: step)
    }

    package static func == (left: JinjaRange, right: JinjaRange) -> Bool {
        left.count == right.count
            && (left.count == 0 || (left.start == right.start && (left.count == 1 || left.step == right.step)))
    }
}
