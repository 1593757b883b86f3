import ArgumentParser
import MartletCatalog
import MartletSystem
import Synchronization

struct PullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Fetch a model from the hub into the shared cache.",
        discussion: """
            NAME is org/name, org/name:FILE, org/name:QUANTISATION, or a short name. Of several GGUF files the Q4_K_M is \
            taken, or a smaller one where that does not fit into the memory that is free, and a line says which. An interrupted download goes on where \
            it stopped. HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT, https_proxy, no_proxy and \
            SSL_CERT_FILE mean what they mean elsewhere. Downloads are made with the system's libcurl.

            Examples:
              martlet pull HuggingFaceTB/SmolLM2-135M-Instruct
              martlet pull bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M
            """)
    @Argument(
        help: "org/name, org/name:FILE, org/name:QUANTISATION, or a short name.",
        completion: .list(ShortName.all.map(\.name)))
    var name: String
    @Flag(help: "Print the result as a JSON object.") var json = false

    func run() async throws {
        let reference = ShortName.find(name)?.repository ?? name
        if !name.contains("/"), reference == name,
            let near = Spelling.nearest(to: name, among: ShortName.all.map(\.name))
        {
            Terminal.note("\(name.quoted(limit: 60)) is looked for on the hub; the short name is \(near)")
        }
        let bar = ProgressLine()
        let path = try await Self.fetch(reference, bar)
        if json {
            print(JSON.object(["reference": .string(reference), "path": .string(path)]).text())
        } else {
            print(path)
        }
    }

    /// Downloads what a reference means, and shows how far it is.
    static func fetch(_ reference: String, _ bar: ProgressLine) async throws -> String {
        var settings = HubSettings()
        let silence = Silence()
        settings.onRetry = {
            silence.ends()
            Terminal.note($0)
        }
        settings.memory = MachineMemory().available
        settings.onChoice = {
            silence.ends()
            Terminal.note($0)
        }
        let hub = Hub(settings), endpoint = settings.endpoint
        let task = Task {
            try await hub.download(reference) {
                silence.ends()
                bar.show($0)
            }
        }
        // A hub that takes a connection and says nothing is given up after HF_HUB_DOWNLOAD_TIMEOUT, 10 s: told before that.
        let waiting = Task {
            while true {
                try await Task.sleep(for: .seconds(1))
                if silence.isLong { Terminal.note("waiting for \(endpoint) to answer") }
            }
        }
        defer {
            waiting.cancel()
            bar.finish()
        }
        return try await Interruption.cancelling(task) { try await task.value }
    }
}

/// How long nothing has come from a hub.
private final class Silence: Sendable {
    private let state = Mutex((since: ContinuousClock.now, isTold: false))

    func ends() { state.withLock { $0 = (.now, false) } }

    /// Whether it has been three seconds; once for each silence.
    var isLong: Bool {
        state.withLock { state in
            guard !state.isTold, ContinuousClock.now - state.since >= .seconds(3) else { return false }
            state.isTold = true
            return true
        }
    }
}

/// Progress of downloads: a bar on a terminal, a line every ten seconds otherwise.
final class ProgressLine: Sendable {
    private struct State {
        var shown: ContinuousClock.Instant?
        var file = ""
        var started = ContinuousClock.now
        var startBytes = 0
    }
    private let state = Mutex(State())

    func show(_ progress: HubProgress) {
        let line = state.withLock { state -> String? in
            let now = ContinuousClock.now
            if state.file != progress.file {
                state.file = progress.file
                state.started = now
                state.startBytes = progress.received
                state.shown = nil
            }
            let pause: Duration = Terminal.errorIsTerminal ? .milliseconds(100) : .seconds(10)
            let isLast = progress.received == progress.total
            if let shown = state.shown, now - shown < pause, !(isLast && Terminal.errorIsTerminal) { return nil }
            state.shown = now
            let seconds = (now - state.started).inSeconds
            let speed = seconds > 0.2 ? Double(progress.received - state.startBytes) / seconds : 0
            return Self.line(progress, speed, columns: Terminal.errorIsTerminal ? Terminal.errorColumns - 1 : 120)
        }
        guard let line else { return }
        var status = StatusLine()
        status.show(line, isDue: true)
    }

    func finish() { StatusBoard.close(keepsLine: false) }

    /// What matters most stands first: how much of it there is, then the name, which is cut, then what has room.
    static func line(_ progress: HubProgress, _ speed: Double, columns: Int) -> String {
        let share = progress.total > 0 ? Double(progress.received) / Double(progress.total) : 1
        let count = "\(progress.filesDone + 1)/\(progress.filesTotal)"
        let percent = "\(min(100, max(0, Int(clamping: share * 100))))%"
        var tail = "\(Terminal.bytes(progress.received)) of \(Terminal.bytes(progress.total))"
        if speed > 0 {
            tail += ", \(Terminal.bytes(Int(clamping: speed)))/s"
            let left = Double(progress.total - progress.received) / speed
            if left >= 1 { tail += ", \(ElapsedTime.text(left)) left" }
        }
        let room = columns - count.columns - tail.columns - 2
        guard room >= 12 else { return "\(count) \(percent) \(tail)" }
        let width = room >= 60 ? 24 : room >= 34 ? 12 : 0
        guard width > 0 else { return "\(count) \(progress.file.fitting(room)) \(tail)" }
        let filled = min(width, max(0, Int(clamping: share * Double(width))))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        return "\(count) \(progress.file.fitting(room - width - 1)) \(bar) \(tail)"
    }
}
