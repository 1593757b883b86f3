import MartletSystem

/// Whether operations on this thread are noted for `backward`. They are, unless inside `noGrad`.
public var isGradientEnabled: Bool { !ThreadState.gradientsDisabled }

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
    let before = ThreadState.gradientsDisabled
    ThreadState.gradientsDisabled = !enabled
    defer { ThreadState.gradientsDisabled = before }
    return try body()
}
