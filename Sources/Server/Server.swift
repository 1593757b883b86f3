@_exported import MartletAPI
