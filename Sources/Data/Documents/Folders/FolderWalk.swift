import MartletFormats

/// A file of a folder that is not read, and why.
public struct LeftOutFile: Sendable, Hashable {
    public enum Reason: Sendable, Hashable {
        case unknownKind
        /// A pipe, a socket, a device.
        case special
        /// A link to a folder that is already read.
        case linkedAgain
        case tooDeep
        /// A description of the data: a README, a licence, metadata.
        case description
        case split(String)
        case subset(String)

        public var text: String {
            switch self {
            case .unknownKind: "of an unknown kind"
            case .special: "not a regular file"
            case .linkedAgain: "a link to a folder that is already read"
            case .tooDeep: "too deep"
            case .description: "describes the data"
            case .split(let name): "of the split \(name)"
            case .subset(let name): "of the subset \(name)"
            }
        }
    }

    public var path: String
    public var reason: Reason

    public init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }

    /// "3 files of the split test: a/test-00000.jsonl, …" for each reason, in the order of the files.
    public static func summary(_ files: [LeftOutFile]) -> [String] {
        var reasons: [Reason] = []
        for file in files where !reasons.contains(file.reason) { reasons.append(file.reason) }
        return reasons.map { reason in
            let own = files.filter { $0.reason == reason }
            let names = own.prefix(3).map(\.path).joined(separator: ", ") + (own.count > 3 ? ", …" : "")
            return "\(own.count) file\(own.count == 1 ? "" : "s") \(reason.text): \(names)"
        }
    }
}

/// The files below a folder as relative paths, in the order of their names. Links to folders are followed, but each
/// folder is visited only once.
struct FolderWalk {
    private(set) var files: [String] = []
    private(set) var leftOut: [LeftOutFile] = []
    private let root: String
    private var visited: Set<String> = []
    private static let deepest = 32

    init(_ root: String) {
        self.root = root
        if let real = Folder.real(root) { visited.insert(real) }
        walk("", depth: 0)
    }

    private mutating func walk(_ folder: String, depth: Int) {
        for name in Folder.contents(folder.isEmpty ? root : "\(root)/\(folder)") where !name.hasPrefix(".") {
            let relative = folder.isEmpty ? name : "\(folder)/\(name)", path = "\(root)/\(relative)"
            if Folder.isFolder(path) {
                guard depth < Self.deepest else {
                    leftOut.append(LeftOutFile(path: path, reason: .tooDeep))
                    continue
                }
                guard let real = Folder.real(path), visited.insert(real).inserted else {
                    leftOut.append(LeftOutFile(path: path, reason: .linkedAgain))
                    continue
                }
                walk(relative, depth: depth + 1)
            } else if Folder.isFile(path) {
                files.append(relative)
            } else {
                leftOut.append(LeftOutFile(path: path, reason: .special))
            }
        }
    }
}
