import MartletTensor

/// Recurrent layers over sequences (Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014), with PyTorch's
/// parameter names and layout: `weight_ih_l0` `[gates · hidden, in]`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, and
/// so on per layer; the parameters of the reverse direction end in `_reverse`.
///
/// ```swift
/// let lstm = Recurrent(source, "rnn.", .lstm, from: 16, hidden: 32)
/// let (output, states) = try lstm(x)      // x [batch, time, 16] -> output [batch, time, 32]
/// ```
public final class Recurrent {
    public enum Cell: Sendable, Equatable {
        /// h ← f(W x + U h)
        case plain(Activation)
        /// i, f, o = σ, g = tanh of W x + U h; c ← f c + i g; h ← o tanh(c)
        case lstm
        /// r, z = σ(W x + U h), n = tanh(W x + r (U h)); h ← (1 − z) n + z h
        case gru

        /// The activation functions of a plain cell.
        public enum Activation: Sendable { case tanh, relu }
        var gateCount: Int {
            switch self {
            case .plain: 1
            case .lstm: 4
            case .gru: 3
            }
        }
    }

    /// The state of one layer and direction between time steps, each `[batch, hidden]`.
    public struct State {
        public var hidden: Tensor
        /// The cell state c of an LSTM; nil otherwise.
        public var cell: Tensor?

        public init(hidden: Tensor, cell: Tensor? = nil) {
            self.hidden = hidden
            self.cell = cell
        }
    }

    public let cell: Cell
    public let hiddenSize: Int
    public let isBidirectional: Bool
    private let directions: [Direction]

    /// The parameters of one layer in one direction.
    private struct Direction {
        let input, recurrent: Tensor
        let inputBias, recurrentBias: Tensor?
    }

    /// - Parameter name: the prefix of the parameter names, such as "rnn."; may be empty.
    public init(
        _ source: ParameterSource, _ name: String, _ cell: Cell, from inputSize: Int, hidden: Int,
        layers: Int = 1, bias: Bool = true, isBidirectional: Bool = false
    ) {
        self.cell = cell
        hiddenSize = hidden
        self.isBidirectional = isBidirectional
        let width = cell.gateCount * hidden
        directions = (0..<layers).flatMap { layer in
            (isBidirectional ? ["", "_reverse"] : [""]).map { suffix in
                func parameter(_ part: String, _ shape: Shape, _ role: ParameterRole) -> Tensor {
                    source.parameter("\(name)\(part)_l\(layer)\(suffix)", shape: shape, role: role)
                }
                let size = layer == 0 ? inputSize : hidden * (isBidirectional ? 2 : 1)
                return Direction(
                    input: parameter("weight_ih", [width, size], .weight),
                    recurrent: parameter("weight_hh", [width, hidden], .weight),
                    inputBias: bias ? parameter("bias_ih", [width], .bias) : nil,
                    recurrentBias: bias ? parameter("bias_hh", [width], .bias) : nil)
            }
        }
    }

    /// - Parameters:
    ///   - x: `[batch, time, in]`.
    ///   - states: one initial state per layer and direction, in PyTorch's order; zeros by default.
    /// - Returns: the hidden states of the last layer `[batch, time, directions · hidden]`, and the final states.
    public func callAsFunction(_ x: Tensor, _ states: [State]? = nil) throws -> (output: Tensor, states: [State]) {
        guard x.rank == 3, x.shape[1] > 0, states.map({ $0.count == directions.count }) ?? true else {
            throw TensorError(
                .shape, "recurrent",
                "an input of \(x.shape) with \(states?.count ?? 0) states; expected "
                    + "[batch, time, in] and \(directions.count) states")
        }
        let ways = isBidirectional ? 2 : 1
        var ends: [State] = [], layerInput = x
        for layer in 0..<directions.count / ways {
            var outputs: [Tensor] = []
            for way in 0..<ways {
                let index = layer * ways + way
                let (output, end) = try run(
                    directions[index], layerInput, from: states?[index], isReversed: way == 1)
                outputs.append(output)
                ends.append(end)
            }
            // [batch, time, directions * hidden]
            layerInput = ways == 1 ? outputs[0] : try Tensor.concatenate(outputs, axis: 2)
        }
        return (layerInput, ends)
    }

    private func run(
        _ direction: Direction, _ x: Tensor, from start: State?, isReversed: Bool
    ) throws -> (Tensor, State) {
        let batch = x.shape[0], time = x.shape[1]
        // The input's part does not depend on earlier time steps: one product for all of them.
        let flat = try x.reshape(batch * time, x.shape[2]).contiguous()  // [batch * time, in]
        let projected = try Fused.linear(flat, [(direction.input, direction.inputBias)])[0]
            .reshape(batch, time, cell.gateCount * hiddenSize)  // [batch, time, gates * hidden]
        let zero = try Tensor.zeros([batch, hiddenSize])  // [batch, hidden]
        var state = start ?? State(hidden: zero, cell: cell == .lstm ? zero : nil)
        var steps = [Tensor?](repeating: nil, count: time)
        for step in 0..<time {
            let place = isReversed ? time - 1 - step : step
            let before = try state.hidden.contiguous()  // [batch, hidden]
            // [batch, gates * hidden]
            let recurrent = try Fused.linear(before, [(direction.recurrent, direction.recurrentBias)])[0]
            state = try advanced(state, projected.select(1, place), recurrent)
            steps[place] = state.hidden
        }
        return (try Tensor.stack(steps.compactMap { $0 }, axis: 1), state)  // [batch, time, hidden]
    }

    private func advanced(_ state: State, _ input: Tensor, _ recurrent: Tensor) throws -> State {
        func part(_ x: Tensor, _ index: Int) throws -> Tensor {
            try x.narrow(1, from: index * hiddenSize, length: hiddenSize)
        }
        switch cell {
        case .plain(let activation):
            let sum = try input + recurrent
            return State(hidden: try activation == .tanh ? sum.tanh() : sum.relu())
        case .lstm:
            let gates = try input + recurrent  // [batch, 4 * hidden]
            let keep = try part(gates, 1).sigmoid(), enter = try part(gates, 0).sigmoid()
            let candidate = try part(gates, 2).tanh(), show = try part(gates, 3).sigmoid()
            let inner = try keep * (state.cell ?? state.hidden) + enter * candidate  // [batch, hidden]
            return State(hidden: try show * inner.tanh(), cell: inner)
        case .gru:
            let reset = try (part(input, 0) + part(recurrent, 0)).sigmoid()
            let update = try (part(input, 1) + part(recurrent, 1)).sigmoid()
            let candidate = try (part(input, 2) + reset * part(recurrent, 2)).tanh()
            return State(hidden: try candidate + update * (state.hidden - candidate))
        }
    }
}
