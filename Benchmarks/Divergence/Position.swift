import Foundation

/// What rounding changes in the prediction at one position.
struct Position {
    /// KL(exact ‖ fast) = Σ p (log p − log q), in nats.
    let divergence: Double
    /// −log of the probability of the text's next token, by either path.
    let exactLoss, fastLoss: Double
    let sameChoice: Bool

    /// With p = e^x / Z(x): KL = Σ p (x − y) − log Z(x) + log Z(y), in double precision.
    init(exact x: ArraySlice<Float>, fast y: ArraySlice<Float>, next: Int) {
        let (x, y) = (Array(x), Array(y))
        var bestX = 0, bestY = 0
        for i in x.indices {
            if x[i] > x[bestX] { bestX = i }
            if y[i] > y[bestY] { bestY = i }
        }
        let (highX, highY) = (x[bestX], y[bestY])
        var sumX = 0.0, sumY = 0.0, weighted = 0.0
        for i in x.indices {
            let p = Double(exp(x[i] - highX))
            sumX += p
            sumY += Double(exp(y[i] - highY))
            weighted += p * Double(x[i] - y[i])
        }
        let (logX, logY) = (Double(highX) + log(sumX), Double(highY) + log(sumY))
        divergence = weighted / sumX - logX + logY
        exactLoss = logX - Double(x[next])
        fastLoss = logY - Double(y[next])
        sameChoice = bestX == bestY
    }
}
