import ArgumentParser

/// A count as people write it: 500000, 500k, 100M, 1.3B, 2T, 1e9.
struct LargeCount: ExpressibleByArgument, CustomStringConvertible {
    let value: Double
    private let written: String

    init(_ value: Double, _ written: String) {
        self.value = value
        self.written = written
    }

    init?(argument: String) {
        let units = ["k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12]
        let unit = argument.last.flatMap { units[$0.lowercased()] }
        guard let number = Double(unit == nil ? argument : String(argument.dropLast())) else { return nil }
        value = number * (unit ?? 1)
        written = argument
    }

    var description: String { written }
    var defaultValueDescription: String { written }
}
