/// What an objective says of held-out rows: its loss, and named numbers.
public struct HeldOutMeasure: Sendable {
    public let loss: Double
    /// How many, and of what: "pairs".
    public let count: Int
    public let unit: String
    public let metrics: [Metric]

    public init(loss: Double, count: Int, unit: String, metrics: [Metric]) {
        self.loss = loss
        self.count = count
        self.unit = unit
        self.metrics = metrics
    }

    public subscript(name: String) -> Double? { metrics.first { $0.name == name }?.value }

    /// The share of pairs whose chosen side is worth more by the model itself, where it compares pairs.
    public var accuracy: Double? { self["rewards/accuracies"] ?? self["accuracy"] }

    /// Where the true share lies with 95 % confidence (Wilson 1927).
    public var accuracyInterval: ClosedRange<Double>? { accuracy.map { Self.interval(share: $0, of: count) } }

    /// Wilson's interval of a share that was seen among `count`.
    public static func interval(share: Double, of count: Int, deviations z: Double = 1.959964) -> ClosedRange<Double> {
        guard count > 0 else { return 0...1 }
        let n = Double(count), middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
        return max(0, middle - half)...min(1, middle + half)
    }
}
