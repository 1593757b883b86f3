import MartletJSON

/// What the server tells of itself, of a model's inside and of training runs.
extension OpenAPISchemas {
    static let inspection: JSONObject = [
        "InspectionRequest": any(
            request(inspected(["text": text(atMost: InspectionRequest.longestText)]), required: ["text"]),
            request(inspected(["tokens": list(token, atLeast: 1, atMost: 256)]), required: ["tokens"])),
        "Inspection": object(
            [
                "object": constant("inspection"), "model": text, "layers": count, "heads": count,
                "tokens": list(object(["id": token, "text": text], required: ["id", "text"])),
                "heads_off": list(list(count, atLeast: 2, atMost: 2)), "attention": list(text),
                "lens": list(
                    list(
                        list(
                            object(
                                ["token": token, "text": text, "probability": decimal],
                                required: ["token", "text", "probability"])))),
                "experts": list(
                    object(["layer": count, "tokens": list(list(count))], required: ["layer", "tokens"])),
                "residual_norms": list(list(decimal)),
                "next": object(
                    [
                        "top": list(
                            object(
                                ["token": token, "text": text, "logit": decimal], required: ["token", "text", "logit"])
                        ), "logits": text,
                    ], required: ["top", "logits"]),
            ],
            required: [
                "object", "model", "tokens", "layers", "heads", "attention", "lens", "experts", "residual_norms",
                "next",
            ]
        ),
        "PatchingRequest": request(
            [
                "model": word, "clean": text(atMost: PatchingRequest.longestText),
                "corrupted": text(atMost: PatchingRequest.longestText), "answer": text(atMost: 256),
                "wrong": text(atMost: 256), "part": choice(PatchingRequest.Part.allCases.map(\.rawValue)),
                "heads": flag,
                "cell": request(
                    ["layer": integer(0, 1 << 20), "token": integer(0, 1 << 20)], required: ["layer", "token"]),
            ], required: ["clean", "corrupted"]),
        "Patching": object(
            [
                "object": constant("patching"), "model": text, "clean_tokens": list(text),
                "corrupted_tokens": list(text), "answer": text, "wrong": text, "clean": decimal,
                "corrupted": decimal, "residuals": list(list(decimal)), "heads": list(list(decimal)),
                "cell": object(
                    ["layer": count, "token": count, "restored": decimal, "next": list(nextToken)],
                    required: ["layer", "token", "restored", "next"]),
            ],
            required: ["object", "model", "clean_tokens", "corrupted_tokens", "answer", "wrong", "clean", "corrupted"]),
        "SteeringRequest": request(
            [
                "model": word, "prompt": text(atMost: SteeringRequest.longestText),
                "towards": list(
                    text(atMost: SteeringRequest.longestText), atLeast: 1, atMost: SteeringRequest.mostTexts),
                "away": list(text(atMost: SteeringRequest.longestText), atLeast: 1, atMost: SteeringRequest.mostTexts),
                "layer": integer(0, 1 << 20),
                "strengths": list(number(-1000, 1000), atLeast: 1, atMost: SteeringRequest.mostStrengths),
                "max_tokens": integer(0, SteeringRequest.mostNewTokens),
            ], required: ["prompt", "towards", "away"]),
        "Steering": object(
            [
                "object": constant("steering"), "model": text, "layer": count, "layers": count, "length": decimal,
                "residual_length": decimal,
                "replies": list(
                    object(
                        ["strength": decimal, "text": text, "next": list(nextToken)],
                        required: ["strength", "text", "next"])),
            ], required: ["object", "model", "layer", "layers", "length", "residual_length", "replies"]),
    ]

    private static let nextToken = object(
        ["text": text, "probability": decimal], required: ["text", "probability"])

    private static func inspected(_ input: JSONObject) -> JSONObject {
        var all: JSONObject = [
            "model": word, "lens_top_k": integer(1, 20),
            "heads_off": list(list(["type": "integer", "minimum": 0], atLeast: 2, atMost: 2), atMost: 4096),
        ]
        for (key, value) in input { all[key] = value }
        return all
    }

    static let information: JSONObject = [
        "Status": object(["status": constant("ok")], required: ["status"]),
        "Version": object(["version": text], required: ["version"]),
        "ModelName": request(["model": word]),
        "ModelLoaded": object(["model": text, "loaded": flag], required: ["model", "loaded"]),
        "AdapterLoadRequest": request(
            ["lora_name": text, "lora_path": text, "base_model_name": text, "load_inplace": flag],
            required: ["lora_name", "lora_path"]),
        "AdapterUnloadRequest": request(
            ["lora_name": text, "lora_int_id": integer(0, Int(Int32.max))], required: ["lora_name"]),
        "AdapterScales": list(object(["id": count, "scale": decimal], required: ["id", "scale"])),
        "AdapterScalesSet": object(["success": flag], required: ["success"]),
        "AdapterList": list(
            object(
                ["id": count, "path": text, "scale": decimal, "task_name": text, "prompt_prefix": text],
                required: ["id", "path", "scale"])),
        "ModelUnloaded": object(["model": text, "unloaded": flag], required: ["model", "unloaded"]),
        "TokenizerInformation": object(
            [
                "bos_token": text, "eos_token": text, "unk_token": text, "pad_token": text, "sep_token": text,
                "cls_token": text, "mask_token": text, "tokenizer_class": text, "add_bos_token": flag,
                "add_eos_token": flag, "model_max_length": count,
                "chat_template": nullable(text),
            ], required: ["tokenizer_class", "model_max_length"]),
        "Properties": object(
            [
                "default_generation_settings": object(["n_ctx": count, "params": anyObject], required: ["n_ctx"]),
                "total_slots": count, "model_alias": text, "model_path": text, "modalities": anyObject,
                "chat_template": text, "bos_token": text, "eos_token": text, "build_info": text, "is_sleeping": flag,
            ], required: ["default_generation_settings", "total_slots", "chat_template", "build_info"]),
        "Load": object(["server_load": count], required: ["server_load"]),
        "Slots": list(
            object(["id": count, "n_ctx": count, "is_processing": flag], required: ["id", "n_ctx", "is_processing"])),
    ]

    static let runs: JSONObject = [
        "Run": object(
            run([
                "configuration": list(
                    object(
                        ["name": text, "value": text, "origin": nullable(text), "inherited": flag, "given": flag],
                        required: ["name", "value"]))
            ]), required: ["name", "running", "step"]),
        "RunList": object(
            ["object": constant("list"), "data": list(object(run([:]), required: ["name", "running", "step"]))],
            required: ["object", "data"]),
        "RunLog": object(
            ["offset": count, "restarted": flag, "more": flag, "lines": list([:])],
            required: ["offset", "restarted", "more", "lines"]),
        "RunStopping": object(["name": text, "stopping": flag], required: ["name", "stopping"]),
        "RunOffered": object(["name": text, "chat": flag], required: ["name", "chat"]),
    ]

    static let tuning: JSONObject = [
        "TuningRequest": request(
            [
                "name": ["type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"], "method": word,
                "model": word, "data": list(text(atMost: 4096), atMost: 64),
                "upload": object(["name": text(atMost: 255), "text": text], required: ["name", "text"]),
                "options": anyObject, "resume": flag,
            ], required: ["name"]),
        "TuningRun": object(
            [
                "name": text, "method": text, "model": text, "data": list(text), "options": anyObject,
                "state": text, "reason": nullable(text), "started": decimal, "output": list(text),
            ], required: ["name", "method", "state", "output"]),
        "Tuning": object(
            [
                "data": list(object(["name": text, "bytes": count], required: ["name", "bytes"])),
                "models": list(text), "most_runs": count, "rewards": list(text),
                "runs": list(reference("TuningRun")),
                "methods": list(
                    object(
                        [
                            "name": text,
                            "options": list(
                                object(
                                    [
                                        "name": text, "part": text, "meaning": text, "default": nullable(text),
                                        "shown": flag, "kind": anyObject,
                                    ], required: ["name", "part", "meaning", "shown", "kind"])),
                        ], required: ["name", "options"])),
            ], required: ["data", "models", "most_runs", "runs", "methods"]),
    ]

    private static func run(_ more: JSONObject) -> JSONObject {
        var all: JSONObject = [
            "name": text, "modified": decimal, "running": flag, "stopping": flag, "finished": flag, "step": count,
            "steps": nullable(count), "minutes": decimal, "minutes_planned": nullable(decimal),
            "loss": nullable(decimal), "validation_loss": nullable(decimal),
        ]
        for (key, value) in more { all[key] = value }
        return all
    }
}
