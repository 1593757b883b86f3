import MartletTensor

/// Which part of a linear layer one of several ranks holds (Shoeybi et al. 2019, section 3).
///
/// y = x Wᵀ + b with W `[out, in]`. By columns of Wᵀ, each rank computes some of the outputs from all inputs; the whole is
/// their concatenation. By rows, each computes all outputs from some of the inputs; the whole is their sum. Nothing is
/// communicated here.
public enum Partition: Sendable, Equatable {
    case whole
    /// Some outputs, all inputs.
    case columns(rank: Int, of: Int)
    /// All outputs, some inputs; the bias is the first rank's.
    case rows(rank: Int, of: Int)

    /// The share of a rank: all are as large as can be where `count` does not divide evenly.
    /// - Parameter unit: neighbours that stay together: a block of a stored form, a head.
    public static func share(of count: Int, unit: Int = 1, rank: Int, ranks: Int) -> Range<Int> {
        let units = count / max(unit, 1)
        return units * rank / ranks * unit..<units * (rank + 1) / ranks * unit
    }
}

extension Linear {
    /// Keeps the part of one rank, of the weight as it is stored.
    ///
    /// ```swift
    /// try layer.divide(.columns(rank: 1, of: 2), unit: headDimension)
    /// let part = try layer(x)                     // [tokens, out / 2]
    /// ```
    /// - Parameter unit: outputs, or inputs, that stay together; at least a block of the stored form for inputs.
    /// - Throws: `ModuleError.cannotDivide` for a layer that is divided already, has adapters, or shares its table, for
    ///   ranks that do not exist or would get nothing; `TensorError` for forms that cannot be divided.
    public func divide(_ partition: Partition, unit: Int = 1) throws {
        let isColumns: Bool, rank: Int, ranks: Int
        switch partition {
        case .whole: return
        case .columns(let own, let count): (isColumns, rank, ranks) = (true, own, count)
        case .rows(let own, let count): (isColumns, rank, ranks) = (false, own, count)
        }
        func refuse(_ reason: String) -> ModuleError { .cannotDivide(path: path, reason: reason) }
        guard self.partition == .whole else { throw refuse("it is a part already") }
        guard !sharesTable else { throw refuse("its table is another layer's") }
        guard adapters.isEmpty else { throw refuse("it has adapters: merge them or take them off") }
        guard ranks > 0, (0..<ranks).contains(rank) else { throw refuse("there is no rank \(rank) of \(ranks)") }
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

    /// The least number that both divide.
    private static func multiple(_ a: Int, _ b: Int) -> Int {
        var (x, y) = (max(a, 1), max(b, 1))
        while y != 0 { (x, y) = (y, x % y) }
        return max(a, 1) / x * max(b, 1)
    }
}
