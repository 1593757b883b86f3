import ArgumentParser

/// Numbers of the command line that are out of their bounds: each is told alone, with its option, its value and what was
/// expected, so that who gave three options knows which of them is wrong.
extension ParsableArguments {
    /// - Parameters:
    ///   - option: as it is written, `--tokens`.
    ///   - number: nil where the option was not given.
    ///   - unit: what is counted: "clients", "milliseconds".
    package func demand(_ option: String, _ number: Int?, _ bounds: ClosedRange<Int>, _ unit: String = "") throws {
        try demand(option, number, number.map(bounds.contains), "\(bounds.lowerBound) to \(bounds.upperBound)", unit)
    }

    package func demand(_ option: String, _ number: Int?, _ bounds: PartialRangeFrom<Int>, _ unit: String = "") throws {
        try demand(option, number, number.map(bounds.contains), "\(bounds.lowerBound) or more", unit)
    }

    package func demand(
        _ option: String, _ number: Double?, _ bounds: ClosedRange<Double>, _ unit: String = ""
    ) throws {
        let expected = "a number from \(bounds.lowerBound.plain) to \(bounds.upperBound.plain)"
        try demand(option, number?.plain, number.map(bounds.contains), expected, unit)
    }

    /// A number that may not be the lower bound, such as a learning rate.
    package func demand(
        _ option: String, _ number: Double?, above least: Double, to most: Double, _ unit: String = ""
    ) throws {
        let expected = "a number above \(least.plain), at most \(most.plain)"
        try demand(option, number?.plain, number.map { $0 > least && $0 <= most }, expected, unit)
    }

    private func demand(_ option: String, _ number: Any?, _ holds: Bool?, _ expected: String, _ unit: String) throws {
        guard let number, holds == false else { return }
        throw ValidationError("\(option) is \(number); expected \(expected)\(unit.isEmpty ? "" : " " + unit)")
    }
}

extension Double {
    /// 3 instead of 3.0, and 5e12 instead of its zeros.
    fileprivate var plain: String {
        guard let whole = Int(exactly: self) else { return "\(self)" }
        let digits = "\(whole)", zeros = digits.reversed().prefix { $0 == "0" }.count
        return zeros < 9 ? digits : "\(digits.dropLast(zeros))e\(zeros)"
    }
}
