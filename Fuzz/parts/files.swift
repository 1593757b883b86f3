import Glibc

private let folder = "/dev/shm/martlet-fuzz-\(getpid())"

/// Calls the body with a file that holds the input, in memory.
func withInputFile(
    _ start: UnsafePointer<UInt8>, _ count: Int, _ name: String, _ body: (String) -> Void
) -> CInt {
    mkdir(folder, 0o700)
    let path = folder + "/" + name
    defer {
        unlink(path)
        rmdir(folder)
    }
    guard let file = fopen(path, "w") else { return 0 }
    fwrite(start, 1, count, file)
    fclose(file)
    body(path)
    return 0
}
