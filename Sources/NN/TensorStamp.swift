import MartletTensor

/// Which numbers a tensor has: what was computed from it holds as long as its stamp is the same. A stamp keeps the bytes
/// alive, so that no other tensor is taken for this one.
package struct TensorStamp: Equatable, Sendable {
    private let tensor: Tensor
    private let version: Int

    package init(_ tensor: Tensor) {
        (self.tensor, version) = (tensor, tensor.storage.version)
    }

    package static func == (a: TensorStamp, b: TensorStamp) -> Bool {
        a.tensor.storage === b.tensor.storage && a.version == b.version && a.tensor.byteOffset == b.tensor.byteOffset
            && a.tensor.dtype == b.tensor.dtype && a.tensor.shape == b.tensor.shape
            && a.tensor.strides == b.tensor.strides
    }
}
