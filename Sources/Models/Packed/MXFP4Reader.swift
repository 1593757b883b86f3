import MartletFormats
import MartletNN
import MartletTensor

/// MXFP4 as GPT-OSS publishes it: experts in stacks `_blocks` `[experts, out, groups, 16]` of four-bit floats, two to a
/// byte, and `_scales` `[experts, out, groups]` of powers of two, one for 32 numbers (Open Compute Project 2023,
/// "Microscaling formats"). All other matrices are stored as they are.
package struct MXFP4Reader: PackedReader {
    package let suffixes: [String] = []
    package let stackSuffixes = ["_blocks", "_scales"]

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? { nil }

    package func expert(_ index: Int, _ part: ExpertPart, of stack: PackedModule) throws -> (any WeightMatrix)? {
        let names = (blocks: stack.name + "_blocks", scales: stack.name + "_scales")
        guard stack.source.entry(names.blocks) != nil else { return nil }
        guard stack.source.entry(names.scales) != nil else {
            throw ModelError.missingTensors(file: stack.file, names: [names.scales])
        }
        let blocks = try stack.source.tensor(names.blocks), scales = try stack.source.tensor(names.scales)
        let share = part.share, rows = stack.outputs * share.count, groups = stack.inputs / 32
        guard blocks.dtype == .uint8, scales.dtype == .uint8, blocks.rank == 4, stack.inputs % 32 == 0,
            Array(blocks.shape.dropFirst()) == [rows, groups, 16], index < blocks.shape[0],
            scales.shape == Shape([blocks.shape[0], rows, groups])
        else {
            throw ModelError.wrongShapes(
                file: stack.file,
                [
                    .init(name: names.blocks, found: Array(blocks.shape), expected: [0, rows, groups, 16]),
                    .init(name: names.scales, found: Array(scales.shape), expected: [0, rows, groups]),
                ])
        }
        let chosen: [Int] =
            switch part.rows {
            case .all: Array(0..<rows)
            case .half(let half): Array(half * stack.outputs..<(half + 1) * stack.outputs)
            case .everyOther(let first): Array(stride(from: first, to: rows, by: 2))
            }
        return Self.blocks(
            blocks.leadingRows(index, count: 1).bytes(), scales.leadingRows(index, count: 1).bytes(), rows: chosen,
            groups: groups)
    }

    /// In the layout of GGUF's blocks: the scale, then byte j with numbers j and j + 16. Here byte j has numbers 2j and
    /// 2j + 1.
    private static func blocks(_ codes: [UInt8], _ scales: [UInt8], rows: [Int], groups: Int) -> Tensor {
        Tensor(filling: [rows.count, groups * 32], dtype: .mxfp4) { target in
            var next = 0
            for row in rows {
                for group in 0..<groups {
                    let block = row * groups + group
                    target[next] = scales[block]
                    for byte in 0..<16 {
                        let low = codes[block * 16 + byte / 2], high = codes[block * 16 + 8 + byte / 2]
                        target[next + 1 + byte] =
                            byte % 2 == 0 ? low & 15 | high << 4 : low >> 4 | high & 240
                    }
                    next += 17
                }
            }
        }
    }
}
