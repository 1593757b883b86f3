import MartletChat
import MartletGrammar

extension LanguageModel {
    /// What a reply is constrained to where the choice of tools demands a call.
    package struct ForcedCalls {
        package let grammar: CallGrammar
        /// The syntax to read the calls by: the model's own, or JSON where its arguments are not.
        package let syntax: ToolSyntax
        /// Special tokens that stand for their spelling within the calls.
        package let written: Set<Int32>
    }

    /// The grammar of the calls that `settings` demand, in the syntax of the model's template.
    package func forcedCalls(_ settings: ToolSettings, adapter: LoadedAdapter? = nil) -> ForcedCalls {
        let template = chatTemplate(with: adapter)?.source
        let known = template.flatMap(ToolSyntax.init(template:))
        var form = CallForm(known ?? .hermes, template: known == nil ? nil : template)
        var grammar = form.grammar(settings)
        if grammar == nil {
            form = .json
            grammar = form.grammar(settings)
        }
        let written = form.syntax.markers.compactMap(tokenizer.id).filter(tokenizer.specialTokens.contains)
        return ForcedCalls(
            grammar: grammar ?? CallGrammar(), syntax: form.syntax, written: Set(written))
    }
}
