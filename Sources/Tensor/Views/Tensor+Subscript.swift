/// An argument of `x[…]`: an integer, a range, or one of the selectors of `TensorSelector`.
public protocol TensorIndex: Sendable {
    var selector: TensorSelector { get }
}

public struct TensorSelector: TensorIndex {
    enum Kind: Sendable {
        case index(Int)
        case slice(from: Int?, to: Int?, step: Int)
        case newAxis, ellipsis
    }
    let kind: Kind
    public var selector: TensorSelector { self }

    fileprivate static func range(_ start: Int?, _ end: Int?) -> TensorSelector {
        TensorSelector(kind: .slice(from: start, to: end, step: 1))
    }
}

extension TensorIndex where Self == TensorSelector {
    /// The whole axis: Python's `:`.
    public static var all: TensorSelector { .slice(nil, nil) }
    /// Python's `start:end:step`; negative bounds count from the end.
    public static func slice(_ start: Int?, _ end: Int?, step: Int = 1) -> TensorSelector {
        TensorSelector(kind: .slice(from: start, to: end, step: step))
    }
    /// A new axis of extent 1: Python's `None`.
    public static var newAxis: TensorSelector { TensorSelector(kind: .newAxis) }
    /// As many whole axes as needed: Python's `...`.
    public static var ellipsis: TensorSelector { TensorSelector(kind: .ellipsis) }
}

extension Int: TensorIndex {
    public var selector: TensorSelector { TensorSelector(kind: .index(self)) }
}
extension Range<Int>: TensorIndex {
    public var selector: TensorSelector { .range(lowerBound, upperBound) }
}
extension ClosedRange<Int>: TensorIndex {
    /// After -1, the last element, there is no index for an exclusive end.
    public var selector: TensorSelector { .range(lowerBound, upperBound == -1 ? nil : upperBound + 1) }
}
extension PartialRangeFrom<Int>: TensorIndex {
    public var selector: TensorSelector { .range(lowerBound, nil) }
}
extension PartialRangeUpTo<Int>: TensorIndex {
    public var selector: TensorSelector { .range(nil, upperBound) }
}
extension PartialRangeThrough<Int>: TensorIndex {
    public var selector: TensorSelector { .range(nil, upperBound == -1 ? nil : upperBound + 1) }
}

extension Tensor {
    /// A view with Python's indexing: `try x[0]`, `try x[1..., .all, -1]`, `try x[.ellipsis, ..<4]`, `try x[.slice(nil,
    /// nil, step: 2)]`.
    /// - Throws: `TensorError` of kind `.index` for an index out of range, too many indices or a second ellipsis.
    public subscript(_ indices: any TensorIndex...) -> Tensor {
        get throws(TensorError) { try indexed(by: indices.map(\.selector)) }
    }

    private func indexed(by selectors: [TensorSelector]) throws(TensorError) -> Tensor {
        var taken = 0, ellipses = 0
        for selector in selectors {
            switch selector.kind {
            case .index, .slice: taken += 1
            case .ellipsis: ellipses += 1
            case .newAxis: break
            }
        }
        guard taken <= rank, ellipses <= 1 else {
            throw TensorError(
                .index, "subscript",
                ellipses > 1 ? "more than one ellipsis" : "\(taken) indices for shape \(shape) (\(rank) dimensions)")
        }
        var result = self
        var axis = 0
        for selector in selectors {
            switch selector.kind {
            case .index(let index): result = try result.select(axis, index)
            case .slice(let start, let end, let step):
                result = try result.slice(axis, from: start, to: end, step: step)
                axis += 1
            case .newAxis:
                result = try result.unsqueeze(axis)
                axis += 1
            case .ellipsis: axis += rank - taken
            }
        }
        return result
    }
}
