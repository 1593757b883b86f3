import MartletJSON
import MartletTensor

/// Where the time of some training steps went: by operation, forward and backward apart, with arithmetic, memory
/// traffic and the share of the machine's peak; and what was alive when.
public struct StepProfile: Sendable {
    /// All calls of one operation in one phase.
    public struct Row: Sendable {
        public let operation: String
        /// "forward", "backward" or "update".
        public let phase: String
        public internal(set) var calls = 0
        public internal(set) var seconds = 0.0
        /// Floating-point operations of products and attention.
        public internal(set) var operations = 0.0
        /// Operands and results, each once: what memory must move at least when no cache holds them.
        public internal(set) var bytes = 0.0

        public var operationsPerSecond: Double { seconds > 0 ? operations / seconds : 0 }
        public var bytesPerSecond: Double { seconds > 0 ? bytes / seconds : 0 }
    }

    public let steps: Int
    /// Wall time of the steps.
    public let seconds: Double
    /// The costliest first; sums over all steps.
    public let rows: [Row]
    /// Time in no operation: batches, the tape, the loop itself.
    public let otherSeconds: Double
    public let peakBytes: Int
    /// What was alive at the peak.
    public let peakKinds: [(kind: String, bytes: Int)]
    /// The machine's multiply-adds, operations a second.
    public let machinePeak: Double
    let spans: [OperationRecorder.Span]
    let peakTime: UInt64

    init(_ recorder: OperationRecorder) {
        spans = recorder.spans
        peakBytes = recorder.peakBytes
        let named = recorder.peakKinds.reduce(0) { $0 + $1.bytes }
        peakKinds = recorder.peakKinds + [("activations and scratch", max(0, recorder.peakBytes - named))]
        peakTime = recorder.peakTime
        let roots = spans.filter { $0.depth == 0 }
        steps = roots.count
        seconds = roots.reduce(0) { $0 + Double($1.duration) } * 1e-9
        var byName: [String: Row] = [:], other = 0.0
        for span in spans {
            let own = Double(span.duration - min(span.inner, span.duration)) * 1e-9
            guard span.phase != .part else {
                other += own
                continue
            }
            let key = span.phase.rawValue + " " + span.name
            byName[key, default: Row(operation: span.name, phase: span.phase.rawValue)].add(span, own)
        }
        rows = byName.values.sorted { $0.seconds != $1.seconds ? $0.seconds > $1.seconds : $0.operation < $1.operation }
        otherSeconds = other
        // No operation is faster than multiply-adds in registers.
        machinePeak = MachinePeak.reached(rows.reduce(0) { max($0, $1.operationsPerSecond) })
    }

    /// The share of the steps' time that lies in operations.
    public var attributedShare: Double { seconds > 0 ? 1 - otherSeconds / seconds : 0 }
    public var operations: Double { rows.reduce(0) { $0 + $1.operations } }
    /// The share of the machine's peak that the whole steps reach.
    public var peakShare: Double { seconds > 0 ? operations / seconds / machinePeak : 0 }

    /// A trace in the form that Perfetto and chrome://tracing open: a complete event for every span, a counter of live
    /// bytes, times in microseconds from the first step.
    ///
    /// Source: "Trace Event Format", the Chrome project.
    public var trace: JSON {
        let origin = spans.first?.start ?? 0
        func event(_ name: String, _ kind: String, at time: UInt64, for duration: UInt64, _ more: [JSONObject.Element])
            -> JSON
        {
            let head: [JSONObject.Element] = [
                ("name", .string(name)), ("ph", .string(kind)),
                ("ts", .number(Double(time - min(origin, time)) / 1000)),
                ("dur", .number(Double(duration) / 1000)), ("pid", 1), ("tid", 1),
            ]
            return .object(JSONObject(head + more))
        }
        var events: [JSON] = [
            event("process_name", "M", at: origin, for: 0, [("args", ["name": "martlet"])]),
            event("thread_name", "M", at: origin, for: 0, [("args", ["name": "training"])]),
        ]
        var counters: [(time: UInt64, bytes: Int)] = []
        for span in spans {
            var details: [JSONObject.Element] = []
            if span.operations > 0 { details.append(("operations", .number(span.operations))) }
            if span.bytes > 0 { details.append(("bytes", .number(span.bytes))) }
            events.append(
                event(
                    span.name, "X", at: span.start, for: span.duration,
                    [("cat", .string(span.phase.rawValue)), ("args", .object(JSONObject(details)))]))
            counters.append((span.start + span.duration, span.liveBytes))
        }
        counters.append((peakTime, peakBytes))
        for counter in counters.sorted(by: { $0.time < $1.time }) {
            events.append(
                event(
                    "live tensor bytes", "C", at: counter.time, for: 0,
                    [("args", ["bytes": .integer(Int64(counter.bytes))])]))
        }
        return ["traceEvents": .array(events), "displayTimeUnit": "ms"]
    }
}

extension StepProfile.Row {
    init(operation: String, phase: String) {
        self.operation = operation
        self.phase = phase
    }

    fileprivate mutating func add(_ span: OperationRecorder.Span, _ own: Double) {
        calls += 1
        seconds += own
        operations += span.operations
        bytes += span.bytes
    }
}
