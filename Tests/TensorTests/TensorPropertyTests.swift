import MartletTensor
import Testing

/// Laws that hold for every shape, checked on random ones.
struct TensorPropertyTests {
    static func shape(_ rank: Int, _ stream: inout RandomStream) -> Shape {
        Shape((0..<rank).map { _ in 1 + stream.nextIndex(below: 4) })
    }

    static func equal(_ a: Tensor, _ b: Tensor) throws -> Bool {
        a.shape == b.shape && a.dtype == b.dtype && a.bytes() == b.bytes()
    }

    @Test func permutingBackRestores() throws {
        var stream = RandomStream(seed: 1)
        for _ in 0..<50 {
            let rank = 1 + stream.nextIndex(below: 6)
            let x = try Tensor.randn(Self.shape(rank, &stream), using: &stream)
            let order = try Tensor.permutation(rank, using: &stream)
            let permuted = try x.permute(order.toArray(as: Int.self))
            #expect(try Self.equal(permuted.permute(order.argsort().toArray(as: Int.self)), x))
            #expect(try Self.equal(permuted.contiguous(), permuted))
        }
    }

    @Test func reshapingBackRestoresAlsoFromViews() throws {
        var stream = RandomStream(seed: 2)
        for _ in 0..<50 {
            let x = try Tensor.randn(Self.shape(4, &stream), using: &stream).transpose(1, 3)
            let flat = try x.reshape(-1)
            #expect(try Self.equal(flat.reshape(x.shape), x))
            // A view and a copy of the same elements agree.
            let merged = try x.flatten(from: 1, to: 2)
            #expect(try Self.equal(merged, x.contiguous().flatten(from: 1, to: 2)))
        }
    }

    @Test func concatenationUndoesSplitting() throws {
        var stream = RandomStream(seed: 3)
        for axis in 0..<3 {
            let x = try Tensor.randn([5, 4, 6], using: &stream).transpose(0, 2)
            #expect(try Self.equal(.concatenate(x.split(2, axis: axis), axis: axis), x))
            #expect(try Self.equal(.concatenate(x.chunk(3, axis: axis), axis: axis), x))
            let layers = try (0..<x.shape[axis]).map { try x.select(axis, $0) }
            #expect(try Self.equal(.stack(layers, axis: axis), x))
        }
    }

    @Test func einsumEqualsLoops() throws {
        var stream = RandomStream(seed: 4)
        let a = try Tensor.randn([2, 3, 4], dtype: .float64, using: &stream)
        let b = try Tensor.randn([4, 3, 5], dtype: .float64, using: &stream)
        let c = try einsum("bij,jik->bk", a, b)
        for p in 0..<2 {
            for k in 0..<5 {
                var sum = 0.0
                for i in 0..<3 {
                    for j in 0..<4 { sum += try a[p, i, j].item(as: Double.self) * b[j, i, k].item(as: Double.self) }
                }
                #expect((try c[p, k].item(as: Double.self) - sum).magnitude < 1e-12)
            }
        }
    }

    /// Long sums are cut into fixed blocks; rows, columns and the whole agree with float64.
    @Test func sumsAgreeWithDoublePrecision() throws {
        var stream = RandomStream(seed: 5)
        for shape: Shape in [[100_003], [37, 5001], [5001, 37], [3, 70_001, 2]] {
            let x = try Tensor.uniform(shape, using: &stream), wide = try x.to(.float64)
            #expect(try x.sum().to(.float64).isClose(to: wide.sum(), relative: 1e-6))
            for axis in 0..<shape.rank {
                #expect(try x.sum(axis).to(.float64).isClose(to: wide.sum(axis), relative: 1e-6))
                #expect(try Self.equal(x.transpose(0, axis).contiguous().sum(0), x.contiguous().sum(axis)) || axis > 0)
            }
            #expect(try Self.equal(x.max(), x.reshape(-1).sort(descending: true).values[0]))
            #expect(try Self.equal(x.reshape(-1)[x.argmin().item(as: Int.self)], x.min()))
        }
    }

    /// Above the grain the work is shared among threads; the bits are those of the small pieces.
    @Test func largeElementwiseResultsEqualTheirPieces() throws {
        var stream = RandomStream(seed: 6)
        let x = try Tensor.randn([300, 700], using: &stream), y = try Tensor.randn([700], using: &stream)
        let whole = try (x * y + 1).exp()
        for row in [0, 17, 150, 299] { #expect(try Self.equal(whole[row], (x[row] * y + 1).exp())) }
        let columns = try (x.transposed() + y.unsqueeze(1)).contiguous()
        #expect(try Self.equal(columns[699], x[.all, 699] + y[699]))
        #expect(try Self.equal(x.to(.float16)[211], x[211].to(.float16)))
    }

    @Test func matrixProductOfViewsEqualsThatOfCopies() throws {
        var stream = RandomStream(seed: 7)
        for _ in 0..<20 {
            let m = 1 + stream.nextIndex(below: 70), k = 1 + stream.nextIndex(below: 70)
            let n = 1 + stream.nextIndex(below: 70)
            let a = try Tensor.randn([2, k, m], using: &stream).transposed()
            let b = try Tensor.randn([n, k], using: &stream).transposed()
            let wanted = try a.to(.float64).matmul(b.to(.float64))
            #expect(try a.matmul(b).to(.float64).isClose(to: wanted, relative: 1e-4, absolute: 1e-4))
        }
    }

    @Test func roundingToHalfPicksTheNearest() throws {
        var stream = RandomStream(seed: 8)
        let x = try Tensor.normal([20_000], std: 100, dtype: .float64, using: &stream)
        for dtype in [DType.float16, .bfloat16] {
            let direct = try x.to(dtype), error = try (direct.to(.float64) - x).abs()
            let bound = try x.abs() * (dtype == .float16 ? 0x1p-11 : 0x1p-8)
            #expect(try (error .<= bound + 1e-7).all().item(as: Bool.self))
            // Every value of the format survives the way there and back.
            let bits = try Tensor(Array(UInt16.min...UInt16.max).map { Int16(bitPattern: $0) })
            let all = Tensor(storage: bits.storage, dtype: dtype, shape: bits.shape)
            let back = try all.to(.float32).to(dtype)
            let same = try (back .== all).logicalOr(all.isNaN().logicalAnd(back.isNaN()))
            #expect(try same.all().item(as: Bool.self))
        }
    }
}
