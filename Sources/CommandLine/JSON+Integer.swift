import Martlet

extension JSON {
    static func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
}
