import Martlet
import MartletAPI
import MartletJSON
import MartletSystem

extension Server {
    /// Ollama's routes that make, copy and remove models. They change this machine's folder of models, so they are for
    /// administrators; a model that came with the start of the server can be copied, and removed from the folder only
    /// where it was made.
    func ollamaMakingRoutes(_ limits: RequestLimits) -> [Route] {
        [
            Route(
                .post, "/api/create", scope: .admin, summary: "Makes a model of another, for Ollama's clients.",
                errors: .ollama
            ) { [self] call in
                let request = try CreateRequest(call.body, limits: limits)
                let name = Ollama.untagged(request.model)
                var made = try request.made(path: path(of: request.from))
                try put(on: &made, adapterOf: request.from)
                try keep(made, as: name)
                guard request.isStreamed else { return .json(CreateRequest.done.last ?? .null) }
                return .bytes(CreateRequest.done.flatMap { $0.bytes() + [0x0A] }, type: "application/x-ndjson")
            },
            Route(
                .post, "/api/copy", scope: .admin, summary: "Gives a model a second name, for Ollama's clients.",
                errors: .ollama
            ) { [self] call in
                let request = try CopyRequest(call.body, limits: limits)
                let source = Ollama.untagged(request.source), path = try path(of: source)
                var model =
                    path.hasSuffix(CreatedModel.suffix)
                    ? try CreatedModel(file: path) : CreatedModel(from: source, path: path)
                try put(on: &model, adapterOf: source)
                try keep(model, as: Ollama.untagged(request.destination))
                return Response(status: .ok)
            },
            Route(
                .delete, "/api/delete", scope: .admin, summary: "Removes a made model, for Ollama's clients.",
                errors: .ollama
            ) { [self] call in
                let name = Ollama.untagged(
                    try ModelRequest(call.body, alias: "name", limits: limits).model ?? "")
                let model = try models.find(name)
                guard models.adapters.find(name) == nil else {
                    throw APIError(
                        status: 403,
                        "The model '\(name.shown(limit: 200))' is an adapter: /v1/unload_lora_adapter serves it no more.",
                        parameter: "model", code: "not_removable")
                }
                guard model.made != nil, ModelStore.made(model.name) != nil else {
                    throw APIError(
                        status: 403,
                        "The model '\(model.name)' came with the start of the server; only models that were made can be removed.",
                        parameter: "model", code: "not_removable")
                }
                try models.remove(model.name)
                do { try ModelStore.remove(model.name) } catch { throw Self.refusal(error) }
                return Response(status: .ok)
            },
        ]
    }

    /// The files of a model that this server offers: what else lies on this machine is not for clients to name.
    private func path(of name: String) throws(APIError) -> String { try models.find(Ollama.untagged(name)).path }

    /// A model that is made of a served adapter is its base with it.
    private func put(on model: inout CreatedModel, adapterOf name: String) throws(APIError) {
        guard let adapter = models.adapters.find(Ollama.untagged(name)) else { return }
        try Self.put(adapter, on: &model)
    }

    private static func put(_ adapter: ServedAdapter, on model: inout CreatedModel) throws(APIError) {
        guard model.adapter == nil else {
            throw APIError(
                status: 409,
                "The base '\(adapter.base)' of the adapter '\(adapter.name)' was made with an adapter of its own; a model has one.",
                parameter: "from", code: "two_adapters")
        }
        model.from = adapter.base
        model.adapter = Folder.real(adapter.path) ?? adapter.path
    }

    /// What a served adapter would be as a model that was made.
    static func made(of base: ServedModel, _ adapter: ServedAdapter) throws(APIError) -> CreatedModel {
        var made = base.made ?? CreatedModel(from: base.name, path: base.path)
        try put(adapter, on: &made)
        return made
    }

    private func keep(_ model: CreatedModel, as name: String) throws {
        guard ModelStore.made(name) != nil || !models.models.contains(where: { $0.model.name == name }) else {
            throw APIError(
                status: 409, "The model '\(name.shown(limit: 200))' came with the start of the server.",
                parameter: "model",
                code: "name_taken")
        }
        let path: String
        do { path = try ModelStore.keep(model, as: name) } catch { throw Self.refusal(error) }
        try models.add(name, path: path)
    }

    private static func refusal(_ error: any Error) -> APIError {
        guard let error = error as? ModelStoreError else { return APIError(status: 500, "\(error)") }
        return APIError("\(error)", parameter: "model")
    }
}
