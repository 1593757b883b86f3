import CKernels

/// State of a thread that persists between operations.
package enum ThreadState {
    /// While true, operations are not recorded for gradients.
    @inlinable
    package static var gradientsDisabled: Bool {
        get { martlet_thread().pointee.gradients_disabled }
        set { martlet_thread().pointee.gradients_disabled = newValue }
    }

    /// The graph nodes that are being freed, as a list, so that a long graph is not freed by recursion.
    @inlinable
    package static var graveyard: UnsafeMutableRawPointer? {
        get { martlet_thread().pointee.graveyard }
        set { martlet_thread().pointee.graveyard = newValue }
    }

    /// The recorder that is called for every operation, if there is one.
    @inlinable
    package static var recorder: UnsafeMutableRawPointer? {
        get { martlet_thread().pointee.recorder }
        set { martlet_thread().pointee.recorder = newValue }
    }

    /// Numbers of bfloat16 that factors of large products are computed with; 0 for float32.
    @inlinable
    package static var matmulParts: Int32 {
        get { martlet_thread().pointee.matmul_parts }
        set { martlet_thread().pointee.matmul_parts = newValue }
    }
}
