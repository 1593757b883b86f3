import Foundation
import MartletAdapters
import MartletCatalog
import MartletChat
import MartletData
import MartletEvaluation
import MartletFormats
import MartletGrammar
import MartletHub
import MartletInference
import MartletInterpretability
import MartletJSON
import MartletJinja
import MartletModels
import MartletNN
import MartletQuantization
import MartletRuns
import MartletSystem
import MartletTensor
import MartletTokenizers
import MartletTraining
import MartletTransfer

// What Foundation shows of an error (`localizedDescription`, alerts) is the sentence that names what is wrong and what to
// do, not "The operation could not be completed".
// Tests/CommandLineTests/ErrorDescriptionTests.swift asks that none is left out.

extension AdapterError: LocalizedError { public var errorDescription: String? { description } }
extension ChatTemplateError: LocalizedError { public var errorDescription: String? { description } }
extension DataError: LocalizedError { public var errorDescription: String? { description } }
extension EngineError: LocalizedError { public var errorDescription: String? { description } }
extension EvaluationError: LocalizedError { public var errorDescription: String? { description } }
extension FileError: LocalizedError { public var errorDescription: String? { description } }
extension FormatError: LocalizedError { public var errorDescription: String? { description } }
extension GrammarError: LocalizedError { public var errorDescription: String? { description } }
extension HubError: LocalizedError { public var errorDescription: String? { description } }
extension InterpretabilityError: LocalizedError { public var errorDescription: String? { description } }
extension JSONError: LocalizedError { public var errorDescription: String? { description } }
extension JinjaError: LocalizedError { public var errorDescription: String? { description } }
extension ModelError: LocalizedError { public var errorDescription: String? { description } }
extension ModelNotFound: LocalizedError { public var errorDescription: String? { description } }
extension ModelStoreError: LocalizedError { public var errorDescription: String? { description } }
extension Modelfile.Problem: LocalizedError { public var errorDescription: String? { description } }
extension ModuleError: LocalizedError { public var errorDescription: String? { description } }
extension OptimizerError: LocalizedError { public var errorDescription: String? { description } }
extension OptionError: LocalizedError { public var errorDescription: String? { description } }
extension QuantizationError: LocalizedError { public var errorDescription: String? { description } }
extension RemoteModelError: LocalizedError { public var errorDescription: String? { description } }
extension RewardError: LocalizedError { public var errorDescription: String? { description } }
extension RunError: LocalizedError { public var errorDescription: String? { description } }
extension TeacherError: LocalizedError { public var errorDescription: String? { description } }
extension TensorError: LocalizedError { public var errorDescription: String? { description } }
extension TokenizerError: LocalizedError { public var errorDescription: String? { description } }
extension TokenizerTrainingError: LocalizedError { public var errorDescription: String? { description } }
extension ToolError: LocalizedError { public var errorDescription: String? { description } }
extension TrainingError: LocalizedError { public var errorDescription: String? { description } }
extension TransferError: LocalizedError { public var errorDescription: String? { description } }
