// floors: System JSON Tensor Formats NN Models
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// A module in one of the packed layouts, its configuration and the shapes and bytes of its tensors from the input: it is
/// refused, or gives as many numbers as its shape says.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var rest = UnsafeRawBufferPointer(start: start, count: count)[...]
    func byte() -> Int { Int(rest.popFirst() ?? 0) }
    let configurations: [JSON] = [
        [
            "quant_method": "gptq", "bits": .integer(Int64([2, 3, 4, 8][byte() % 4])),
            "group_size": .integer(Int64(byte() - 1)),
        ],
        ["quant_method": "awq", "bits": 4, "group_size": .integer(Int64(byte() - 1))],
        ["quant_method": "bitsandbytes"],
        ["quant_method": "fp8", "weight_block_size": [.integer(Int64(byte())), .integer(Int64(byte()))]],
        [
            "quant_method": "compressed-tensors", "format": "pack-quantized",
            "config_groups": [
                "g": ["weights": ["num_bits": .integer(Int64(byte() % 10)), "group_size": .integer(Int64(byte()))]]
            ],
        ],
    ]
    let affine: JSON = ["bits": .integer(Int64(byte() % 10)), "group_size": .integer(Int64(byte()))]
    let width = byte(), size = byte()
    let more: [JSON] = [
        affine,
        [
            "quant_method": "hqq",
            "quant_config": [
                "weight_quant_params": [
                    "nbits": .integer(Int64([1, 2, 4, 8, 3][width % 5])), "axis": width / 4 % 2 == 0 ? 1 : 0,
                    "group_size": size == 0 ? .null : .integer(Int64(size)),
                ]
            ],
        ],
        ["quant_method": "torchao"],
        ["quant_method": "modelopt", "quant_algo": "NVFP4"],
        [
            "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized",
            "config_groups": ["g": ["weights": ["num_bits": 4, "type": "float", "group_size": 16]]],
        ],
        [
            "quant_method": "auto-round", "bits": .integer(Int64([2, 3, 4, 8][width % 4])),
            "group_size": .integer(Int64(size) - 1),
            "packing_format": .string(["auto_round", "auto_round:auto_gptq", "auto_round:auto_awq"][width % 3]),
        ],
    ]
    let all = configurations + more
    let configuration = ConfigurationReader(
        file: "config.json", json: ["quantization_config": all[byte() % all.count]])
    guard let reader = try? PackedFormats.reader(configuration) else { return 0 }
    let shape: Shape = [byte() % 64 + 1, byte() % 64 + 1]
    let types: [(DType, String)] = [
        (.int32, "I32"), (.int8, "I8"), (.uint8, "U8"), (.uint8, "F8_E4M3"), (.uint8, "F8_E5M2"), (.float16, "F16"),
        (.bfloat16, "BF16"), (.float32, "F32"), (.int64, "I64"),
    ]
    var tensors: [String: (Tensor, String)] = [:]
    for suffix in reader.suffixes where byte() % 4 != 0 {
        let (type, name) = types[byte() % types.count]
        let extents = (0..<byte() % 3).map { _ in byte() % 72 }
        let size = type.byteCount(of: extents.reduce(1, *)) ?? 0
        let tensor = Tensor(filling: Shape(extents), dtype: type) { target in
            for index in 0..<size { target[index] = UInt8(byte()) }
        }
        tensors["m." + suffix] = (tensor, name)
    }
    let module = PackedModule(name: "m", shape: shape, source: Memory(tensors: tensors), file: "folder")
    guard let matrix = try? reader.matrix(module) else { return 0 }
    precondition(matrix.shape == shape)
    let values = try? matrix.float32Matrix()
    precondition(values?.shape == shape)
    _ = try? matrix.packed(exact: false)
    return 0
}

private struct Memory: TensorSource {
    let tensors: [String: (Tensor, String)]
    var names: [String] { tensors.keys.sorted() }
    func entry(_ name: String) -> TensorEntry? {
        tensors[name].map { tensor, type in
            TensorEntry(
                name: name, dtype: tensor.dtype, typeName: type, shape: tensor.shape, byteCount: 0, fileOffset: 0,
                path: "memory")
        }
    }
    func tensor(_ name: String) throws -> Tensor {
        guard let found = tensors[name] else { throw FormatError(.missing, path: "memory", name) }
        return found.0
    }
}
