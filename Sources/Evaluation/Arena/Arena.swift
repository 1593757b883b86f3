#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON
import MartletSystem

/// A comparison of two models by a person or a judge.
public struct ArenaVote: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        case first = "model_a", second = "model_b", tie
    }

    public var first, second: String
    public var outcome: Outcome

    public init(_ first: String, _ second: String, _ outcome: Outcome) {
        (self.first, self.second, self.outcome) = (first, second, outcome)
    }

    /// A record `{"model_a", "model_b", "winner"}`, where the winner is `model_a`, `model_b`, `tie` or `tie (bothbad)`; also
    /// `a`, `b`, a model's name, or `{"chosen_model", "rejected_model"}`.
    /// - Returns: nil for a record that is no vote.
    public init?(_ record: JSONObject) {
        if let chosen = record["chosen_model"]?.string, let rejected = record["rejected_model"]?.string {
            self.init(chosen, rejected, .first)
            return
        }
        guard let first = record["model_a"]?.string, let second = record["model_b"]?.string, first != second,
            let winner = record["winner"]?.string
        else { return nil }
        switch winner.lowercased() {
        case "model_a", "a": self.init(first, second, .first)
        case "model_b", "b": self.init(first, second, .second)
        case "tie", "both", "draw", "tie (bothbad)", "tie(bothbad)", "bothbad": self.init(first, second, .tie)
        default:
            if winner == first {
                self.init(first, second, .first)
            } else if winner == second {
                self.init(first, second, .second)
            } else {
                return nil
            }
        }
    }
}

/// Ratings of models from votes.
///
/// Bradley-Terry: P(i beats j) = 1 / (1 + 10^((rⱼ − rᵢ) / 400)), by maximum likelihood, a tie counting as half a win for
/// each; the mean rating is 1000. Intervals are percentiles of bootstrap samples of the votes. Elo goes through the votes
/// in order, r ← r + K (outcome − expected), so it depends on that order.
///
/// Source: Bradley and Terry 1952; Hunter 2004 (the iteration); Elo 1978.
public struct Arena: Sendable {
    public struct Rating: Sendable {
        public var model: String
        public var bradleyTerry: Double
        /// 2.5 % and 97.5 %.
        public var interval: ClosedRange<Double>
        public var elo: Double
        public var wins = 0, losses = 0, ties = 0
        /// The share of votes for the model where it stood first, and where it stood second; ties count half.
        public var winRateAsFirst: Double?, winRateAsSecond: Double?
    }

    /// Best first.
    public let ratings: [Rating]
    public let voteCount: Int
    /// How often what stood first was preferred, of the votes that were no ties; 0.5 is without bias.
    public let firstShare: Double?

    /// - Throws: `EvaluationError` when there are no votes, or when models fall into groups that were never compared with
    ///   each other, so that no ratings exist.
    public init(
        _ votes: [ArenaVote], bootstrapSamples: Int = 1000, seed: Int = 1234, step k: Double = 4,
        source: String = "votes"
    ) throws(EvaluationError) {
        guard !votes.isEmpty else { throw EvaluationError(source, "there are no votes") }
        let names = Set(votes.flatMap { [$0.first, $0.second] }).sorted()
        var places: [String: Int] = [:]
        for (index, name) in names.enumerated() { places[name] = index }
        let games = votes.map { vote in
            Game(
                first: places[vote.first] ?? 0, second: places[vote.second] ?? 0,
                share: vote.outcome == .first ? 1 : vote.outcome == .second ? 0 : 0.5)
        }
        let parts = Self.parts(names.count, games)
        guard Set(parts).count == 1 else {
            let groups = Set(parts).sorted().map { part in
                names.indices.filter { parts[$0] == part }.map { names[$0] }.joined(separator: ", ")
            }
            throw EvaluationError(
                source, "models were never compared with each other: \(groups.joined(separator: " | "))")
        }
        let best = Self.fit(names.count, games)
        var random = PythonRandom(seed: seed)
        var drawn = [Int32](repeating: 0, count: games.count)
        var samples = names.map { _ in [Double]() }
        for _ in 0..<bootstrapSamples {
            random.choices(games.count, into: &drawn)
            let fitted = Self.fit(names.count, drawn.map { games[Int($0)] }, start: best)
            for index in names.indices { samples[index].append(fitted[index]) }
        }
        var elo = names.map { _ in 1000.0 }
        for game in games {
            let expected = 1 / (1 + pow(10, (elo[game.second] - elo[game.first]) / 400))
            elo[game.first] += k * (game.share - expected)
            elo[game.second] -= k * (game.share - expected)
        }
        ratings = names.indices.map { index in
            let asFirst = games.filter { $0.first == index }, asSecond = games.filter { $0.second == index }
            func rate(_ shares: [Double]) -> Double? {
                shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
            }
            var rating = Rating(
                model: names[index], bradleyTerry: best[index], interval: Self.interval(samples[index], best[index]),
                elo: elo[index])
            rating.wins = asFirst.count { $0.share == 1 } + asSecond.count { $0.share == 0 }
            rating.losses = asFirst.count { $0.share == 0 } + asSecond.count { $0.share == 1 }
            rating.ties = (asFirst + asSecond).count { $0.share == 0.5 }
            rating.winRateAsFirst = rate(asFirst.map(\.share))
            rating.winRateAsSecond = rate(asSecond.map { 1 - $0.share })
            return rating
        }.sorted { $0.bradleyTerry > $1.bradleyTerry }
        voteCount = votes.count
        let decided = games.filter { $0.share != 0.5 }
        firstShare = decided.isEmpty ? nil : Double(decided.count { $0.share == 1 }) / Double(decided.count)
    }

    private struct Game {
        var first, second: Int
        var share: Double
    }

    /// Which models are connected by votes.
    private static func parts(_ count: Int, _ games: [Game]) -> [Int] {
        var parents = Array(0..<count)
        func root(_ index: Int) -> Int {
            var index = index
            while parents[index] != index { index = parents[index] }
            return index
        }
        for game in games { parents[root(game.first)] = root(game.second) }
        return (0..<count).map(root)
    }

    /// Minorisation and maximisation: wᵢ ← Wᵢ / Σⱼ nᵢⱼ / (wᵢ + wⱼ). A model that won everything, or nothing, would have no
    /// finite rating; a hundredth of a win of each over each other that it met keeps it finite.
    private static func fit(_ count: Int, _ games: [Game], start: [Double]? = nil) -> [Double] {
        var wins = [Double](repeating: 0, count: count * count)
        for game in games {
            wins[game.first * count + game.second] += game.share
            wins[game.second * count + game.first] += 1 - game.share
        }
        for i in 0..<count {
            for j in 0..<count where i < j && wins[i * count + j] + wins[j * count + i] > 0 {
                wins[i * count + j] += 0.01
                wins[j * count + i] += 0.01
            }
        }
        var strength = start?.map { pow(10, ($0 - 1000) / 400) } ?? [Double](repeating: 1, count: count)
        for _ in 0..<10_000 {
            var moved = 0.0
            for i in 0..<count {
                var won = 0.0, expected = 0.0
                for j in 0..<count where j != i {
                    let met = wins[i * count + j] + wins[j * count + i]
                    won += wins[i * count + j]
                    if met > 0 { expected += met / (strength[i] + strength[j]) }
                }
                guard expected > 0 else { continue }
                let next = won / expected
                moved = max(moved, abs(log(next / strength[i])))
                strength[i] = next
            }
            // The scale is free: the mean of the logarithms is fixed.
            let mean = strength.reduce(0) { $0 + log($1) } / Double(count)
            for i in 0..<count { strength[i] /= exp(mean) }
            if moved < 1e-9 { break }
        }
        return strength.map { 1000 + 400 * log10($0) }
    }

    private static func interval(_ samples: [Double], _ value: Double) -> ClosedRange<Double> {
        guard samples.count > 1 else { return value...value }
        let sorted = samples.sorted()
        func quantile(_ share: Double) -> Double {
            let place = share * Double(sorted.count - 1), below = Int(place)
            let above = min(below + 1, sorted.count - 1)
            return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
        }
        let low = quantile(0.025)
        return low...max(low, quantile(0.975))
    }

    public var json: JSON {
        [
            "votes": .integer(Int64(voteCount)), "first_share": firstShare.map { .number($0) } ?? .null,
            "ratings": .array(
                ratings.map {
                    [
                        "model": .string($0.model), "bradley_terry": .number($0.bradleyTerry),
                        "low": .number($0.interval.lowerBound), "high": .number($0.interval.upperBound),
                        "elo": .number($0.elo), "wins": .integer(Int64($0.wins)), "losses": .integer(Int64($0.losses)),
                        "ties": .integer(Int64($0.ties)),
                        "win_rate_as_first": $0.winRateAsFirst.map { .number($0) } ?? .null,
                        "win_rate_as_second": $0.winRateAsSecond.map { .number($0) } ?? .null,
                    ]
                }),
        ]
    }
}
