import MartletFormats

/// A split of a folder, and of one of its subsets, as they are named among others: "org/chats:train_sft",
/// "org/talk:SFT:table_gpt". Each data set of a mixture may have its own.
struct FolderPart: Equatable {
    /// Of the folder.
    let path: String
    let subset: String?
    let split: String

    /// Nil for what is there as it is named, and for what has no folder before its colons.
    /// - Parameter cached: the folder that the hub's cache has of a data set.
    init?(_ text: String, cached: (String) -> String?) {
        guard !Folder.exists(text) else { return nil }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        for count in 1...2 where parts.count > count {
            let path = parts.dropLast(count).joined(separator: ":"), names = parts.suffix(count)
            guard names.allSatisfy({ !$0.isEmpty && !$0.contains("/") }),
                let folder = Folder.isFolder(path) ? path : cached(path)
            else { continue }
            self.path = folder
            subset = count == 2 ? names.first : nil
            split = names.last ?? ""
            return
        }
        return nil
    }
}
