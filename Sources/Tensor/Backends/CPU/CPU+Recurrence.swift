import CKernels

extension CPU {
    static func selectiveScan(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Fused.check("selectiveScan", x, step, a, b, c, d)
        // One head, whose lanes are the channels.
        let shape = RecurrenceShape(heads: 1, groups: 1, rows: a.shape[0], lanes: x.shape[1])
        return recorded("selectiveScan", .selectiveScan, [x, step, a, b, c, d], shape, sequences)
    }

    /// A state space with the inputs x, steps, A, B, C and D.
    private static func recorded(
        _ name: String, _ kind: Recurrence.Kind, _ inputs: [Tensor], _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) -> Tensor {
        let plain = inputs.map(\.withoutOrigin)
        let scan = Recurrence(
            kind: kind, x: plain[0], step: plain[1], a: plain[2], b: plain[3], c: plain[4], d: plain[5], shape: shape,
            sequences: sequences)
        let result = Tensor(uninitialized: plain[0].shape)
        scan.run(into: result)
        guard Tensor.isRecording(inputs) else { return result }
        return result.recorded(name, inputs, saved: plain) { flow in
            let gradients = try scan.gradients(flow.contiguousGradient())
            let all = [gradients.x, gradients.step, gradients.a, gradients.b, gradients.c, gradients.d]
            for (index, gradient) in all.enumerated() { try flow.give(index, gradient) }
        }
    }

    static func stateSpace(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Fused.check("stateSpace", x, step, a, b, c, d)
        return recorded("stateSpace", .stateSpace, [x, step, a, b, c, d], shape, sequences)
    }

    static func gatedDelta(
        queries: Tensor, keys: Tensor, values: Tensor, decay: Tensor, beta: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Fused.check("gatedDelta", queries, keys, values, decay, beta)
        let scan = Recurrence(
            kind: .gatedDelta, x: values.withoutOrigin, step: decay.withoutOrigin, b: keys.withoutOrigin,
            c: queries.withoutOrigin, beta: beta.withoutOrigin, shape: shape, sequences: sequences)
        let result = Tensor(uninitialized: values.shape)
        scan.run(into: result)
        let inputs = [queries, keys, values, decay, beta]
        guard Tensor.isRecording(inputs) else { return result }
        return result.recorded("gatedDelta", inputs, saved: inputs.map(\.withoutOrigin)) { flow in
            let gradients = try scan.gradients(flow.contiguousGradient())
            try flow.give(0, gradients.c)
            try flow.give(1, gradients.b)
            try flow.give(2, gradients.x)
            try flow.give(3, gradients.step)
            try flow.give(4, gradients.beta)
        }
    }
}

/// One of the recurrences over sequences. Its heads, or ranges of channels, are computed side by side, tokens in order.
private struct Recurrence {
    enum Kind { case selectiveScan, stateSpace, gatedDelta }

    let kind: Kind
    /// As `martlet_recurrence` names them; A of a selective scan is `[rows, channels]`.
    let x, step: Tensor
    var a: Tensor?
    let b, c: Tensor
    var d: Tensor?
    var beta: Tensor?
    let shape: RecurrenceShape
    let sequences: [RecurrentRows]

    /// Channels of a task in a selective scan.
    private static let channelsOfTask = 64
    /// Tokens between the states that a gradient keeps while it goes back; it computes those between them again.
    private static let tokensOfChunk = 64

    private var tokens: Int { x.shape[0] }
    private var isByChannel: Bool { kind == .selectiveScan }
    /// Heads, or ranges of channels.
    private var parts: Int {
        isByChannel ? (shape.lanes + Self.channelsOfTask - 1) / Self.channelsOfTask : shape.heads
    }

    private func lanes(of part: Int) -> Range<Int> {
        let size = isByChannel ? Self.channelsOfTask : shape.lanes
        return part * size..<min((part + 1) * size, shape.width)
    }

    /// One part of some rows of a sequence. The state is that of the part alone, unless it lies among others.
    private func call(_ part: Int, _ rows: Range<Int>, state: UnsafeMutablePointer<Float>, y: Tensor?)
        -> martlet_recurrence
    {
        let lanes = lanes(of: part), row = rows.lowerBound, width = shape.width, inner = shape.groupWidth
        let group = isByChannel ? 0 : part / (shape.heads / shape.groups) * shape.rows
        let stepWidth = step.shape[1], firstStep = isByChannel ? lanes.lowerBound : part
        return martlet_recurrence(
            x: x.floats + row * width + lanes.lowerBound, b: b.floats + row * inner + group,
            c: c.floats + row * inner + group, step: step.floats + row * stepWidth + firstStep,
            beta: beta.map { $0.floats + row * shape.heads + part }, a: a.map { $0.floats + firstStep },
            d: d.map { $0.floats + firstStep }, state: state,
            y: y.map { $0.floats + row * width + lanes.lowerBound }, x_stride: width, b_stride: inner, c_stride: inner,
            step_stride: stepWidth, beta_stride: shape.heads, a_stride: isByChannel ? shape.lanes : 0,
            state_stride: lanes.count, y_stride: width, keep: 0, tokens: rows.count, rows: shape.rows,
            lanes: lanes.count)
    }

    private var kernel: @convention(c) (UnsafePointer<martlet_recurrence>) -> Void {
        let kernels = martlet_kernels_active().pointee.recurrent
        return switch kind {
        case .selectiveScan: kernels.selective_scan
        case .stateSpace: kernels.state_space
        case .gatedDelta: kernels.gated_delta
        }
    }

    private var gradientKernel: @convention(c) (UnsafePointer<martlet_recurrence_gradient>) -> Void {
        let kernels = martlet_kernels_active().pointee.recurrent
        return switch kind {
        case .selectiveScan: kernels.selective_scan_gradient
        case .stateSpace: kernels.state_space_gradient
        case .gatedDelta: kernels.gated_delta_gradient
        }
    }

    /// The results `[tokens, width]`; states of sequences that have one are replaced.
    func run(into y: Tensor) {
        // Three multiply-adds of each number of the state.
        OperationSpan.count(operations: 6 * Double(tokens) * Double(shape.stateCount))
        let kernel = kernel, running = sequences.filter { !$0.rows.isEmpty }, parts = parts
        ThreadPool.shared.run(running.count * parts) { index in
            let sequence = running[index / parts], part = index % parts, lanes = lanes(of: part)
            if let state = sequence.state {
                let own = isByChannel ? lanes.lowerBound : part * shape.rows * shape.lanes
                var call = call(part, sequence.rows, state: state.floats + own, y: y)
                if isByChannel { call.state_stride = shape.lanes }
                return kernel(&call)
            }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.rows * lanes.count) { state in
                state.initialize(repeating: 0)
                guard let base = state.baseAddress else { return }
                var call = call(part, sequence.rows, state: base, y: y)
                kernel(&call)
            }
        }
        withExtendedLifetime((self, running)) {}
    }

    struct Gradients {
        let x, step, a, b, c, d, beta: Tensor
    }

    /// Gradients of all inputs. States are computed again, from one kept in every so many tokens, so memory grows with the
    /// tokens and not with tokens times states.
    func gradients(_ dy: Tensor) throws -> Gradients {
        OperationSpan.count(operations: 24 * Double(tokens) * Double(shape.stateCount))
        let count = tokens, parts = parts, rows = shape.rows
        let dx = Tensor(uninitialized: x.shape), dstep = Tensor(uninitialized: step.shape)
        // B and C serve several parts: what each gives is added up afterwards, in order.
        let db = Tensor(uninitialized: [count, parts, rows]), dc = Tensor(uninitialized: [count, parts, rows])
        let da = try Tensor.zeros(a?.shape ?? [0]), dd = try Tensor.zeros(d?.shape ?? [0])
        let dbeta = Tensor(uninitialized: beta?.shape ?? [0])
        ThreadPool.shared.run(parts) { part in
            for sequence in sequences where !sequence.rows.isEmpty {
                goBack(part, sequence.rows, dy, dx: dx, dstep: dstep, db: db, dc: dc, da: da, dd: dd, dbeta: dbeta)
            }
        }
        withExtendedLifetime((self, dy)) {}
        let groups = isByChannel ? 1 : shape.groups
        func summed(_ parts: Tensor) throws -> Tensor {
            try parts.reshape(count, groups, parts.shape[1] / groups, rows).sum(axes: [2]).reshape(count, groups * rows)
        }
        return Gradients(x: dx, step: dstep, a: da, b: try summed(db), c: try summed(dc), d: dd, beta: dbeta)
    }

    private func goBack(
        _ part: Int, _ sequence: Range<Int>, _ dy: Tensor, dx: Tensor, dstep: Tensor, db: Tensor, dc: Tensor,
        da: Tensor,
        dd: Tensor, dbeta: Tensor
    ) {
        let lanes = lanes(of: part), size = shape.rows * lanes.count, chunk = Self.tokensOfChunk
        let chunks = (sequence.count + chunk - 1) / chunk, kernel = kernel, gradientKernel = gradientKernel
        // The state before every chunk, all states of one chunk, the gradient of the state, that of A, and scratch.
        let memory = Storage(byteCount: 4 * ((chunks + chunk + 3) * size + 3 * lanes.count))
        let kept = memory.pointer.assumingMemoryBound(to: Float.self)
        let states = kept + chunks * size, carried = states + (chunk + 1) * size, ownA = carried + size
        kept.initialize(repeating: 0, count: size)
        carried.initialize(repeating: 0, count: 2 * size)
        func rows(_ index: Int) -> Range<Int> {
            let first = sequence.lowerBound + index * chunk
            return first..<min(first + chunk, sequence.upperBound)
        }
        for index in 0..<max(chunks - 1, 0) {
            (kept + (index + 1) * size).update(from: kept + index * size, count: size)
            var call = call(part, rows(index), state: kept + (index + 1) * size, y: nil)
            kernel(&call)
        }
        let width = shape.width, inner = db.shape[1] * shape.rows, stepWidth = step.shape[1]
        let firstStep = isByChannel ? lanes.lowerBound : part
        for index in (0..<chunks).reversed() {
            let rows = rows(index), row = rows.lowerBound
            states.update(from: kept + index * size, count: size)
            var forward = call(part, rows, state: states, y: nil)
            forward.keep = size
            kernel(&forward)
            var call = martlet_recurrence_gradient(
                forward: forward, dy: dy.floats + row * width + lanes.lowerBound, carried: carried,
                dx: dx.floats + row * width + lanes.lowerBound, db: db.floats + row * inner + part * shape.rows,
                dc: dc.floats + row * inner + part * shape.rows, dstep: dstep.floats + row * stepWidth + firstStep,
                dbeta: beta == nil ? nil : dbeta.floats + row * shape.heads + part,
                da: a == nil ? nil : isByChannel ? ownA : da.floats + part,
                dd: d == nil ? nil : dd.floats + firstStep, scratch: ownA + size, dy_stride: width, dx_stride: width,
                db_stride: inner, dc_stride: inner, dstep_stride: stepWidth, dbeta_stride: shape.heads)
            gradientKernel(&call)
        }
        guard isByChannel else { return }
        for r in 0..<shape.rows {
            let target = da.floats + r * shape.lanes + lanes.lowerBound
            for lane in 0..<lanes.count { target[lane] += ownA[r * lanes.count + lane] }
        }
    }
}
