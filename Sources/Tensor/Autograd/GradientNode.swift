import MartletSystem
import Synchronization

/// One operation on the tape: its inputs and its backward function. A leaf (a tensor made with `requiresGrad`) has no
/// inputs and accumulates the gradient that arrives.
///
/// Nodes are numbered in order of creation, and inputs are older than results, so the numbers are a topological order.
package final class GradientNode: @unchecked Sendable {
    /// Passes the gradients of the results on to the inputs.
    package typealias Backward = (_ flow: GradientFlow) throws -> Void

    package let operation: String
    let number: UInt64
    /// Shape and type of each result: its gradient has the same.
    let outputs: [(shape: Shape, dtype: DType)]
    private(set) var inputs: [GradientOrigin?]
    private(set) var backward: Backward?
    /// Storages whose contents `backward` reads, with the version each had when it was saved.
    private(set) var saved: [(storage: Storage, version: Int)]
    /// Computes the first result again from what is saved; see `KeptValue`.
    private(set) var remake: (() throws -> Tensor)?
    let isLeaf: Bool

    /// The gradient accumulated for each result during the current `backward`.
    var pending: [Tensor?]
    /// The gradient of a leaf, or of a result after `retainGradient`.
    var gradient: Tensor?
    var retains = false
    var hooks: [(index: Int, id: Int, body: (Tensor) throws -> Tensor?)] = []
    private(set) var isReleased = false

    private static let counter = Atomic<UInt64>(0)
    /// The number of live nodes; tests use it to find leaks.
    package static let liveCount = Atomic<Int>(0)

    init(
        _ operation: String, inputs: [GradientOrigin?], outputs: [(shape: Shape, dtype: DType)], saved: [Tensor],
        isLeaf: Bool = false, remake: (() throws -> Tensor)? = nil, backward: Backward?
    ) {
        self.operation = operation
        number = Self.counter.add(1, ordering: .relaxed).oldValue
        self.inputs = inputs
        self.outputs = outputs
        self.backward = backward
        self.saved = saved.map { ($0.storage, $0.storage.version) }
        self.isLeaf = isLeaf
        self.remake = remake
        pending = Array(repeating: nil, count: outputs.count)
        Self.liveCount.add(1, ordering: .relaxed)
    }

    /// Drops the inputs and the backward function. A second backward pass through this node is refused afterwards.
    func release() {
        guard !isLeaf else { return }
        isReleased = true
        let remains = Remains(inputs: inputs, backward: backward)
        inputs = []
        backward = nil
        saved = []
        remake = nil
        remains.bury()
    }

    /// - Throws: `TensorError` of kind `.gradient` where a saved tensor has changed since.
    func checkSaved() throws(TensorError) {
        for (storage, version) in saved where storage.version != version {
            throw TensorError(
                .gradient, operation,
                "a tensor that its gradient needs has been changed in place since (version \(storage.version), "
                    + "noted at \(version))")
        }
    }

    deinit {
        Self.liveCount.subtract(1, ordering: .relaxed)
        guard !inputs.isEmpty else { return }
        let remains = Remains(inputs: inputs, backward: backward)
        // Anything still referenced here would be freed later, by recursion.
        inputs = []
        backward = nil
        remains.bury()
    }
}

/// Which result of which node a tensor is.
package struct GradientOrigin: Sendable {
    package let node: GradientNode
    package let index: Int
}

/// The references of a node that is being freed. A graph of thousands of operations would overflow the stack if each
/// node freed the next one inside its own `deinit`; so the first node frees all of them in a loop.
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
            // A `bury` further up the stack is already freeing nodes: add to its list.
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
