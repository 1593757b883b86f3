import Martlet
import MartletAPI
import MartletJSON
import MartletSystem

extension Server {
    /// Runs of training begun, watched and stopped, where `--tune` allows it. All of it needs the admin scope.
    func tuneRoutes() -> [Route] {
        [
            Route(
                .get, "/api/tune", scope: .admin, summary: "What can be tuned with what, and the runs begun from here."
            ) { [self] _ in
                let tuning = try tuningRuns()
                return .json([
                    "data": .array(
                        tuning.settings.files().map { ["name": .string($0.name), "bytes": .integer(Int64($0.bytes))] }),
                    "models": .array(tunableModels(tuning).map { .string($0) }),
                    "rewards": .array(Reward.builtInNames.map { .string($0.name) }),
                    "most_runs": .integer(Int64(tuning.settings.mostRuns)), "runs": tuning.list(),
                    "methods": Self.methods,
                ])
            },
            Route(
                .post, "/api/tune", scope: .admin, summary: "Begins a run of training, or goes on with one."
            ) { [self] call in
                let tuning = try tuningRuns(), request = try TuningRequest(call.body)
                return .json(try tuning.start(request) { try source($0, $1, tuning.runs) })
            },
            Route(
                .get, "/api/tune/{name}", scope: .admin, summary: "A run begun from here, and what it wrote last."
            ) { [self] call in .json(try tuningRuns().describe(call.parameters["name"] ?? "")) },
            Route(
                .post, "/api/tune/{name}/stop", scope: .admin,
                summary: "Asks a run to save and end after its step; asked again, it ends at once."
            ) { [self] call in .json(try tuningRuns().stop(call.parameters["name"] ?? "")) },
        ]
    }

    private func tuningRuns() throws(APIError) -> TuningRuns {
        guard let tuning else {
            throw APIError(
                status: 404,
                "Tuning is not turned on: start the server with --runs FOLDER --tune FOLDER, the second of which holds data.",
                code: "tuning_off")
        }
        return tuning
    }

    /// Language models that are served, but for adapters, and runs that are models.
    private func tunableModels(_ tuning: TuningRuns) -> [String] {
        let served = models.models.map(\.model).filter { $0.kind == .generates && !$0.name.hasPrefix("runs/") }
        let runs = tuning.runs.list().map(\.name).filter { name in
            guard let folder = try? tuning.runs.folder(name) else { return false }
            return PEFTFolder.isAdapter(folder) || (try? ModelFiles(path: folder))?.checkpoint.kind == .generates
        }
        return served.map(\.name) + runs.map { "runs/" + $0 }
    }

    /// The files of a model by the name that the page has for it.
    private func source(_ name: String, _ parameter: String, _ runs: RunFolders) throws -> TuningPlan.Source {
        var path: String
        if name.hasPrefix("runs/") {
            do { path = try runs.folder(String(name.dropFirst(5))) } catch {
                throw APIError(status: 404, "\(error)", parameter: parameter, code: "model_not_found")
            }
        } else if let adapter = models.adapters.find(name) {
            path = adapter.path
        } else {
            path = try models.find(name, for: .generates).path
        }
        path = Folder.real(path) ?? path
        guard PEFTFolder.isAdapter(path) else { return TuningPlan.Source(path: path) }
        do {
            let base = try ModelLocator.base(ofAdapter: path)
            return TuningPlan.Source(path: Folder.real(base) ?? base, adapter: path)
        } catch {
            throw APIError(
                status: 409, "The base of the adapter '\(name.shown(limit: 200))' is not here: \(error)",
                parameter: parameter, code: "base_not_found")
        }
    }

    private static let methods: JSON = .array(
        OptionForm.ofTunedModels.map { form in
            [
                "name": .string(form.command.name),
                "options": .array(
                    // Paths and what names programs are not set from here, but for models.
                    form.options.filter(TuningPlan.takes).map { option in
                        [
                            "name": .string(option.name), "part": .string(option.part),
                            "meaning": .string(option.meaning),
                            "default": option.usual.map { .string($0) } ?? .null,
                            "default_by": .object(
                                JSONObject(
                                    option.usualByChoice.sorted { $0.key < $1.key }.map { name, values in
                                        let known = values.sorted { $0.key < $1.key }
                                        return (name, .object(JSONObject(known.map { ($0.key, .string($0.value)) })))
                                    })),
                            "shown": .bool(option.isShown),
                            "kind": option.kind.json,
                        ]
                    }),
            ]
        })
}
