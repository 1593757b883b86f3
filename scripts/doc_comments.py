"""The ```swift blocks of doc comments in Sources, for doc_blocks.py, which type-checks them beside those of the pages.

An example in a comment is short: it uses a model, a tokenizer or a tensor that it does not make. GIVEN says of which type
such a name is, IN says so for single files, and a name that a block changes without declaring it is given as a variable.
"""
import os, re

# What examples use and do not make.
GIVEN = {
    "a": "Tensor", "add": "Tool", "adapter": "Adapter", "b": "Tensor", "batches": "BatchStream", "blocks": "Tensor", "body": "[UInt8]",
    "cache": "KVCache", "checkpoint": "Checkpoint", "compiler": "GrammarCompiler", "configuration": "AdapterConfiguration",
    "constraint": "any TokenConstraint", "data": "TrainingData", "decoder": "Decoder", "embedder": "TextEmbedder",
    "energy": "[Float]", "engine": "Engine", "files": "ModelFiles", "headDimension": "Int", "ids": "[Int32]",
    "images": "Tensor", "json": "JSON", "layer": "Linear", "library": "TaskLibrary", "logits": "Tensor", "loop": "StepLoop",
    "loss": "Tensor", "messages": "[ChatMessage]", "model": "LanguageModel", "next": "Int32", "now": "Int",
    "options": "GenerationOptions", "other": "Tensor", "pairs": "[PreferencePair]", "parameters": "[Parameter]",
    "paris": "Int32", "path": "String", "pieces": "[String]", "prompt": "[Int32]", "query": "String", "request": "EngineRequest", "rome": "Int32",
    "schema": "JSON", "scorer": "Scorer", "segments": "[Range<Int>]", "sequences": "[DecoderSequence]",
    "session": "ChatSession", "source": "Initializer", "spec": "DecoderConfiguration",
    "text": "String", "texts": "[String]", "token": "Int32", "tokenizer": "Tokenizer", "tokens": "[Int32]", "w": "Tensor",
    "weather": "Tool",
    "weight": "Tensor", "x": "Tensor",
}
# Names that stand for something else in one file, or in one only.
IN = {
    "Sources/API/Planning/GenerationPlan.swift": {"send": "([UInt8]) -> Void"},
    "Sources/Chat/Replies/ReplyParser.swift": {"source": "String"},
    "Sources/Chat/Template/ChatTemplate.swift": {"source": "String"},
    "Sources/Data/Batches/BatchStream.swift": {"sequences": "SequenceSet"},
    "Sources/Evaluation/Evaluator.swift": {"cache": "AnswerCache"},
    "Sources/Evaluation/Tasks/TaskLibrary.swift": {"yaml": "(String) throws -> JSON"},
    "Sources/Grammar/TokenConstraint.swift": {"logits": "[Float]"},
    "Sources/Inference/Scoring/SharedContext.swift": {
        "questions": "[(context: [Int32], choices: [[Int32]])]", "scores": "[[ContinuationScore]]"},
    "Sources/Interpretability/FeatureStudy.swift": {"options": "SparseAutoencoder.Options"},
    "Sources/Models/EncoderDecoder/EncoderDecoder.swift": {"spec": "EncoderDecoderConfiguration"},
    "Sources/Models/Encoder/SentencePairModel.swift": {"segments": "[Int32]"},
    "Sources/NN/Adapters/AdapterSet.swift": {"adapter": "LowRankAdapter"},
    "Sources/Evaluation/Judging/AnsweredQuestions.swift": {"model": "LocalModel"},
    "Sources/NN/Adapters/LowRankAdapter.swift": {"model": "Decoder"},
    "Sources/NN/Optimizers/WeightAverage.swift": {"evaluate": "() throws -> Float"},
    "Sources/NN/Tree/ModuleTree.swift": {"model": "Decoder"},
    "Sources/Tensor/Autograd/DifferentiableFunction.swift": {"block": "(Tensor) throws -> Tensor"},
    "Sources/Tensor/Autograd/Tensor+Recording.swift": {"return": "Tensor"},
    "Sources/Tensor/Fused/DisentangledPositions.swift": {"k": "Tensor", "q": "Tensor"},
    "Sources/Training/Classification/LabelledData.swift": {"options": "TrainingOptions"},
    "Sources/Training/Embeddings/EmbeddingData.swift": {"options": "TrainingOptions"},
    "Sources/Training/Embeddings/StartingEmbedder.swift": {"options": "TrainingOptions"},
    "Sources/Training/Chat/SupervisedRows.swift": {"model": "StartingModel", "options": "TrainingOptions"},
    "Sources/Training/Making/AppendedLines.swift": {"prompts": "[String]", "row": "(Int) -> JSON"},
    "Sources/Training/Making/ExpertIteration.swift": {
        "options": "ExpertOptions", "sft": "TrainingOptions", "task": "any VerifiableTask"},
    "Sources/Training/Preferences/PreferencePolicy.swift": {"pairs": "[Comparison]"},
    "Sources/Training/Rollouts/EqualRewardWatch.swift": {"report": "StepReport"},
    "Sources/Training/Rewards/Reward.swift": {"requests": "[RewardRequest]"},
    "Sources/Transfer/WaitedTask.swift": {"transfers": "Transfers", "request": "TransferRequest"},
}
# Examples of what only this package's own files can call.
PACKAGE = {
    "Sources/Patterns/Regex/RegularExpression.swift", "Sources/Tensor/Autograd/Tensor+Recording.swift",
    "Sources/Tensor/Profiling/OperationRecorder.swift",
}


def given(file, text):
    """The parameters of the function that a block becomes the body of, and its result."""
    known = dict(GIVEN, **IN.get(file, {}))
    result = known.pop("return", "")
    found = []
    for name, kind in sorted(known.items()):
        if not re.search(rf"(?<![.\w\"]){name}\b(?!:)", text):
            continue
        declared = re.search(rf"\b(let|var)\s+(\(.*)?\b{name}\b", text)
        changed = not declared and re.search(rf"(^|[{{;])\s*{name}(\.\w+|\[[^\]]*\])* = |\b{name}\.append", text, re.M)
        found.append(f"{name}: {'inout ' if changed else '@escaping ' if '->' in kind else ''}{kind}")
    return ", ".join(found), result


def blocks(root):
    """(file, line, text) of each block, in order."""
    for folder, _, names in sorted(os.walk(os.path.join(root, "Sources"))):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.endswith(".swift"):
                continue
            first, lines = None, []
            for number, line in enumerate(open(path, encoding="utf-8"), 1):
                comment = re.match(r"\s*/// ?(.*)", line)
                if not comment:
                    first = None
                elif first is None:
                    if comment.group(1).strip() == "```swift":
                        first, lines = number, []
                elif comment.group(1).strip() == "```":
                    yield os.path.relpath(path, root), first, "\n".join(lines) + "\n"
                    first = None
                else:
                    lines.append(comment.group(1))


def imports(root):
    """Every module of Sources but the programs and those in C."""
    rooms = [name for name in sorted(os.listdir(os.path.join(root, "Sources"))) if os.path.isdir(os.path.join(root, "Sources", name))]
    return {f"import {name if name == 'Martlet' else 'Martlet' + name}" for name in rooms
            if name not in ("CommandLine", "SmallProgram") and not re.match(r"C[A-Z]", name)}
