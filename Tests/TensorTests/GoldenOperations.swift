import MartletTensor

extension GoldenCase {
    /// The operation by its name in the file.
    func run() throws -> [Tensor] {
        if let result = try elementwise() ?? reduction() ?? indexing() ?? layout() { return result }
        throw Malformed(description: "no operation \(operation)")
    }

    private func elementwise() throws -> [Tensor]? {
        let x = operands.first ?? Tensor(0)
        let y = operands.count > 1 ? operands[1] : x
        switch operation {
        case "add": return [try x + y]
        case "subtract": return [try x - y]
        case "multiply": return [try x * y]
        case "divide": return [try x / y]
        case "minimum": return [try x.minimum(y)]
        case "maximum": return [try x.maximum(y)]
        case "equal": return [try x .== y]
        case "notEqual": return [try x .!= y]
        case "less": return [try x .< y]
        case "lessEqual": return [try x .<= y]
        case "greater": return [try x .> y]
        case "greaterEqual": return [try x .>= y]
        case "floorDivide": return [try x.floorDivide(y)]
        case "remainder": return [try x % y]
        case "power": return [try x.pow(y)]
        case "where": return [try Tensor.where(x, y, operands[2])]
        case "clamp": return [try x.clamp(min: real("min"), max: real("max"))]
        case "to":
            guard let dtype = DType.allCases.first(where: { $0.name == arguments["dtype"]?.string }) else { return nil }
            return [try x.to(dtype)]
        case "softmax": return [try x.softmax(axis: integer("axis"))]
        case "logSoftmax": return [try x.logSoftmax(axis: integer("axis"))]
        case "matmul": return [try x.matmul(y)]
        case "outer": return [try x.outer(y)]
        case "einsum": return [try einsum(arguments["equation"]?.string ?? "", operands)]
        default: return try function(x).map { [$0] }
        }
    }

    private func function(_ x: Tensor) throws -> Tensor? {
        switch operation {
        case "negative": try -x
        case "abs": try x.abs()
        case "sign": try x.sign()
        case "square": try x.square()
        case "exp": try x.exp()
        case "expm1": try x.expm1()
        case "log": try x.log()
        case "log1p": try x.log1p()
        case "log2": try x.log2()
        case "sqrt": try x.sqrt()
        case "rsqrt": try x.rsqrt()
        case "reciprocal": try x.reciprocal()
        case "sin": try x.sin()
        case "cos": try x.cos()
        case "tan": try x.tan()
        case "tanh": try x.tanh()
        case "erf": try x.erf()
        case "sigmoid": try x.sigmoid()
        case "silu": try x.silu()
        case "gelu": try x.gelu()
        case "geluTanh": try x.gelu(approximate: true)
        case "relu": try x.relu()
        case "softplus": try x.softplus()
        case "floor": try x.floor()
        case "ceil": try x.ceil()
        case "round": try x.round()
        case "truncate": try x.truncate()
        case "isNaN": try x.isNaN()
        case "isInfinite": try x.isInfinite()
        case "isFinite": try x.isFinite()
        default: nil
        }
    }

    private func reduction() throws -> [Tensor]? {
        guard let x = operands.first else { return nil }
        let axes = arguments["axes"] == nil ? [] : try integers("axes"), keep = flag("keep")
        switch operation {
        case "sum": return [try x.sum(axes: axes, keepDimensions: keep)]
        case "prod": return [try x.prod(axes: axes, keepDimensions: keep)]
        case "mean": return [try x.mean(axes: axes, keepDimensions: keep)]
        case "variance": return [try x.variance(axes: axes, keepDimensions: keep)]
        case "std": return [try x.std(axes: axes, keepDimensions: keep)]
        case "max": return [try x.max(axes: axes, keepDimensions: keep)]
        case "min": return [try x.min(axes: axes, keepDimensions: keep)]
        case "any": return [try x.any(axes: axes, keepDimensions: keep)]
        case "all": return [try x.all(axes: axes, keepDimensions: keep)]
        case "logSumExp": return [try x.logSumExp(axes: axes, keepDimensions: keep)]
        case "norm": return [try x.norm(real("p"), axes: axes)]
        case "argmax": return [try x.argmax(integer("axis"))]
        case "argmin": return [try x.argmin(integer("axis"))]
        case "cumulativeSum": return [try x.cumulativeSum(integer("axis"))]
        case "cumulativeProduct": return [try x.cumulativeProduct(integer("axis"))]
        case "sort":
            let sorted = try x.sort(axis: integer("axis"), descending: flag("descending"))
            return [sorted.values, sorted.indices]
        case "topK":
            let top = try x.topK(integer("k"), axis: integer("axis"), largest: flag("largest"))
            return [top.values, top.indices]
        default: return nil
        }
    }

    private func indexing() throws -> [Tensor]? {
        guard let x = operands.first else { return nil }
        switch operation {
        case "gather": return [try x.gather(integer("axis"), operands[1])]
        case "scatter": return [try x.scatter(integer("axis"), operands[1], operands[2])]
        case "scatterAdd": return [try x.scatterAdd(integer("axis"), operands[1], operands[2])]
        case "indexSelect": return [try x.indexSelect(integer("axis"), operands[1])]
        case "indexAdd": return [try x.indexAdd(integer("axis"), operands[1], operands[2])]
        case "take": return [try x.take(rows: operands[1])]
        case "maskedFill": return [try x.maskedFill(operands[1], integer("value"))]
        case "maskedSelect": return [try x.maskedSelect(operands[1])]
        case "nonzero": return [try x.nonzero()]
        case "unique":
            let unique = try x.unique()
            return [unique.values, unique.inverse, unique.counts]
        case "oneHot": return [try x.oneHot(integer("classes"))]
        case "tril": return [try x.tril(integer("diagonal"))]
        case "triu": return [try x.triu(integer("diagonal"))]
        default: return nil
        }
    }

    private func layout() throws -> [Tensor]? {
        let x = operands.first ?? Tensor(0)
        switch operation {
        case "reshape": return [try x.reshape(integers("shape"))]
        case "permute": return [try x.permute(integers("order"))]
        case "squeeze": return [try x.squeeze()]
        case "unsqueeze": return [try x.unsqueeze(integer("axis"))]
        case "expand": return [try x.expand(integers("shape"))]
        case "flatten": return [try x.flatten(from: integer("axis"))]
        case "split": return try x.split(integer("size"), axis: integer("axis"))
        case "chunk": return try x.chunk(integer("size"), axis: integer("axis"))
        case "concatenate": return [try .concatenate(operands, axis: integer("axis"))]
        case "stack": return [try .stack(operands, axis: integer("axis"))]
        case "tile": return [try x.tile(integers("counts"))]
        case "repeatInterleave": return [try x.repeatInterleave(integer("count"), axis: integer("axis"))]
        case "flip":
            let axes = try integers("axes")
            return [try x.flip(axes[0], axes[1])]
        case "roll": return [try x.roll(integer("shift"), axis: integer("axis"))]
        case "unfold": return [try x.unfold(integer("axis"), size: integer("size"), step: integer("step"))]
        case "diagonal": return [try x.diagonal(integer("a"), integer("b"))]
        case "moveAxis": return [try x.moveAxis(integer("axis"), to: integer("to"))]
        case "linspace": return [try .linspace(real("start"), real("end"), count: integer("count"))]
        case "arange": return [try .arange(integer("start"), integer("end"), step: integer("step"))]
        case "eye": return [try .eye(integer("rows"), integer("columns"))]
        default: return nil
        }
    }
}
