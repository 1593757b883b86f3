// Everything a program needs to load a model and talk to it: `import Martlet`.
@_exported import MartletAdapters
@_exported import MartletChat
@_exported import MartletData
@_exported import MartletEvaluation
@_exported import MartletFormats
@_exported import MartletGrammar
@_exported import MartletHub
@_exported import MartletInference
@_exported import MartletJSON
@_exported import MartletModels
@_exported import MartletNN
@_exported import MartletQuantization
@_exported import MartletRuns
@_exported import MartletTasks
@_exported import MartletTensor
@_exported import MartletTokenizers
@_exported import MartletTraining
