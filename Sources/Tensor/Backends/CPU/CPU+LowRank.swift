import CKernels

extension CPU {
    static func adaptedLinear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], _ terms: [LowRankTerm?], values: Bool
    ) throws(TensorError) -> [Tensor] {
        try Fused.check("linear", x)
        let stack = try StackedTerms(terms)
        let inner = Tensor(uninitialized: [x.shape[0], stack.width])  // s X Aᵀ of every term, [tokens, Σ rank]
        if let down = stack.down {
            product(x, down, transposed: true, into: inner, accumulate: false)
            stack.scale(inner)
        }
        var outputs: [Tensor] = []
        for (index, (weight, bias)) in layers.enumerated() {
            try checkWeight("linear", weight)
            guard x.rank == 2, weight.shape[1] == x.shape[1] else {
                throw TensorError(.shape, "linear", "a weight of \(weight.shape) does not fit \(x.shape)")
            }
            let output = Tensor(uninitialized: [x.shape[0], weight.shape[0]])
            guard values else {
                outputs.append(output)
                continue
            }
            // Always in this order, so that a term of some rows of a batch gives the same bits.
            let up = stack.up(index, inner, to: output)
            if let bias {
                try product(x, weight, transposed: true, into: output, accumulate: false)
                try Fused.addRow(bias.withoutOrigin, to: output)
                stack.add(up, to: output)
            } else {
                try product(x, weight, transposed: true, into: output, accumulate: false, then: up)
            }
            outputs.append(output)
        }
        withExtendedLifetime((inner, stack)) {}
        var inputs: [Tensor?] = [x] + layers.flatMap { [$0.weight.dense, $0.bias] }
        let firstTerm = inputs.count
        inputs += terms.flatMap { [$0?.down, $0?.up] }
        guard Tensor.isRecording(inputs) else { return outputs }
        // Only A and a trained W need X, only B needs s X Aᵀ.
        let trainsWeights = layers.contains { $0.weight.isNoted }
        let needsX = trainsWeights || terms.contains { $0.map { Tensor.isRecording($0.down) } ?? false }
        let needsInner = terms.contains { $0.map { Tensor.isRecording($0.up) } ?? false }
        let kept = needsX ? KeptValue(x, remaking: !trainsWeights) : nil, keptInner = needsInner ? inner : nil
        let weights = layers.map { $0.weight.untracked }, innerShape = inner.shape
        let saved = (kept?.saved ?? []) + [keptInner].compactMap { $0 } + weights.flatMap(\.storedTensors)
        return Tensor.record("linear", inputs, outputs, saved: saved + stack.tensors) { flow in
            let x = try kept?.tensor()
            // s dY B of every term, [tokens, Σ rank].
            let towards = try Tensor.zeros(innerShape)
            let reached = weights.indices.filter { flow.gradient($0) != nil }
            for index in reached {
                let gradient = try flow.contiguousGradient(index)
                if let x { try flow.write(1 + 2 * index) { outer(gradient, x, into: $0, accumulate: $1) } }
                try flow.write(2 + 2 * index) { sumRows(gradient, into: $0, accumulate: $1) }
                stack.addTowards(index, gradient, to: towards)
                guard let keptInner else { continue }
                try flow.write(firstTerm + 2 * index + 1) {
                    stack.addUpGradient(index, gradient, keptInner, to: $0, accumulate: $1)
                }
            }
            stack.scale(towards)
            for index in reached {
                let gradient = try flow.contiguousGradient(index)
                let isLast = index == reached.last && flow.needs(0)
                let down = isLast ? stack.towardsInput(towards, columns: weights[index].shape[1]) : nil
                try flow.write(0) {
                    try product(gradient, weights[index], transposed: false, into: $0, accumulate: $1, then: down)
                }
            }
            defer { withExtendedLifetime((towards, stack)) {} }
            guard let x else { return }
            for index in weights.indices {
                try flow.write(firstTerm + 2 * index) {
                    stack.addDownGradient(index, towards, x, to: $0, accumulate: $1)
                }
            }
        }
    }

    static func addLowRank(_ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]) throws(TensorError) {
        try Fused.check("addLowRank", x)
        for output in outputs { try Fused.check("addLowRank", output) }
        // Terms of the same rows follow each other in memory: they are one job, as long as there are enough for all threads;
        // else those of one result are. Many rows are several.
        var owners = 0
        for index in parts.indices where index == 0 || parts[index - 1].rows != parts[index].rows { owners += 1 }
        let areWhole = owners >= 2 * ThreadPool.shared.workerCount
        var tasks: [LowRankTask] = [], jobs: [Int] = []
        tasks.reserveCapacity(parts.count)
        jobs.reserveCapacity(parts.count + 1)
        var first = 0, operations = 0.0, largest = 0
        while first < parts.count {
            let rows = parts[first].rows
            var end = first + 1
            while end < parts.count, parts[end].rows == rows, areWhole || parts[end].output == parts[first].output {
                end += 1
            }
            for start in stride(from: rows.lowerBound, to: rows.upperBound, by: LowRankTask.mostRows) {
                jobs.append(tasks.count)
                let count = min(LowRankTask.mostRows, rows.upperBound - start)
                for part in parts[first..<end] {
                    let term = try LowRankTask.Term(part.form), rank = term.rank
                    let output = outputs[part.output], width = output.shape[1]
                    tasks.append(
                        LowRankTask(
                            x: x.floats + start * x.shape[1], rows: count, inputs: x.shape[1],
                            output: output.floats + start * width, outputs: width, term: term))
                    largest = max(largest, count * rank, PackedLowRankTerms.innerCount(rank: rank))
                    operations += 2 * Double(count * rank) * Double(x.shape[1] + width)
                }
            }
            first = end
        }
        let count = jobs.count
        jobs.append(tasks.count)
        OperationSpan.count(operations: operations)
        // Each job is small: one fork for all, and each on one thread.
        tasks.withUnsafeBufferPointer { tasks in
            jobs.withUnsafeBufferPointer { jobs in
                guard let tasks = tasks.baseAddress, let jobs = jobs.baseAddress else { return }
                var region = LowRankRegion(tasks: tasks, jobs: jobs, innerBytes: 4 * largest)
                withUnsafeMutablePointer(to: &region) { region in
                    ThreadPool.shared.run(count, context: region) { region, job in
                        region?.assumingMemoryBound(to: LowRankRegion.self).pointee.run(job)
                    }
                }
            }
        }
        withExtendedLifetime((parts, outputs)) {}
    }
}

/// A term of some rows of a result. Like its region it owns nothing: what threads share is not counted by each of them.
private struct LowRankTask {
    /// Rows of a job: few enough that a long prompt of one adapter is work for all threads.
    static let mostRows = 32

    enum Term {
        case packed(Unmanaged<PackedLowRankTerms>, Int)
        case plain(rank: Int, scale: Float, down: UnsafePointer<Float>, up: UnsafePointer<Float>)

        /// - Throws: `TensorError` for matrices that kernels cannot read.
        init(_ form: LowRankPart.Form) throws(TensorError) {
            switch form {
            case .packed(let terms, let index): self = .packed(Unmanaged.passUnretained(terms), index)
            case .plain(let term):
                try Fused.check("addLowRank", term.down, term.up)
                self = .plain(rank: term.rank, scale: term.scale, down: term.down.floats, up: term.up.floats)
            }
        }

        var rank: Int {
            switch self {
            case .packed(let terms, let index): terms.takeUnretainedValue().entries[index].rank
            case .plain(let rank, _, _, _): rank
            }
        }
    }

    let x: UnsafePointer<Float>
    let rows, inputs: Int
    let output: UnsafeMutablePointer<Float>
    let outputs: Int
    let term: Term

    func run(_ inner: UnsafeMutablePointer<Float>) {
        switch term {
        case .packed(let terms, let index):
            terms.takeUnretainedValue().add(index, x, rows: rows, to: output, inner: inner)
        case .plain(let rank, let scale, let down, let up):
            GEMM.multiply(
                m: rows, n: rank, k: inputs, alpha: scale, a: x, aStride: inputs, b: down, bStride: inputs,
                transposeB: true, c: inner, cStride: rank)
            GEMM.multiply(
                m: rows, n: outputs, k: rank, a: inner, aStride: rank, b: up, bStride: rank, transposeB: true, beta: 1,
                c: output, cStride: outputs)
        }
    }
}

/// The terms of one fork-join: job j has the tasks from `jobs[j]` to `jobs[j + 1]`.
private struct LowRankRegion {
    let tasks: UnsafePointer<LowRankTask>
    let jobs: UnsafePointer<Int>
    /// Of the largest s X Aᵀ.
    let innerBytes: Int

    func run(_ job: Int) {
        func run(_ inner: UnsafeMutableRawPointer) {
            for index in jobs[job]..<jobs[job + 1] { tasks[index].run(inner.assumingMemoryBound(to: Float.self)) }
        }
        if let scratch = martlet_thread_scratch(innerBytes) { return run(scratch) }
        withUnsafeTemporaryAllocation(byteCount: innerBytes, alignment: 64) { scratch in
            if let scratch = scratch.baseAddress { run(scratch) }
        }
    }
}

/// The low-rank terms of several weights, with their matrices A stacked into one.
private struct StackedTerms {
    private let terms: [LowRankTerm?]
    private let offsets: [Int]
    let width: Int
    /// `[Σ rank, in]`; nil where there are none.
    let down: Tensor?

    init(_ given: [LowRankTerm?]) throws(TensorError) {
        terms = given.map { term in
            term.map { LowRankTerm(down: $0.down.withoutOrigin, up: $0.up.withoutOrigin, scale: $0.scale) }
        }
        var offsets: [Int] = [], width = 0
        for term in terms {
            offsets.append(width)
            width += term?.rank ?? 0
        }
        (self.offsets, self.width) = (offsets, width)
        let present = terms.compactMap { $0 }
        for term in present { try Fused.check("linear", term.down, term.up) }
        guard width > 0 else {
            down = nil
            return
        }
        guard present.count > 1 else {
            down = present[0].down
            return
        }
        let stacked = Tensor(uninitialized: [width, present[0].down.shape[1]])
        var target = stacked.floats
        for term in present {
            target.update(from: term.down.floats, count: term.down.elementCount)
            target += term.down.elementCount
        }
        down = stacked
    }

    var tensors: [Tensor] { terms.compactMap { $0 }.flatMap { [$0.down, $0.up] } }

    private func count(_ a: Tensor, _ term: LowRankTerm) {
        OperationSpan.count(operations: 2 * Double(a.elementCount) * Double(term.rank))
    }

    /// Multiplies the columns of each term by its s: `[tokens, Σ rank]`, in place.
    func scale(_ inner: Tensor) {
        let combine = martlet_kernels_active().pointee.gemm.combine, values = inner.floats
        for case let (term?, offset) in zip(terms, offsets) where term.scale != 1 {
            for row in 0..<inner.shape[0] {
                let place = values + row * width + offset
                combine(term.rank, term.scale, place, 0, place)
            }
        }
    }

    /// s (X Aᵀ) Bᵀ, to be added to Y.
    func up(_ index: Int, _ inner: Tensor, to output: Tensor) -> GEMM.Addend? {
        guard let term = terms[index], term.rank > 0 else { return nil }
        count(output, term)
        return GEMM.Addend(
            k: term.rank, a: inner.floats + offsets[index], aStride: width, b: term.up.floats, bStride: term.rank,
            transposeB: true)
    }

    /// Y += what `up` gave.
    func add(_ up: GEMM.Addend?, to output: Tensor) {
        guard let up else { return }
        GEMM.multiply(
            m: output.shape[0], n: output.shape[1], k: up.k, a: up.a, aStride: up.aStride, b: up.b,
            bStride: up.bStride, transposeB: up.transposeB, beta: 1, c: output.floats, cStride: output.shape[1])
    }

    /// G A, to be added to dX.
    func towardsInput(_ towards: Tensor, columns: Int) -> GEMM.Addend? {
        guard let down, width > 0 else { return nil }
        OperationSpan.count(operations: 2 * Double(towards.elementCount) * Double(columns))
        return GEMM.Addend(k: width, a: towards.floats, aStride: width, b: down.floats, bStride: columns)
    }

    /// dY B, in the term's columns.
    func addTowards(_ index: Int, _ gradient: Tensor, to towards: Tensor) {
        guard let term = terms[index] else { return }
        count(gradient, term)
        GEMM.multiply(
            m: gradient.shape[0], n: term.rank, k: gradient.shape[1], a: gradient.floats, aStride: gradient.shape[1],
            b: term.up.floats, bStride: term.rank, c: towards.floats + offsets[index], cStride: width)
    }

    /// dYᵀ (s X Aᵀ).
    func addUpGradient(_ index: Int, _ gradient: Tensor, _ inner: Tensor, to target: Tensor, accumulate: Bool) {
        guard let term = terms[index] else { return }
        count(gradient, term)
        // Its transpose is a product that reads dY where it lies.
        let outputs = gradient.shape[1], rank = term.rank
        let transposed = Tensor(uninitialized: [rank, outputs]), rows = transposed.floats, columns = target.floats
        if accumulate {
            for row in 0..<outputs {
                for column in 0..<rank { rows[column * outputs + row] = columns[row * rank + column] }
            }
        }
        GEMM.multiply(
            m: rank, n: outputs, k: gradient.shape[0], a: inner.floats + offsets[index], aStride: width,
            transposeA: true, b: gradient.floats, bStride: outputs, beta: accumulate ? 1 : 0, c: rows,
            cStride: outputs)
        for row in 0..<outputs {
            for column in 0..<rank { columns[row * rank + column] = rows[column * outputs + row] }
        }
        withExtendedLifetime(transposed) {}
    }

    /// Gᵀ X.
    func addDownGradient(_ index: Int, _ towards: Tensor, _ x: Tensor, to target: Tensor, accumulate: Bool) {
        guard let term = terms[index] else { return }
        count(x, term)
        GEMM.multiply(
            m: term.rank, n: x.shape[1], k: x.shape[0], a: towards.floats + offsets[index], aStride: width,
            transposeA: true, b: x.floats, bStride: x.shape[1], beta: accumulate ? 1 : 0, c: target.floats,
            cStride: x.shape[1])
    }
}
