/// Learning rates that fall from the last layer to the first (Howard and Ruder 2018; ELECTRA, Clark et al. 2020): the layers
/// near the text know what all texts have in common, and change less. With L layers and a decay d:
///
///     head and last norm 1,   layer l: d^(L − 1 − l),   embeddings d^L
struct LayerDecay {
    private let decay: Double
    private let count: Int

    /// - Parameter names: of all parameters that are trained or of the whole model; the largest number among them is the
    ///   last layer's.
    init(_ decay: Double, _ names: [String]) {
        self.decay = decay
        count = (names.compactMap(Self.layer).max() ?? -1) + 1
    }

    func rate(of name: String) -> Double {
        guard decay != 1, count > 0 else { return 1 }
        if let layer = Self.layer(of: name) { return power(count - 1 - layer) }
        return name.contains("embed") || name.contains("wte") || name.contains("wpe") ? power(count) : 1
    }

    private func power(_ exponent: Int) -> Double { (0..<max(0, exponent)).reduce(1) { rate, _ in rate * decay } }

    /// The first number that stands by itself in a path: "model.layers.7.mlp" is of layer 7.
    private static func layer(of name: String) -> Int? {
        name.split(separator: ".").lazy.compactMap { Int($0) }.first { $0 >= 0 }
    }
}
