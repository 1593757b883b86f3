import MartletChat
import MartletJSON
import MartletSystem

extension ToolSettings {
    /// `tools`, `tool_choice` and `parallel_tool_calls` of chat completions.
    init(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        self.init()
        for (index, item) in (try fields.array("tools", most: limits.tools) ?? []).enumerated() {
            let tool = try Tool(item, path: "tools[\(index)]", in: fields)
            guard !tools.contains(where: { $0.name == tool.name }) else {
                throw .invalid("tools[\(index)].function.name", "is '\(tool.name)' twice")
            }
            tools.append(tool)
        }
        allowsParallelCalls = try fields.bool("parallel_tool_calls") ?? true
        choice = try Self.choice(fields.json("tool_choice"), in: fields) ?? .auto
        try check()
    }

    /// Checks that the chosen tool exists.
    func check() throws(APIError) {
        switch problem {
        case nil: break
        case .noTools?: throw .invalid("tool_choice", "asks for a call, but there are no tools")
        case .unknown(let name)?:
            throw .invalid("tool_choice", "names '\(name.shown(limit: 80))', which is not among the tools")
        }
    }

    static func choice(_ json: JSON?, in parent: FieldReader) throws(APIError) -> ToolChoice? {
        switch json {
        case nil: return nil
        case .string("none")?: return ToolChoice.none
        case .string("auto")?: return .auto
        case .string("required")?, .string("any")?: return .required
        case .object(let object)?:
            var fields = FieldReader(object, path: "tool_choice", in: parent)
            switch try fields.required("type", fields.string("type")) {
            case "function":
                if let name = try fields.string("name") { return .named(name) }
                var function = try fields.required("function", fields.fields("function"))
                return .named(try function.required("name", function.string("name")))
            case "allowed_tools":
                var allowed = try fields.fields("allowed_tools") ?? fields
                let mode = try allowed.string("mode") ?? "auto"
                guard mode == "auto" || mode == "required" else {
                    throw allowed.error("mode", "must be 'auto' or 'required'")
                }
                var names: [String] = []
                for (index, item) in (try allowed.required("tools", allowed.array("tools", most: 1024))).enumerated() {
                    var tool = try FieldReader(item, path: "\(allowed.path).tools[\(index)]", in: allowed)
                    if let function = try tool.fields("function") { tool = function }
                    names.append(try tool.required("name", tool.string("name")))
                }
                return .allowed(names, isRequired: mode == "required")
            case let other:
                throw fields.error("type", "is '\(other.shown(limit: 40))'; it must be 'function' or 'allowed_tools'")
            }
        case let other?:
            throw .invalid(
                "tool_choice", "must be 'none', 'auto', 'required' or an object, not \(other.text().shown(limit: 60))")
        }
    }
}

extension Tool {
    init(_ json: JSON, path: String, in parent: FieldReader) throws(APIError) {
        var fields = try FieldReader(json, path: path, in: parent)
        let type = try fields.required("type", fields.string("type"))
        guard type == "function" else {
            throw .unsupported("\(path).type", "is '\(type.shown(limit: 40))'; only 'function' is supported")
        }
        self = try Tool(function: try fields.required("function", fields.fields("function")), json: json)
    }

    /// A function definition: `name`, `description`, `parameters`, `strict`.
    init(function: FieldReader, schemaKey: String = "parameters", json: JSON? = nil) throws(APIError) {
        var function = function
        let name = try function.required("name", function.string("name"))
        guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
            throw function.error("name", "must be 1 to 128 letters, digits, '_', '-', '.' or ':'")
        }
        let description = try function.string("description")
        let isStrict = try function.bool("strict") ?? false
        let parameters: JSON =
            try function.object(schemaKey).map { .object($0) } ?? ["type": "object", "properties": [:]]
        if let type = parameters["type"], type.string != "object" {
            throw function.error(schemaKey + ".type", "must be 'object'")
        }
        var members = JSONObject([("name", .string(name))])
        members["description"] = description.map { .string($0) }
        members["parameters"] = parameters
        self.init(
            name: name, description: description, parameters: parameters, isStrict: isStrict,
            json: json ?? ["type": "function", "function": .object(members)])
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }
}
