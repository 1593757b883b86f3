import MartletNN
import MartletTensor

/// How far the recording of some steps has come.
struct StepRecording {
    var recorder: OperationRecorder?
    /// Steps this process has done.
    var done = 0
    /// Those before are left out: buffers and moments are made in them.
    static let warmup = 2
}

extension Trainer {
    /// Runs one step, recorded where that was asked for.
    func profiled<Result>(_ step: () throws -> Result) throws -> Result {
        defer { recording.done += 1 }
        guard profiledSteps > 0, recording.done >= StepRecording.warmup else { return try step() }
        let recorder = try recording.recorder ?? OperationRecorder(parameters, optimizer)
        recording.recorder = recorder
        return try recorder.record(step)
    }

    /// The profile, once all its steps are done.
    func takeProfile() -> StepProfile? {
        guard let recorder = recording.recorder, recording.done >= StepRecording.warmup + profiledSteps else {
            return nil
        }
        recording.recorder = nil
        profiledSteps = 0
        return StepProfile(recorder, machinePeak: MachinePeak.operationsPerSecond)
    }
}

extension OperationRecorder {
    /// One that tells what training keeps alive apart.
    convenience init(_ parameters: [Parameter], _ optimizer: any Optimizer) throws {
        self.init()
        let weights = parameters.reduce(0) { $0 + Int($1.tensor.elementBytes) }
        let moments = try optimizer.state().reduce(0) { $0 + Int($1.tensor.elementBytes) }
        kinds = {
            let gradients = parameters.reduce(0) { $0 + Int($1.tensor.gradient?.elementBytes ?? 0) }
            return [("parameters", weights), ("moments", moments), ("gradients", gradients)]
        }
    }
}
