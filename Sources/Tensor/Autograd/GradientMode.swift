import CKernels

/// Whether operations on this thread are noted for `backward`. They are, unless inside `noGrad`.
public var isGradientEnabled: Bool { !martlet_thread().pointee.gradients_disabled }

/// Runs `body` without noting operations for gradients, as inference and parameter updates want it.
public func noGrad<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try withGradients(false, body)
}

/// Undoes an enclosing `noGrad`.
public func enableGrad<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try withGradients(true, body)
}

private func withGradients<Result, Failure: Error>(
    _ enabled: Bool, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let state = martlet_thread()
    let before = state.pointee.gradients_disabled
    state.pointee.gradients_disabled = !enabled
    defer { state.pointee.gradients_disabled = before }
    return try body()
}
