@_exported import struct MartletSystem.FileError
@_exported import class MartletSystem.MappedFile
@_exported import class MartletSystem.ThreadPool
