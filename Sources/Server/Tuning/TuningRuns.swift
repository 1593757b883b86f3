import Logging
import Martlet
import MartletAPI
import MartletJSON
import MartletSystem
import Synchronization

/// Runs of training that clients with the admin scope begin: each is a process of the server's own program, so that it can end
/// without the server, and its memory is given back.
package final class TuningRuns: Sendable {
    package enum State: String, Sendable {
        case running, stopping, finished, stopped, failed
    }

    private struct Job {
        let process: ChildProcess
        var isStopAsked = false
    }

    package let settings: TuningSettings
    let runs: RunFolders
    private let files: TuningFiles
    private let logger: Logger
    private let jobs = Mutex<[String: Job]>([:])

    package init(_ settings: TuningSettings, runs: String, logger: Logger) {
        self.settings = settings
        self.runs = RunFolders(path: runs)
        files = TuningFiles(runs: runs)
        self.logger = logger
    }

    // MARK: - Beginning

    /// Begins a run, or goes on with one.
    /// - Parameter locate: finds a model by its name.
    /// - Throws: `APIError`: what is wrong with the request, 409 where there is such a run, 429 where no place is free.
    package func start(
        _ asked: TuningRequest, locate: (_ name: String, _ parameter: String) throws -> TuningPlan.Source
    ) throws -> JSON {
        let name = asked.name, folder = "\(runs.path)/\(name)"
        let before = files.record(name)
        var request = asked
        if asked.resumes {
            guard Folder.isFolder(folder) else {
                throw APIError(
                    status: 404, "There is no run '\(name)' to go on with.", parameter: "name", code: "not_found")
            }
            request = before?.resumed(by: asked) ?? asked
        } else {
            guard !Folder.exists(folder) else {
                throw APIError(
                    status: 409, "There is a run '\(name)' already; take another name, or go on with it (resume).",
                    parameter: "name", code: "name_taken")
            }
        }
        // Everything that can be wrong is found before anything is written.
        var upload = asked.resumes ? before?.upload : nil
        _ = try TuningPlan(
            request, settings, upload: request.upload == nil ? upload : folder, run: folder, locate: locate)
        try jobs.withLock { jobs in
            try demandFree(name, jobs)
            do { try files.make() } catch { throw Self.cannotWrite(error) }
            if let rows = request.upload {
                do { upload = try files.keep(rows, of: name) } catch let error as APIError { throw error } catch {
                    throw Self.cannotWrite(error)
                }
            }
            let plan = try TuningPlan(request, settings, upload: upload, run: folder, locate: locate)
            do {
                try files.write(TuningRecord(request, upload: upload, started: Double(Server.now())))
                if !asked.resumes { Folder.remove(files.output(name)) }
                let process = try ChildProcess(
                    settings.program, plan.arguments, output: files.output(name), hidden: ["MARTLET_API_KEY"])
                // Replies come first.
                process.yieldProcessor()
                jobs[name] = Job(process: process)
            } catch { throw Self.cannotWrite(error) }
            logger.info(
                "a run was begun",
                metadata: ["run": .string(name), "arguments": .array(plan.arguments.map { .string($0) })])
        }
        return try describe(name)
    }

    private static func cannotWrite(_ error: any Error) -> APIError {
        APIError(status: 500, "The run cannot be begun: \(error)", type: "server_error", code: "run_not_begun")
    }

    private func demandFree(_ name: String, _ jobs: [String: Job]) throws(APIError) {
        let own = jobs.filter { $0.value.process.ending == nil }.map(\.key)
        guard !own.contains(name), !RunControl.isRunning("\(runs.path)/\(name)") else {
            throw APIError(
                status: 409, "The run '\(name)' is running.", parameter: "name", code: "run_is_running")
        }
        let all = Set(own).union(runs.running())
        guard all.count < settings.mostRuns else {
            throw APIError(
                status: 429,
                "\(all.sorted().prefix(8).joined(separator: ", ")) \(all.count == 1 ? "is" : "are") training, and at most "
                    + "\(settings.mostRuns) may at a time; wait, stop one, or start the server with --tune-runs.",
                type: "rate_limit_error", code: "too_many_runs")
        }
    }

    // MARK: - Watching and stopping

    /// - Throws: `APIError` where nothing was begun under the name.
    package func describe(_ name: String) throws(APIError) -> JSON {
        guard TuningRequest.isRunName(name), let record = files.record(name) else {
            throw APIError(
                status: 404, "No run called '\(name.shown(limit: 200))' was begun from here.", parameter: "name",
                code: "not_found")
        }
        return describe(record, lines: 40)
    }

    package func list() -> JSON { .array(files.records().map { describe($0, lines: 0) }) }

    private func describe(_ record: TuningRecord, lines: Int) -> JSON {
        let (state, reason) = state(record.name)
        let output = lines > 0 ? files.lines(record.name, most: lines) : []
        return .object(
            JSONObject(
                record.members + [
                    ("state", .string(state.rawValue)), ("reason", reason.map { .string($0) } ?? .null),
                    ("output", .array(output.map { .string($0) })),
                ]))
    }

    /// With what the program said last where it failed.
    private func state(_ name: String) -> (State, reason: String?) {
        let (ending, isStopAsked): (ChildProcess.Ending??, Bool) = jobs.withLock { jobs in
            (jobs[name].map { $0.process.ending }, jobs[name]?.isStopAsked ?? false)
        }
        let folder = "\(runs.path)/\(name)"
        switch ending {
        // Of a process before this one: what the folder says.
        case nil:
            if RunControl.isRunning(folder) {
                return (RunControl.isStopRequested(folder) ? .stopping : .running, nil)
            }
            return ((try? runs.summary(name))?.isFinished ?? false ? .finished : .stopped, nil)
        case .some(nil): return (isStopAsked || RunControl.isStopRequested(folder) ? .stopping : .running, nil)
        case .exited(0)??: return (.finished, nil)
        // As a shell tells of Ctrl-C.
        case .exited(130)??: return (.stopped, nil)
        case .exited(let code)??: return (.failed, files.lines(name, most: 1).last ?? "it ended with status \(code)")
        case .killed(let signal)??:
            return isStopAsked ? (.stopped, nil) : (.failed, "it was ended by signal \(signal)")
        }
    }

    /// Asks a run to save and end after its step; asked again, it ends at once.
    package func stop(_ name: String) throws -> JSON {
        _ = try describe(name)
        let isOurs = jobs.withLock { jobs in
            guard let job = jobs[name], job.process.ending == nil else { return false }
            job.process.interrupt()
            jobs[name]?.isStopAsked = true
            return true
        }
        guard !isOurs else { return try describe(name) }
        let folder = "\(runs.path)/\(name)"
        guard RunControl.isRunning(folder) else {
            throw APIError(status: 409, "Nothing is training in the run '\(name)'.", code: "run_not_running")
        }
        try RunControl.requestStop(folder)
        return try describe(name)
    }

    /// Asks all runs that were begun from here to save and end.
    func interruptAll() {
        jobs.withLock { jobs in
            for (name, job) in jobs where job.process.ending == nil && !job.isStopAsked {
                job.process.interrupt()
                jobs[name]?.isStopAsked = true
            }
        }
    }

    /// Processes that have not ended.
    package var runningCount: Int { jobs.withLock { $0.values.count { $0.process.ending == nil } } }
}
