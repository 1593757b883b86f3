import MartletJSON

/// `unevaluatedProperties` and `unevaluatedItems`: properties or items that no other keyword of the schema, or of
/// subschemas that hold, has evaluated. A shape represents one combination of subschemas that hold, and stores what it
/// evaluates; if several combinations hold for a value, one of them includes them all.
extension SchemaReader {
    /// Keywords in the order in which they are read: single values are checked against all others.
    static func order(_ keyword: String) -> Int {
        switch keyword {
        case "unevaluatedProperties", "unevaluatedItems": 1
        case "const", "enum": 2
        default: 0
        }
    }

    /// Returns false for other keywords.
    func readUnevaluated(
        _ keyword: String, _ pointer: String, _ shapes: inout [SchemaShape]
    ) throws(GrammarError) -> Bool {
        guard Self.order(keyword) == 1 else { return false }
        var result: [SchemaShape] = []
        for shape in shapes {
            switch shape {
            case .object(let object) where keyword == "unevaluatedProperties":
                result.append(.object(Self.closed(object, .schema(pointer))))
            case .array(let array) where keyword == "unevaluatedItems":
                result.append(.array(try Self.closed(array, pointer)))
            case .literals(let values):
                // It is not known any more which keyword evaluated what.
                guard values.allSatisfy({ keyword == "unevaluatedItems" ? $0.array == nil : $0.object == nil }) else {
                    throw .unsupportedKeyword(
                        keyword, pointer: pointer, reason: "beside a schema that gives single values")
                }
                result.append(shape)
            default: result.append(shape)
            }
        }
        shapes = result
        return true
    }

    /// One more source, which evaluates the same names and all others.
    private static func closed(_ object: ObjectShape, _ rest: SchemaTerm) -> ObjectShape {
        let seen = object.sources.filter(\.isEvaluation)
        guard seen.allSatisfy({ $0.additional == nil }) else { return object }
        var source = ObjectShape.Source()
        for other in seen {
            for name in other.names where source.schemas[name] == nil {
                source.names.append(name)
                source.schemas[name] = other.schemas[name]
            }
            source.patterns += other.patterns
        }
        source.additional = rest
        var object = object
        object.sources.append(source)
        return object
    }

    private static func closed(_ array: ArrayShape, _ pointer: String) throws(GrammarError) -> ArrayShape {
        guard array.evaluated < Int.max else { return array }
        guard array.evaluatesSome == nil else {
            throw .unsupportedKeyword("unevaluatedItems", pointer: pointer, reason: "beside contains")
        }
        var result = array
        result.prefix = (0..<max(array.prefix.count, array.evaluated)).map { index in
            index < array.evaluated ? array.item(index) : array.item(index).and(.schema(pointer))
        }
        result.rest = array.rest.and(.schema(pointer))
        result.evaluated = Int.max
        return result
    }

    /// `not` evaluates nothing.
    static func unevaluated(_ shape: SchemaShape) -> SchemaShape {
        switch shape {
        case .object(var object):
            for index in object.sources.indices { object.sources[index].isEvaluation = false }
            return .object(object)
        case .array(var array):
            array.evaluated = 0
            array.evaluatesSome = nil
            return .array(array)
        default: return shape
        }
    }
}
