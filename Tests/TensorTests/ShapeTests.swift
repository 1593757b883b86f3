import MartletTensor
import Testing

struct ShapeTests {
    @Test func stridesAreRowMajor() {
        #expect(Shape([2, 3, 4]).contiguousStrides == [12, 4, 1])
        #expect(Shape([]).elementCount == 1)
    }

    @Test func hostileExtentsAreRefused() {
        #expect(Shape(checking: [1 << 40, 1 << 40]) == nil)
        #expect(Shape(checking: [2, -1]) == nil)
        #expect(Shape(checking: [0, 1 << 62, 4]) == nil)
        #expect(Shape(checking: Array(repeating: 1, count: 9)) == nil)
        #expect(Shape(checking: [2, 3])?.elementCount == 6)
    }
}
