/// The extents of a tensor, outermost first; at most eight, stored inline so that a shape needs no allocation.
public struct Shape: Sendable, Hashable, RandomAccessCollection, ExpressibleByArrayLiteral, CustomStringConvertible {
    public static let maximumRank = 8

    private var extents = SIMD8<Int>(repeating: 0)
    public private(set) var rank: Int

    /// - Precondition: at most eight extents (`Shape(checking:)` for extents from outside).
    public init(_ extents: some Collection<Int>) {
        precondition(extents.count <= Self.maximumRank, "a shape has at most \(Self.maximumRank) dimensions")
        rank = extents.count
        for (index, extent) in extents.enumerated() { self.extents[index] = extent }
    }

    public init(arrayLiteral elements: Int...) { self.init(elements) }

    /// Extents from a file or a request: nil if there are more than eight, one is negative, or their product overflows
    /// `Int`.
    public init?(checking extents: some Collection<Int>) {
        guard extents.count <= Self.maximumRank else { return nil }
        var product = 1
        for extent in extents {
            let (next, overflow) = product.multipliedReportingOverflow(by: Swift.max(extent, 1))
            guard extent >= 0, !overflow else { return nil }
            product = next
        }
        self.init(extents)
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { rank }
    public subscript(index: Int) -> Int {
        get {
            precondition(index < rank)
            return extents[index]
        }
        set {
            precondition(index < rank)
            extents[index] = newValue
        }
    }

    /// The product of the extents: 1 for a scalar.
    public var elementCount: Int {
        var product = 1
        for index in 0..<rank { product *= extents[index] }
        return product
    }

    /// Row-major strides, in elements.
    public var contiguousStrides: Shape {
        var strides = self
        var step = 1
        for index in stride(from: rank - 1, through: 0, by: -1) {
            strides[index] = step
            step *= extents[index]
        }
        return strides
    }

    public var description: String { "[" + map(String.init).joined(separator: ", ") + "]" }
}
