import MartletSystem
import Synchronization

/// One operation on the tape: what it was made from and how a gradient flows back through it. A leaf, a tensor made
/// with `requiresGrad`, has no inputs and keeps the gradient that arrives.
///
/// Nodes are numbered as they are made, and inputs are older than results, so the numbers are a topological order.
package final class GradientNode: @unchecked Sendable {
    /// Passes the gradients of the results on to the inputs.
    package typealias Backward = (_ flow: GradientFlow) throws -> Void

    package let operation: String
    let number: UInt64
    /// Shape and type of each result: its gradient has the same.
    let outputs: [(shape: Shape, dtype: DType)]
    private(set) var inputs: [GradientOrigin?]
    private(set) var backward: Backward?
    /// Storage whose contents `backward` needs, and the state it was in.
    private(set) var saved: [(storage: Storage, version: Int)]
    let isLeaf: Bool

    /// What has arrived for each result during the present `backward`.
    var pending: [Tensor?]
    /// Of a leaf, or of a result after `retainGradient`.
    var gradient: Tensor?
    var retains = false
    var hooks: [(index: Int, id: Int, body: (Tensor) throws -> Tensor?)] = []
    private(set) var isReleased = false

    private static let counter = Atomic<UInt64>(0)
    /// Nodes alive, for tests that look for leaks.
    package static let liveCount = Atomic<Int>(0)

    init(
        _ operation: String, inputs: [GradientOrigin?], outputs: [(shape: Shape, dtype: DType)], saved: [Tensor],
        isLeaf: Bool = false, backward: Backward?
    ) {
        self.operation = operation
        number = Self.counter.add(1, ordering: .relaxed).oldValue
        self.inputs = inputs
        self.outputs = outputs
        self.backward = backward
        self.saved = saved.map { ($0.storage, $0.storage.version) }
        self.isLeaf = isLeaf
        pending = Array(repeating: nil, count: outputs.count)
        Self.liveCount.add(1, ordering: .relaxed)
    }

    /// Forgets what the node was made from. A second pass through it is refused afterwards.
    func release() {
        guard !isLeaf else { return }
        isReleased = true
        let remains = Remains(inputs: inputs, backward: backward)
        inputs = []
        backward = nil
        saved = []
        remains.bury()
    }

    deinit {
        Self.liveCount.subtract(1, ordering: .relaxed)
        guard !inputs.isEmpty else { return }
        let remains = Remains(inputs: inputs, backward: backward)
        // What is still held here would be freed after this, by recursion.
        inputs = []
        backward = nil
        remains.bury()
    }
}

/// The result of a node that a tensor is.
package struct GradientOrigin: Sendable {
    package let node: GradientNode
    package let index: Int
}

/// What a node held when it was let go. A graph thousands of operations deep would overflow the stack if each node
/// freed the next one from inside its own `deinit`; so the first one frees all, one after the other.
private final class Remains {
    private var inputs: [GradientOrigin?]
    private var backward: GradientNode.Backward?
    private var next: Remains?

    init(inputs: [GradientOrigin?], backward: GradientNode.Backward?) {
        self.inputs = inputs
        self.backward = backward
    }

    func bury() {
        if let busy = ThreadState.graveyard {
            // Somebody further up the stack is at it: leave it to them.
            let head = Unmanaged<Remains>.fromOpaque(busy).takeUnretainedValue()
            next = head.next
            head.next = self
            return
        }
        ThreadState.graveyard = Unmanaged.passUnretained(self).toOpaque()
        defer { ThreadState.graveyard = nil }
        inputs = []
        backward = nil
        while let one = next {
            next = one.next
            one.next = nil
            one.inputs = []
            one.backward = nil
        }
    }
}
