// What a program needs to find a model on this machine, or fetch it, and to talk to it: `Martlet` without training.
@_exported import MartletAdapters
@_exported import MartletChat
@_exported import MartletFormats
@_exported import MartletGrammar
@_exported import MartletHub
@_exported import MartletInference
@_exported import MartletJSON
@_exported import MartletModels
@_exported import MartletNN
@_exported import MartletTensor
@_exported import MartletTokenizers
