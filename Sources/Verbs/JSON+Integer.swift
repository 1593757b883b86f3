import MartletCatalog

extension JSON {
    package static func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
}
