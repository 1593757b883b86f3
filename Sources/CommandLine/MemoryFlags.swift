import ArgumentParser
import Martlet

/// Whether a training command looks at the machine's memory before it makes anything.
struct MemoryFlags: ParsableArguments {
    @Flag(help: "Begin even where the plan needs more memory than there is.") var ignoreMemory = false

    /// Bytes that the plan may come to.
    var limit: Int? { ignoreMemory ? nil : MachineMemory().total }
}
