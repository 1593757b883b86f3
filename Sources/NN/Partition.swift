import MartletTensor

/// The part of a linear layer that one of several ranks holds: tensor parallelism (Shoeybi et al. 2019, section 3).
///
/// y = x Wᵀ + b with W `[out, in]`. Column parallel (columns of Wᵀ): each rank computes some outputs from all inputs;
/// the result is their concatenation. Row parallel: each rank computes all outputs from some inputs; the result is
/// their sum. Nothing is communicated here.
public enum Partition: Sendable, Equatable {
    case whole
    /// Some outputs, all inputs.
    case columns(rank: Int, of: Int)
    /// All outputs, some inputs; only the first rank has the bias.
    case rows(rank: Int, of: Int)

    /// The range of one rank; where `count` does not divide evenly, the sizes differ by at most one unit.
    /// - Parameter unit: number of neighbours that must stay together, such as a block of a stored format or a head.
    public static func share(of count: Int, unit: Int = 1, rank: Int, ranks: Int) -> Range<Int> {
        let units = count / max(unit, 1)
        return units * rank / ranks * unit..<units * (rank + 1) / ranks * unit
    }
}

extension Linear {
    /// Keeps only the part of one rank; the weight stays in its stored form.
    ///
    /// ```swift
    /// try layer.divide(.columns(rank: 1, of: 2), unit: headDimension)
    /// let part = try layer(x)                     // [tokens, out / 2]
    /// ```
    /// - Parameter unit: number of outputs (or inputs) that must stay together; for inputs at least a block of the
    ///   stored form.
    /// - Throws: `ModuleError.cannotDivide` for a layer that is already divided, has adapters, or shares its table,
    ///   and for ranks that do not exist or would get nothing; `TensorError` for weights that cannot be divided.
    public func divide(_ partition: Partition, unit: Int = 1) throws {
        let isColumns: Bool, rank: Int, ranks: Int
        switch partition {
        case .whole: return
        case .columns(let own, let count): (isColumns, rank, ranks) = (true, own, count)
        case .rows(let own, let count): (isColumns, rank, ranks) = (false, own, count)
        }
        func refuse(_ reason: String) -> ModuleError { .cannotDivide(path: path, reason: reason) }
        guard self.partition == .whole else { throw refuse("it is already divided") }
        guard !sharesTable else { throw refuse("it shares the table of another layer") }
        guard adapters.isEmpty else { throw refuse("it has adapters: merge or remove them first") }
        guard ranks > 0, (0..<ranks).contains(rank) else { throw refuse("rank \(rank) of \(ranks) does not exist") }
        let size = isColumns ? outputSize : inputSize
        let unit = isColumns ? unit : Self.multiple(unit, matrix.columnUnit)
        guard unit > 0, size % unit == 0, size / unit >= ranks else {
            throw refuse(
                "\(size) \(isColumns ? "outputs" : "inputs") in units of \(unit) do not go round \(ranks) ranks")
        }
        let range = Partition.share(of: size, unit: unit, rank: rank, ranks: ranks)
        let part = try isColumns ? matrix.part(outputs: range) : matrix.part(inputs: range)
        var bias = bias
        if isColumns, let whole = bias {
            let own = try whole.detach().narrow(0, from: range.lowerBound, length: range.count).copied()
            bias = try whole.requiresGrad ? own.requiringGrad() : own
        } else if rank > 0 {
            bias = nil
        }
        take(part, bias: bias, partition)
    }

    /// The least common multiple.
    private static func multiple(_ a: Int, _ b: Int) -> Int {
        var (x, y) = (max(a, 1), max(b, 1))
        while y != 0 { (x, y) = (y, x % y) }
        return max(a, 1) / x * max(b, 1)
    }
}
