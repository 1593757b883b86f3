import CKernels

/// What a thread remembers between operations.
package enum ThreadState {
    /// Operations are not noted for gradients while this is true.
    @inlinable
    package static var gradientsDisabled: Bool {
        get { martlet_thread().pointee.gradients_disabled }
        set { martlet_thread().pointee.gradients_disabled = newValue }
    }

    /// A chain of graph nodes that is being taken apart, so that a long graph is not freed by recursion.
    @inlinable
    package static var graveyard: UnsafeMutableRawPointer? {
        get { martlet_thread().pointee.graveyard }
        set { martlet_thread().pointee.graveyard = newValue }
    }

    /// Who is told of every operation, when somebody wants to know.
    @inlinable
    package static var recorder: UnsafeMutableRawPointer? {
        get { martlet_thread().pointee.recorder }
        set { martlet_thread().pointee.recorder = newValue }
    }
}
