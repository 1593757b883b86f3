/// The chat template of models trained here: ChatML, which most small models use.
public enum ChatMarkup {
    public static let start = "<|im_start|>", end = "<|im_end|>", document = "<|endoftext|>"
    public static let specialTokens = [document, start, end]
    public static let template =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
        + "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
}
