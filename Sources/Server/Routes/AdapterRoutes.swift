import Martlet
import MartletAPI
import MartletJSON
import MartletSystem

extension Server {
    /// Adapters loaded and unloaded while serving, as vLLM and llama.cpp's server have it.
    func adapterRoutes() -> [Route] {
        [
            Route(
                .post, "/v1/load_lora_adapter", scope: .admin, summary: "Serves an adapter as a model, as vLLM does."
            ) { [self] call in
                let request = try AdapterRequest(load: call.body)
                guard let path = request.path, Folder.exists(path) else {
                    throw APIError(
                        status: 404, "No adapter found at '\((request.path ?? "").shown(limit: 200))'.",
                        type: "NotFoundError", parameter: "lora_path", code: "adapter_not_found")
                }
                try await models.addAdapter(
                    request.name, path: path, base: request.base, replacing: request.replaces)
                return .text("Success: LoRA adapter '\(request.name)' added successfully.")
            },
            Route(
                .post, "/v1/unload_lora_adapter", scope: .admin, summary: "Serves an adapter no more, as vLLM does."
            ) { [self] call in
                let request = try AdapterRequest(unload: call.body)
                try models.removeAdapter(request.name)
                return .text("Success: LoRA adapter '\(request.name)' removed successfully.")
            },
            Route(.get, "/lora-adapters", scope: .admin, summary: "The adapters, in llama.cpp's words.") {
                [self] _ in .json(AdapterRequest.list(models.adapters.all.map { ($0.name, $0.path, $0.scale) }))
            },
            Route(
                .post, "/lora-adapters", scope: .admin,
                summary: "How much of each adapter requests of the base itself get, in llama.cpp's words."
            ) { [self] call in
                let scales = try AdapterRequest.scales(call.body)
                if let wrong = models.adapters.setScales(scales) {
                    throw APIError.invalid("id", "is \(wrong); there are \(models.adapters.all.count) adapters")
                }
                return .json(["success": true])
            },
        ]
    }

    /// An adapter as `/v1/models` tells of it.
    func card(_ adapter: ServedAdapter) -> ModelCard {
        var card = ModelCard(id: adapter.name, created: adapter.created)
        if let base = models.models.first(where: { $0.model.name == adapter.base }) {
            card = self.card(base.model, as: adapter.name, loaded: base.loaded)
            card.created = adapter.created
            card.aliases = []
            if adapter.hasChatTemplate, !card.capabilities.contains("chat") { card.capabilities += ["chat", "tools"] }
        }
        // Another adapter is another model.
        card.digest = card.digest.map { SHA256.hash("\($0)\n\(adapter.path)\n\(adapter.created)".utf8).hexadecimal }
        card.root = adapter.path
        card.parent = adapter.base
        return card
    }
}
