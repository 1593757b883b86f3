import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct SteerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "steer",
        abstract: "Steer a model by a direction in its residual stream, and see how a text goes on.",
        discussion: """
            The direction is the mean over the texts of --towards less that over the texts of --away, after their last token \
            (files, a text a line), or one that --save wrote (--vector). The text goes on greedily once for each strength; 0 is \
            the model as it is.

            Examples:
              martlet steer smollm2 "I think that" --towards happy.txt --away sad.txt --layer 12 --strength 0 --strength 4
              martlet steer smollm2 "I think that" --towards happy.txt --away sad.txt --layer 12 --save happy.safetensors
              martlet steer smollm2 "Today" --vector happy.safetensors --strength=-4
            """)

    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @Argument(help: "The text that goes on.") var text: String
    @OptionGroup var adapters: AdapterFlags
    @Option(help: "A file of texts to steer towards, a line each.") var towards: String?
    @Option(help: "A file of texts to steer away from.") var away: String?
    @Option(help: "The layer after which the direction is added; the middle one by default.") var layer: Int?
    @Option(help: "A direction that was saved.") var vector: String?
    @Option(help: "How much of the direction is added, as often as you like; 0, 2 and 4 by default.")
    var strength: [Double] = []
    @Option(help: "New tokens.") var tokens = 40
    @Option(help: "The safetensors file for the direction.") var save: String?
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        guard (vector == nil) == (towards != nil), (towards == nil) == (away == nil) else {
            throw ValidationError("the direction comes from --towards and --away, or from --vector")
        }
        guard layer == nil || vector == nil else { throw ValidationError("a saved direction has its own layer") }
        try demand("--tokens", tokens, 0...100_000)
        for amount in strength { try demand("--strength", Double(amount), -1e6...1e6) }
    }

    func run() throws {
        let loaded = try LanguageModel(ModelFiles.opened(model, adapters))
        let direction: SteeringVector
        if let towards, let away {
            let kinds = try [towards, away].map { file in
                try TextFile.lines(file).map { try loaded.tokenizer.encode($0) }
            }
            direction = try SteeringVector(
                ModelProbe(loaded), layer: layer ?? loaded.configuration.layerCount / 2, towards: kinds[0],
                from: kinds[1])
        } else {
            direction = try SteeringVector(path: vector ?? "")
        }
        if let save {
            try direction.write(to: save)
            Terminal.note("martlet: \(save)")
        }
        let interrupted = StopRequest()
        let prompt = try loaded.tokenizer.encode(text)
        var replies: [JSON] = []
        for strength in strength.isEmpty ? [0, 2, 4] : strength {
            let added: [Int32]
            do {
                added = try direction.continuation(
                    loaded, of: prompt, strength: Float(strength), count: tokens,
                    isCancelled: { interrupted.isRequested }
                ).tokens
            } catch is CancellationError { throw ExitCode(130) }
            let reply = try loaded.tokenizer.decode(added)
            replies.append(["strength": .number(strength), "text": .string(reply)])
            if !json { Terminal.show("\(Terminal.fixed(strength, 2))  \((text + reply).printable)\n") }
        }
        guard json else { return }
        let length = direction.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let value: JSON = [
            "layer": .integer(Int64(direction.layer)), "length": .number(length), "replies": .array(replies),
        ]
        Terminal.show(value.text(indent: 2) + "\n")
    }
}
