import MartletTensor
import Testing

/// Operations that write over their operand where nothing is recorded.
struct UsedOperandTests {
    static let operations: [(String, @Sendable (Tensor) throws -> Tensor)] = [
        ("activate", { try Fused.activate($0, .silu) }), ("activate", { try Fused.activate($0, .relu) }),
        ("gate", { try Fused.gate($0, Tensor.ones($0.shape), .geluTanh) }),
        ("activate", { try Fused.gate($0, Tensor.ones($0.shape), .relu) }),
        ("add", { try Fused.add($0, Tensor.ones($0.shape)) }), ("softCap", { try Fused.softCap($0, 2) }),
        ("softmax", { try Fused.softmax($0) }),
    ]

    @Test(arguments: operations.indices) func aGradientThatSavedTheOperandSaysSo(_ index: Int) throws {
        let (name, operation) = Self.operations[index]
        let x = try Tensor.full([4, 8], 0.5, dtype: .float32), w = try Tensor.ones([3, 8]).requiringGrad()
        // The product saves x for the gradient of w; x itself wants none.
        let y = try Fused.linear(x, [(w, nil)])[0].sum()
        _ = try noGrad { try operation(x) }
        #expect { try y.backward() } throws: { error in
            "\(error)".contains("changed in place")
        }
        _ = name
    }

    @Test(arguments: operations.indices) func readOnlyStorageIsRefused(_ index: Int) throws {
        let (name, operation) = Self.operations[index]
        let values = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 64)
        defer { values.deallocate() }
        values.initializeMemory(as: UInt8.self, repeating: 1)
        let storage = Storage(borrowing: UnsafeRawBufferPointer(values), owner: Owner())
        let x = Tensor(storage: storage, dtype: .float32, shape: [4, 8])
        #expect { try operation(x) } throws: { error in
            (error as? TensorError)?.kind == .storage && (error as? TensorError)?.operation == name
        }
        #expect(values.allSatisfy { $0 == 1 })
        // While something is recorded the operand stays as it is, and may lie anywhere.
        let leaf = try x.requiringGrad()
        _ = try operation(leaf)
        #expect(values.allSatisfy { $0 == 1 })
    }

    /// It takes its operand's place while it is recorded too: the way back needs the angles alone.
    @Test func rotationCountsAsAChangeAndRefusesReadOnlyStorage() throws {
        let table = try Tensor.ones([4, 4])
        let rotation = Rotation(cosine: table, sine: table, dimension: 8, interleaved: false)
        let run = RotationRun(rows: 0..<4, rotation: rotation), positions: [Int32] = [0, 1, 2, 3]
        let x = try Tensor.full([4, 8], 0.5, dtype: .float32), w = try Tensor.ones([3, 8]).requiringGrad()
        let y = try Fused.linear(x, [(w, nil)])[0].sum()
        _ = try Fused.rotate(x, heads: 1, [run], positions)
        #expect { try y.backward() } throws: { "\($0)".contains("changed in place") }
        let file = MappedFile(path: "x", contents: [UInt8](repeating: 1, count: 128))
        let mapped = Tensor(
            storage: Storage(borrowing: file.bytes, owner: file), dtype: .float32, shape: [4, 8])
        for operand in [mapped, try mapped.requiringGrad()] {
            #expect { try Fused.rotate(operand, heads: 1, [run], positions) } throws: {
                ($0 as? TensorError)?.kind == .storage
            }
        }
    }

    private final class Owner {}
}
