import Martlet
import MartletAPI
import MartletJSON
import MartletRuns
import MartletSystem

extension Server {
    /// The training runs of `--runs FOLDER`: what they are, their logs as they grow, and a request to stop.
    func runRoutes() -> [Route] {
        [
            Route(.get, "/api/runs", scope: .inference, summary: "The training runs.") { [self] _ in
                let runs = settings.runsFolder.map { RunFolders(path: $0).list() } ?? []
                return .json([
                    "object": "list", "data": .array(runs.map(Self.describe)),
                    "watched": .bool(settings.runsFolder != nil),
                ])
            },
            Route(.get, "/api/runs/{name}", scope: .inference, summary: "One training run.") { [self] call in
                let (runs, name) = try namedRun(call)
                guard case .object(var object) = Self.describe(try runs.summary(name)) else { return .json(.null) }
                object["configuration"] = .array(
                    try runs.configuration(name).map { option in
                        [
                            "name": .string(option.name), "value": .string(option.value),
                            "origin": option.origin.map { .string($0) } ?? .null,
                            "inherited": .bool(option.isInherited), "given": .bool(option.isGiven),
                        ]
                    })
                return .json(.object(object))
            },
            Route(
                .get, "/api/runs/{name}/log", scope: .inference, summary: "What is new in a run's log since an offset."
            ) { [self] call in
                let (runs, name) = try namedRun(call)
                guard let offset = Int(call.query["offset"] ?? "0"), offset >= 0 else {
                    throw APIError.invalid("offset", "must be a number from 0 on")
                }
                let part = try runs.log(name, from: offset)
                return .json([
                    "offset": .integer(Int64(part.offset)), "restarted": .bool(part.hasRestarted),
                    "more": .bool(part.hasMore), "lines": .array(part.lines),
                ])
            },
            Route(
                .post, "/api/runs/{name}/stop", scope: .admin, summary: "Asks a run to save and end after its step."
            ) { [self] call in
                let (runs, name) = try namedRun(call)
                let folder = try runs.folder(name)
                guard RunControl.isRunning(folder) else {
                    throw APIError(status: 409, "Nothing is training in the run '\(name)'.", code: "run_not_running")
                }
                try RunControl.requestStop(folder)
                return .json(["name": .string(name), "stopping": true])
            },
            Route(
                .post, "/api/runs/{name}/offer", scope: .admin,
                summary: "Offers the model of a run, as far as it is saved."
            ) { [self] call in
                let (runs, name) = try namedRun(call)
                let folder = try runs.folder(name), model = "runs/" + name
                let offered = models.models.first { $0.model.name == model }?.model
                do {
                    if PEFTFolder.isAdapter(folder) {
                        // What was saved since is another adapter.
                        let isNew = offered.map { $0.created != ServedModel.modified(folder) } ?? true
                        if isNew { try await models.offerAdapter(model, path: folder) }
                    } else if offered == nil {
                        try models.add(model, path: folder)
                    }
                } catch let error as APIError {
                    throw error
                } catch {
                    throw APIError(
                        status: 409, "The run '\(name)' holds no model yet: \(error)", code: "run_has_no_model")
                }
                // A reward model writes no text: this is told, and not an empty page opened.
                let found = try models.find(model, for: .generates)
                let chats = found.hasChatTemplate || models.adapters.find(model)?.hasChatTemplate ?? false
                return .json(["name": .string(model), "chat": .bool(chats)])
            },
        ]
    }

    /// The run that a path names.
    private func namedRun(_ call: Call) throws(APIError) -> (runs: RunFolders, name: String) {
        let name = call.parameters["name"] ?? ""
        if let path = settings.runsFolder {
            let runs = RunFolders(path: path)
            if (try? runs.folder(name)) != nil { return (runs, name) }
        }
        throw APIError(
            status: 404, "There is no run called '\(name.shown(limit: 200))'.", parameter: "name", code: "not_found")
    }

    private static func describe(_ run: RunFolders.Summary) -> JSON {
        [
            "name": .string(run.name), "modified": .number(run.modified), "running": .bool(run.isRunning),
            "stopping": .bool(run.isStopRequested), "finished": .bool(run.isFinished),
            "step": .integer(Int64(run.step)),
            "steps": run.plannedSteps.map { .integer(Int64($0)) } ?? .null,
            "minutes": .number(run.minutes), "minutes_planned": run.plannedMinutes.map { .number($0) } ?? .null,
            "loss": run.loss.map { .number($0) } ?? .null,
            "validation_loss": run.validationLoss.map { .number($0) } ?? .null,
        ]
    }
}
