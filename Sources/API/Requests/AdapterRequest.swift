import MartletJSON

/// Bodies about adapters: vLLM's `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`, llama.cpp's `/lora-adapters`.
public struct AdapterRequest: Sendable {
    public var name: String
    public var path: String?
    /// The model it stands on, where the server has several.
    public var base: String?

    /// Whether it takes the place of an adapter of that name.
    public var replaces = false

    /// `{"lora_name": …, "lora_path": …, "base_model_name": …, "load_inplace": …}`
    public init(load body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        name = try Self.name(&fields)
        path = try fields.string("lora_path", longest: 4096)
        base = try fields.string("base_model_name", longest: 1024)
        guard let path, !path.isEmpty else { throw .invalid("lora_path", "is missing") }
        replaces = try fields.bool("load_inplace") ?? false
    }

    /// `{"lora_name": …}`
    public init(unload body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        name = try Self.name(&fields)
        // vLLM's number of the adapter, which has no meaning here.
        _ = try fields.integer("lora_int_id", 0...Int(Int32.max))
    }

    private static func name(_ fields: inout FieldReader) throws(APIError) -> String {
        guard let name = try fields.string("lora_name", longest: 1024), !name.isEmpty else {
            throw .invalid("lora_name", "is missing")
        }
        return name
    }

    /// `[{"id": 0, "scale": 0.5}, …]`
    public static func scales(_ body: some Sequence<UInt8>) throws(APIError) -> [(id: Int, scale: Double)] {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: Array(body)) } catch {
            throw APIError("The body is no JSON: \(error.description)", code: "invalid_json")
        }
        guard let list = json.array, list.count <= 1024 else {
            throw APIError("The body is to be a list of id and scale.", code: "invalid_body")
        }
        return try scales(list, path: "", usual: nil)
    }

    /// Places in the server's list of adapters, and how much of each.
    /// - Parameter usual: what an adapter without a scale gets; nil demands one.
    static func scales(
        _ list: [JSON], path: String, usual: Double?
    ) throws(APIError) -> [(id: Int, scale: Double)] {
        var scales: [(Int, Double)] = []
        for (index, item) in list.enumerated() {
            guard let id = item["id"]?.integer, id >= 0 else {
                throw .invalid("\(path)[\(index)].id", "is to be the number of an adapter")
            }
            guard let scale = item["scale"].map({ $0.double }) ?? usual, scale.isFinite, abs(scale) <= 100 else {
                throw .invalid("\(path)[\(index)].scale", "is to be a number from -100 to 100")
            }
            scales.append((id, scale))
        }
        return scales
    }

    /// The body of `GET /lora-adapters`.
    public static func list(_ adapters: [(name: String, path: String, scale: Double)]) -> JSON {
        .array(
            adapters.enumerated().map { index, adapter in
                [
                    "id": .integer(Int64(index)), "path": .string(adapter.path), "scale": .number(adapter.scale),
                    "task_name": .string(adapter.name), "prompt_prefix": "",
                ]
            })
    }
}
