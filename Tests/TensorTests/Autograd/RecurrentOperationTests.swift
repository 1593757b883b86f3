import MartletTensor
import Testing

/// Operations of layers with a recurrent state: kernels against their formulas, gradients, and states between calls.
struct RecurrentOperationTests {
    private func compare(_ name: String, shapes: [Shape], fused: ([Tensor]) throws -> Tensor) throws {
        try FusedGradientTests().compare(name, shapes: shapes, tolerance: 1e-4, fused: fused)
    }

    /// Three sequences, one of which is empty.
    private func sequences(_ tokens: Int) -> [RecurrentRows] {
        let first = tokens / 3
        return [0..<first, first..<first, first..<tokens].map { RecurrentRows(rows: $0) }
    }

    @Test(arguments: [(1, 1, 1), (7, 20, 4), (40, 300, 3)])
    func convolutionsAgree(tokens: Int, channels: Int, width: Int) throws {
        try compare("causalConvolution", shapes: [[tokens, channels], [channels, 1, width], [channels]]) {
            try Fused.causalConvolution($0[0], $0[1], $0[2], sequences(tokens))
        }
        try compare("causalConvolution without a bias", shapes: [[tokens, channels], [channels, 1, width]]) {
            try Fused.causalConvolution($0[0], $0[1], nil, sequences(tokens))
        }
    }

    @Test(arguments: [(1, 1, 1), (9, 20, 5), (150, 70, 3)])
    func selectiveScansAgree(tokens: Int, channels: Int, size: Int) throws {
        let shapes: [Shape] = [
            [tokens, channels], [tokens, channels], [size, channels], [tokens, size], [tokens, size], [channels],
        ]
        try compare("selectiveScan", shapes: shapes) {
            try Fused.selectiveScan(
                $0[0], step: $0[1].softplus(), a: -$0[2].exp(), b: $0[3], c: $0[4], d: $0[5], sequences(tokens))
        }
    }

    @Test(arguments: [(1, 1, 1, 1, 1), (9, 6, 2, 5, 20), (200, 2, 1, 4, 70)])
    func stateSpacesAgree(tokens: Int, heads: Int, groups: Int, rows: Int, lanes: Int) throws {
        let shape = RecurrenceShape(heads: heads, groups: groups, rows: rows, lanes: lanes)
        let shapes: [Shape] = [
            [tokens, heads * lanes], [tokens, heads], [heads], [tokens, groups * rows], [tokens, groups * rows],
            [heads],
        ]
        try compare("stateSpace", shapes: shapes) {
            try Fused.stateSpace(
                $0[0], step: $0[1].softplus(), a: -$0[2].exp(), b: $0[3], c: $0[4], d: $0[5], shape, sequences(tokens))
        }
    }

    @Test(arguments: [(1, 1, 1, 1, 1), (9, 6, 2, 5, 20), (200, 2, 1, 4, 70)])
    func gatedDeltaRulesAgree(tokens: Int, heads: Int, groups: Int, rows: Int, lanes: Int) throws {
        let shape = RecurrenceShape(heads: heads, groups: groups, rows: rows, lanes: lanes)
        let shapes: [Shape] = [
            [tokens, groups * rows], [tokens, groups * rows], [tokens, heads * lanes], [tokens, heads],
            [tokens, heads],
        ]
        try compare("gatedDelta", shapes: shapes) {
            // Longer keys would make a growing state of the rule.
            try Fused.gatedDelta(
                queries: $0[0], keys: $0[1].tanh() * (1 / Double(rows).squareRoot()), values: $0[2],
                decay: -$0[3].softplus(), beta: $0[4].sigmoid(), shape, sequences(tokens))
        }
    }

    @Test func gradientsAreThoseOfDifferences() throws {
        let rows = sequences(5), shape = RecurrenceShape(heads: 2, groups: 1, rows: 2, lanes: 3)
        try expectGradients("causalConvolution", shapes: [[5, 2], [2, 1, 3], [2]]) {
            try Fused.causalConvolution($0[0], $0[1], $0[2], rows)
        }
        try expectGradients("selectiveScan", shapes: [[5, 3], [5, 3], [2, 3], [5, 2], [5, 2], [3]]) {
            try Fused.selectiveScan(
                $0[0], step: $0[1].softplus(), a: -$0[2].exp(), b: $0[3], c: $0[4], d: $0[5], rows)
        }
        try expectGradients("stateSpace", shapes: [[5, 6], [5, 2], [2], [5, 2], [5, 2], [2]]) {
            try Fused.stateSpace(
                $0[0], step: $0[1].softplus(), a: -$0[2].exp(), b: $0[3], c: $0[4], d: $0[5], shape, rows)
        }
        try expectGradients("gatedDelta", shapes: [[5, 2], [5, 2], [5, 6], [5, 2], [5, 2]]) {
            try Fused.gatedDelta(
                queries: $0[0], keys: $0[1], values: $0[2], decay: -$0[3].softplus(), beta: $0[4].sigmoid(), shape, rows
            )
        }
    }

    /// A sequence at once, in pieces, and beside another one: the same bits.
    @Test func statesGoOnWhereACallEnded() throws {
        let tokens = 13, other = 4, shape = RecurrenceShape(heads: 6, groups: 3, rows: 5, lanes: 37)
        var stream = RandomStream(seed: 5)
        func random(_ shape: Shape) throws -> Tensor {
            try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
        }
        let all = tokens + other, width = shape.heads * shape.lanes
        let x = try random([all, width]), b = try random([all, 15]) * 0.3, c = try random([all, 15])
        let step = try random([all, 6]).softplus(), a = try -random([6]).exp(), d = try random([6])
        let beta = try random([all, 6]).sigmoid(), weight = try random([width, 1, 4]), steps = try x.softplus()
        let rates = try -random([5, width]).exp(), skip = try random([width]), decay = try step.negative()
        let b5 = try b.narrow(1, from: 0, length: 5).contiguous(), c5 = try c.narrow(1, from: 0, length: 5).contiguous()
        let operations: [(String, Int, (Range<Int>, [RecurrentRows]) throws -> Tensor)] = [
            (
                "causalConvolution", 3 * width,
                { try Fused.causalConvolution(x.rows($0), weight, nil, $1) }
            ),
            (
                "selectiveScan", 5 * width,
                {
                    try Fused.selectiveScan(
                        x.rows($0), step: steps.rows($0), a: rates, b: b5.rows($0), c: c5.rows($0), d: skip, $1)
                }
            ),
            (
                "stateSpace", 5 * width,
                {
                    try Fused.stateSpace(
                        x.rows($0), step: step.rows($0), a: a, b: b.rows($0), c: c.rows($0), d: d, shape, $1)
                }
            ),
            (
                "gatedDelta", 5 * width,
                {
                    try Fused.gatedDelta(
                        queries: c.rows($0), keys: b.rows($0), values: x.rows($0), decay: decay.rows($0),
                        beta: beta.rows($0), shape, $1)
                }
            ),
        ]
        for (name, count, run) in operations {
            let whole = try run(0..<tokens, [RecurrentRows(rows: 0..<tokens)]).toArray(as: Float.self)
            // Behind other numbers of the same block.
            let block = KVBlock(zeros: 4 * (count + 3), ledger: nil)
            var pieces: [Float] = []
            for piece in [0..<1, 1..<6, 6..<6, 6..<7, 7..<tokens] {
                let rows = RecurrentRows(rows: 0..<piece.count, state: RecurrentState(block, at: 3))
                pieces += try run(piece, [rows]).toArray(as: Float.self)
            }
            #expect(pieces == whole, "\(name) in pieces")
            let beside = try run(0..<all, [RecurrentRows(rows: 0..<tokens), RecurrentRows(rows: tokens..<all)])
            #expect(try Array(beside.toArray(as: Float.self).prefix(whole.count)) == whole, "\(name) beside another")
        }
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let x = try Tensor.zeros([3, 4]), weight = try Tensor.zeros([4, 1, 3])
        #expect { try Fused.causalConvolution(x, weight, nil, [RecurrentRows(rows: 0..<2)]) } throws: {
            "\($0)".contains("do not cover 3 rows")
        }
        #expect { try Fused.causalConvolution(x, x, nil, [RecurrentRows(rows: 0..<3)]) } throws: {
            "\($0)".hasPrefix("causalConvolution: weights [3, 4] do not fit [3, 4]")
        }
        let kept = RecurrentRows(rows: 0..<3, state: RecurrentState(KVBlock(zeros: 32, ledger: nil), at: 0))
        #expect { try Fused.causalConvolution(x.requiringGrad(), weight, nil, [kept]) } throws: {
            ($0 as? TensorError)?.kind == .gradient
        }
        #expect { try Fused.causalConvolution(x.to(.float64), weight.to(.float64), nil, [kept]) } throws: {
            ($0 as? TensorError)?.kind == .dtype
        }
    }
}

extension Tensor {
    fileprivate func rows(_ range: Range<Int>) throws -> Tensor {
        try narrow(0, from: range.lowerBound, length: range.count).contiguous()
    }
}
