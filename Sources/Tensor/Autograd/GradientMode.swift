import MartletSystem

/// Whether operations on this thread are recorded for `backward`: true except inside `noGrad`.
public var isGradientEnabled: Bool { !ThreadState.gradientsDisabled }

/// Runs `body` without recording operations on the tape: for inference and for parameter updates.
public func noGrad<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try withGradients(false, body)
}

/// Turns recording on again inside an enclosing `noGrad`.
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
