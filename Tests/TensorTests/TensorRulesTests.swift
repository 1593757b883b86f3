import MartletTensor
import Testing

/// Messages, views, in-place rules and printing.
struct TensorRulesTests {
    static func message(_ body: () throws -> Tensor) -> String {
        do { return "no error: \(try body().shape)" } catch { return "\(error)" }
    }

    @Test func errorsNameTheOperationAndBothShapes() throws {
        let a = try Tensor.zeros([2, 3]), b = try Tensor.zeros([4])
        #expect(Self.message { try a + b } == "add: shapes [2, 3] and [4] do not broadcast")
        #expect(Self.message { try a .< b } == "less: shapes [2, 3] and [4] do not broadcast")
        for (operation, text) in [
            ("matmul", Self.message { try a.matmul(b) }),
            ("where", Self.message { try Tensor.where(a.to(.bool), a, b) }),
            ("concatenate", Self.message { try .concatenate([a, b]) }),
            ("stack", Self.message { try .stack([a, b]) }),
            ("einsum", Self.message { try einsum("ij,j->i", a, b) }),
            ("dot", Self.message { try a.dot(b) }),
            ("scatterAdd", Self.message { try a.scatterAdd(0, b.to(.int64), b) }),
            ("indexAdd", Self.message { try a.indexAdd(0, b.to(.int64), a) }),
        ] {
            #expect(text.hasPrefix(operation + ":") && text.contains("[2, 3]"), "\(text)")
            #expect(text.contains("[4]"), "\(text)")
        }
        for (operation, text) in [
            ("reshape", Self.message { try a.reshape(4, 2) }), ("reshape", Self.message { try a.reshape(-1, 4) }),
            ("permute", Self.message { try a.permute(0, 0) }), ("expand", Self.message { try a.expand(2, 4) }),
            ("select", Self.message { try a.select(0, 2) }), ("sum", Self.message { try a.sum(2) }),
            ("sum", Self.message { try a.sum(0, -2) }), ("topK", Self.message { try a.topK(4).values }),
            ("mean", Self.message { try a.to(.int32).mean() }), ("squeeze", Self.message { try a.squeeze(5) }),
            ("subscript", Self.message { try a[0, 0, 0] }), ("tril", Self.message { try b.tril() }),
        ] { #expect(text.hasPrefix(operation + ":"), "\(text)") }
        #expect(Self.message { try a.indexSelect(0, Tensor([2])) }.contains("index 2 is out of range"))
        #expect(Self.message { try Tensor([1, 2]).floorDivide(0) }.contains("zero"))
        #expect(Self.message { try Tensor.zeros([0]).max() }.hasPrefix("maximum:"))
    }

    @Test func malformedEinsumsAreRefused() throws {
        let a = try Tensor.zeros([2, 3])
        for equation in ["ij->k", "ij->ii", "i-j", "ij,jk", "i", "i..j", "ijk->i", "....ij", "ij->...i..."] {
            #expect(Self.message { try einsum(equation, a) }.hasPrefix("einsum:"), "\(equation)")
        }
        #expect(Self.message { try einsum("", []) }.hasPrefix("einsum:"))
    }

    @Test func scalarsDecideTheKindAndNotTheWidth() throws {
        let half = try Tensor.ones([2], dtype: .float16), int = try Tensor.ones([2], dtype: .int32)
        #expect(try (half * 2.5).dtype == .float16)
        #expect(try (int * 2).dtype == .int32)
        #expect(try (int * 2.5).dtype == .float32)
        #expect(try (int / 2).dtype == .float32)
        #expect(try (2 - int).toArray(as: Int.self) == [1, 1])
        #expect(try (int.to(.bool) + 2).dtype == .int64)
        #expect(try (half + Tensor(1.0, dtype: .float64)).dtype == .float16)
        #expect(DType.promoted(.uint8, .int8) == .int16)
        #expect(DType.promoted(.float16, .bfloat16) == .float32)
    }

    @Test func subscriptsFollowPython() throws {
        let x = try Tensor.arange(24).reshape(2, 3, 4)
        #expect(try x[1, 2, 3].item(as: Int.self) == 23)
        #expect(try x[-1, .ellipsis, 0].toArray(as: Int.self) == [12, 16, 20])
        #expect(try x[.all, 1..., .slice(nil, nil, step: 3)].shape == [2, 2, 2])
        #expect(try x[0, ..<2, .slice(-2, nil)].toArray(as: Int.self) == [2, 3, 6, 7])
        #expect(try x[.newAxis, .ellipsis, .newAxis].shape == [1, 2, 3, 4, 1])
        #expect(try x[0..<100].shape == [2, 3, 4])
        #expect(try x[2..<2].shape == [0, 3, 4])
        #expect(try x[0, 0, 1...2].toArray(as: Int.self) == [1, 2])
    }

    @Test func viewsShareAndCopiesDoNot() throws {
        let x = try Tensor.zeros([3, 4])
        try x[1] += 1
        try x.transposed()[0].fill(5)
        #expect(try x.toArray(as: Int.self) == [5, 0, 0, 0, 5, 1, 1, 1, 5, 0, 0, 0])
        try x.copied().fill(9)
        #expect(try x.max().item(as: Int.self) == 5)
        #expect(throws: TensorError.self) { try x.transposed().view(12) }
        #expect(try x.transposed().reshape(12).shape == [12])
    }

    @Test func inPlaceReadsBeforeItWrites() throws {
        let x = try Tensor.arange(6.0)
        try x[1...].copy(from: x[..<5])
        #expect(try x.toArray(as: Int.self) == [0, 0, 1, 2, 3, 4])
        try x[1...] += x[..<5]
        #expect(try x.toArray(as: Int.self) == [0, 0, 1, 3, 5, 7])
        let square = try Tensor.arange(4.0).reshape(2, 2)
        try square += square.transposed()
        #expect(try square.toArray(as: Int.self) == [0, 3, 3, 6])
        try square *= square
        #expect(try square.toArray(as: Int.self) == [0, 9, 9, 36])
        try square.maskedFillInPlace(square .> 8, 1)
        #expect(try square.toArray(as: Int.self) == [0, 1, 1, 1])
    }

    @Test func inPlaceRefusesWhatCannotBeWritten() throws {
        let x = try Tensor.zeros([1, 3])
        #expect(throws: TensorError.self) { try x.expand(2, 3) += 1 }
        #expect(throws: TensorError.self) { try x.expand(2, 3).fill(1) }
        #expect(throws: TensorError.self) { try Tensor.zeros([5]).unfold(0, size: 3, step: 1).fill(1) }
        #expect(throws: TensorError.self) { try x += Tensor.ones([2, 3]) }
        #expect(throws: TensorError.self) { try x.to(.int32) += 0.5 }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 16)
        defer { bytes.deallocate() }
        final class Owner {}
        let mapped = Tensor(
            storage: Storage(borrowing: UnsafeRawBufferPointer(bytes), owner: Owner()), dtype: .float32, shape: [4])
        for body in [{ try mapped.fill(0) }, { try mapped += 1 }, { try mapped.copy(from: x[0, 0]) }] {
            #expect(throws: TensorError.self, performing: body)
        }
    }

    @Test func arraysGoInAndOut() throws {
        let x = try Tensor([[1, 2, 3], [4, 5, 6]] as [[Float]])
        #expect(x.shape == [2, 3] && x.dtype == .float32)
        #expect(try x.transposed().toArray(as: Int32.self) == [1, 4, 2, 5, 3, 6])
        #expect(try Tensor([true, false]).dtype == .bool)
        #expect(throws: TensorError.self) { try Tensor([[1, 2], [3]]) }
        #expect(throws: TensorError.self) { try Tensor([1, 2, 3], shape: [2, 2]) }
        #expect(throws: TensorError.self) { try x.item(as: Float.self) }
        #expect(try Tensor(2.5).item(as: Double.self) == 2.5)
    }

    @Test func quantizedTensorsAreCutOnlyBetweenRows() throws {
        let q = Tensor(uninitialized: [4, 64], dtype: .q8_0)
        #expect(try q.reshape(2, 2, 64).shape == [2, 2, 64])
        #expect(try q[1...2].byteOffset == 68)
        #expect(try q.indexSelect(0, Tensor([3, 0])).shape == [2, 64])
        #expect(try Tensor.concatenate([q, q[0...0]]).shape == [5, 64])
        for body in [
            { try q.transposed() }, { try q.reshape(16, 16) }, { try q[.all, 0..<32] }, { try q + q }, { try q[0, 1] },
            { try q.indexSelect(1, Tensor([0])) }, { try q.sum() },
        ] as [() throws -> Tensor] { #expect(throws: TensorError.self) { _ = try body() } }
    }

    /// Q8_0: a half scale and 32 signed bytes.
    @Test func dequantizedWeightsAreScaleTimesCode() throws {
        let q = Tensor(filling: [2, 32], dtype: .q8_0) { bytes in
            for row in 0..<2 {
                bytes.storeBytes(of: UInt16(row == 0 ? 0x3800 : 0xc000), toByteOffset: row * 34, as: UInt16.self)
                for i in 0..<32 { bytes.storeBytes(of: Int8(i - 16), toByteOffset: row * 34 + 2 + i, as: Int8.self) }
            }
        }
        let x = try q.to(.float32)
        #expect(try x[0].isClose(to: (Tensor.arange(32) - 16) * 0.5))
        #expect(try q[1].to(.float64).isClose(to: (Tensor.arange(32) - 16) * -2))
    }

    @Test func printingReadsLikePyTorch() throws {
        let x = try Tensor([[1, -2.5], [0.125, 1000]] as [[Float]])
        #expect(
            x.description == """
                Tensor([[   1.0000,   -2.5000],
                        [   0.1250, 1000.0000]], dtype: F32)
                """)
        #expect(try Tensor([1, 20]).description == "Tensor([ 1, 20], dtype: I64)")
        #expect(Tensor(true).description == "Tensor(true, dtype: BOOL)")
        #expect(try Tensor.zeros([2, 0]).description == "Tensor([], shape: [2, 0], dtype: F32)")
        #expect(try Tensor.arange(2000).description.contains("2, ..., 1997"))
    }
}
