import MartletFormats
import MartletNN
import MartletTensor

/// A tensor of a model as a file of some form has it: its name there, its shape, and how it is made. Made one at a time,
/// a model is converted in the memory of its largest tensor.
public struct WrittenTensor: Sendable {
    public let name: String
    public let shape: Shape
    /// What the model calls its parts, by which importances are found: "model.layers.0.mlp.up_proj". Several for one that
    /// joins them.
    public let modules: [String]
    /// The type that it, or its first part, is stored as.
    public let stored: DType?
    /// In the stored type where nothing had to be computed, else float32.
    public let make: @Sendable () throws -> Tensor

    public init(
        name: String, shape: Shape, modules: [String], stored: DType?, make: @escaping @Sendable () throws -> Tensor
    ) {
        self.name = name
        self.shape = shape
        self.modules = modules
        self.stored = stored
        self.make = make
    }
}

/// A parameter as the model asks for it.
struct AskedParameter: Sendable {
    let name: String
    let shape: Shape
    let role: ParameterRole
    var module: String { name.split(separator: ".").dropLast().joined(separator: ".") }
}

/// Notes what a model asks for and gives nothing.
final class AskedParameters: ParameterSource {
    private(set) var asked: [AskedParameter] = []

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        asked.append(AskedParameter(name: name, shape: shape, role: role))
        return Tensor(uninitialized: [0, 0])
    }
}

extension Checkpoint {
    /// The decoder's parameters in the places of another form's files, in the order the model asks for them.
    /// - Parameters:
    ///   - source: where they are read, if not from the checkpoint's tensors.
    ///   - places: where the other form keeps a parameter, the first place counts.
    ///   - rearranged: what the other form stores differently.
    func written(
        _ reading: DecoderReading, from source: (any TensorSource)? = nil,
        places target: (AskedParameter) -> WeightPlace?,
        rearranged: @escaping @Sendable (AskedParameter, Tensor) throws -> Tensor
    ) throws -> [WrittenTensor] {
        let list = AskedParameters()
        _ = Decoder(list, reading.configuration)
        var order: [String] = [], groups: [String: [(place: WeightPlace, parameter: AskedParameter)]] = [:]
        for parameter in list.asked {
            guard let place = target(parameter) else { continue }
            if groups[place.storedName] == nil { order.append(place.storedName) }
            groups[place.storedName, default: []].append((place, parameter))
        }
        let places = places(reading), tensors = source ?? tensors, file = path
        let packed = try PackedFormats.reader(configuration)
        @Sendable func value(_ parameter: AskedParameter) throws -> Tensor {
            let source = CheckpointParameters(tensors, file: file, places: places, packed: packed)
            let given = source.matrix(parameter.name, shape: parameter.shape, role: parameter.role)
            try source.finish()
            // What another program packed becomes the numbers that it stands for.
            return try rearranged(parameter, given as? Tensor ?? given.float32Matrix())
        }
        return try order.map { name in
            let parts = groups[name] ?? []
            if let whole = kept(name, parts.map(\.place), parts.map(\.parameter.module)) { return whole }
            let stored = places(parts[0].parameter.name).lazy.compactMap { tensors.entry($0.storedName) }.first?.dtype
            return try Self.joined(name, parts, stored: stored, value, file: path)
        }
    }

    /// A tensor of a folder with rows that no parameter has, as OPT's positions begin with: it stays as it is.
    private func kept(_ name: String, _ places: [WeightPlace], _ modules: [String]) -> WrittenTensor? {
        guard gguf == nil, flat == nil, case .rows(_, let sizes, _)? = places.first, places.count < sizes.count,
            let entry = tensors.entry(name), entry.shape.first == sizes.reduce(0, +)
        else { return nil }
        return WrittenTensor(name: name, shape: entry.shape, modules: modules, stored: entry.dtype) { [tensors] in
            try tensors.tensor(name)
        }
    }

    /// One tensor of all the parameters that lie in it.
    private static func joined(
        _ name: String, _ parts: [(place: WeightPlace, parameter: AskedParameter)], stored: DType?,
        _ value: @escaping @Sendable (AskedParameter) throws -> Tensor, file: String
    ) throws -> WrittenTensor {
        let parameters = parts.map(\.parameter), modules = parameters.map(\.module), first = parameters[0]
        func demand(_ count: Int) throws {
            guard parts.count == count else {
                throw ModelError.unsupported(
                    file: file, reason: "\(name) joins \(count) parameters, of which the model has \(parts.count)")
            }
        }
        switch parts[0].place {
        case .tensor, .latentHeads:
            try demand(1)
            return WrittenTensor(name: name, shape: first.shape, modules: modules, stored: stored) { try value(first) }
        case .converted(_, let conversion):
            try demand(1)
            return WrittenTensor(
                name: name, shape: Shape(conversion.stored), modules: modules,
                stored: conversion.isNegativeExponential ? .float32 : stored
            ) {
                try conversion.made(of: value(first))
            }
        case .rows(_, let sizes, _):
            try demand(sizes.count)
            let ordered = parts.sorted { $0.place.part < $1.place.part }.map(\.parameter)
            var shape = first.shape
            shape[0] = ordered.reduce(0) { $0 + $1.shape[0] }
            return WrittenTensor(name: name, shape: shape, modules: modules, stored: stored) { [shape] in
                try Tensor.joined(ordered.map(value), shape: shape)
            }
        case .groupedRows(_, let groups, let sizes, _):
            try demand(sizes.count)
            let ordered = parts.sorted { $0.place.part < $1.place.part }.map(\.parameter)
            var shape = first.shape
            shape[0] = groups * sizes.reduce(0, +)
            return WrittenTensor(name: name, shape: shape, modules: modules, stored: stored) {
                try WeightPlace.grouped(ordered.map { try value($0).to(.float32) }, groups: groups)
            }
        case .transposedColumns(_, let sizes, _):
            try demand(sizes.count)
            let ordered = parts.sorted { $0.place.part < $1.place.part }.map(\.parameter)
            let shape: Shape = [first.shape[1], sizes.reduce(0, +)]
            return WrittenTensor(name: name, shape: shape, modules: modules, stored: stored) {
                let columns = try ordered.map { try value($0).to(.float32).transposed() }
                return try Tensor.concatenate(columns, axis: 1).contiguous()
            }
        case .expertPart(_, _, let layout):
            let share = layout.share.count
            try demand(parts.count / share * share)
            let ordered = parts.sorted { $0.place.part < $1.place.part }.map(\.parameter)
            var inner = Array(first.shape)
            inner[0] *= share
            if layout.isTransposed, inner.count == 2 { inner.reverse() }
            let count = parts.count / share
            let shape = Shape(layout.flat == nil ? [count] + inner : [count * inner[0]] + inner.dropFirst())
            return WrittenTensor(name: name, shape: shape, modules: modules, stored: nil) {
                let experts = try stride(from: 0, to: ordered.count, by: share).map { start in
                    try layout.joined(ordered[start..<start + share].map { try value($0).to(.float32) })
                }
                return try layout.stacked(experts)
            }
        case .expert:
            let ordered = parts.sorted { $0.place.part < $1.place.part }.map(\.parameter)
            let shape = Shape([parts.count] + Array(first.shape))
            return WrittenTensor(name: name, shape: shape, modules: modules, stored: stored) {
                try Tensor.joined(ordered.map(value), shape: shape)
            }
        }
    }
}

extension WeightPlace {
    /// Its number among those that share a tensor.
    fileprivate var part: Int {
        switch self {
        case .tensor, .latentHeads, .converted: 0
        case .rows(_, _, let part), .groupedRows(_, _, _, let part), .transposedColumns(_, _, let part): part
        case .expert(_, let index): index
        case .expertPart(_, let index, let part): index * part.share.count + part.share.part
        }
    }
}

extension Tensor {
    /// Tensors one behind the other along the first dimension, as they are stored; of several types, in float32.
    fileprivate static func joined(_ parts: [Tensor], shape: Shape) throws -> Tensor {
        var parts = parts
        if Set(parts.map(\.dtype)).count > 1 {
            parts = try parts.map { try $0.rank == 2 ? $0.float32Rows(0..<$0.shape[0]) : $0.to(.float32) }
        }
        guard let dtype = parts.first?.dtype, shape.elementCount == parts.reduce(0, { $0 + $1.elementCount }) else {
            throw TensorError(.shape, "join", "parts of \(parts.map(\.shape)) do not make \(shape)")
        }
        return Tensor(filling: shape, dtype: dtype) { target in
            var offset = 0
            for part in parts {
                part.forEachHostRun { run in
                    UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + run.count]).copyMemory(from: run)
                    offset += run.count
                }
            }
        }
    }
}
